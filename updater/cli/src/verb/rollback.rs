//! `aclctl rollback`

use crate::{
    agent::{Agent, Request},
    document::Phase,
    failure::Failure,
    follow, text,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let done = follow::to_the_end(agent, Request::Rollback).await?;
    if json {
        return text::print(&done.json);
    }
    match &done.document.state {
        Phase::GoingBack { to, .. } => text::print(&format!("rebooting into {to}")),
        _ => text::print(&status::describe(&done.document)),
    }
}
