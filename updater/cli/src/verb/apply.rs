//! `aclctl apply`

use crate::{
    agent::{Agent, Request},
    document::Phase,
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let done = follow::to_the_end(agent, Request::Apply).await?;
    if json {
        return text::print(&done.json);
    }
    match &done.document.state {
        Phase::Armed { version } => text::print(&format!("rebooting into {version}")),
        _ => text::print(&status::describe(&done.document)),
    }
}
