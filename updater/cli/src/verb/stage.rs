//! `aclctl stage`

use crate::{
    agent::{Agent, Request},
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let Some(document) = follow::to_the_end(agent, Request::Stage, json).await? else {
        return Ok(());
    };
    text::print(&status::describe(&document))
}
