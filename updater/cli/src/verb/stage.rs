//! `aclctl stage`

use crate::{
    agent::{Agent, Request},
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let done = follow::to_the_end(agent, Request::Stage).await?;
    if json {
        return text::print(&done.json);
    }
    text::print(&status::describe(&done.document))
}
