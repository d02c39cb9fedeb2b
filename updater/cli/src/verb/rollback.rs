//! `aclctl rollback`

use crate::{
    agent::{Agent, Request},
    document::Phase,
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let document = follow::to_the_end(agent, Request::Rollback, json).await?;
    if json {
        return Ok(());
    }
    match &document.state {
        Phase::GoingBack { to, .. } => text::print(&format!("rebooting into {to}")),
        _ => text::print(&status::describe(&document)),
    }
}
