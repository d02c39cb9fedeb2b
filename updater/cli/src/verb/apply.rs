//! `aclctl apply`

use crate::{
    agent::{Agent, Request},
    document::Phase,
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let Some(document) = follow::to_the_end(agent, Request::Apply, json).await? else {
        return Ok(());
    };
    match &document.state {
        Phase::Armed { version } => text::print(&format!("rebooting into {version}")),
        _ => text::print(&status::describe(&document)),
    }
}
