//! `aclctl apply`

use crate::{
    agent::{Agent, Request},
    document::{Document, Phase},
    failure::Failure,
    follow,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    follow::to_a_release(agent, Request::Apply, json, describe).await
}

fn describe(document: &Document) -> String {
    match &document.state {
        Phase::Armed { version } => format!("rebooting into {version}"),
        _ => status::describe(document),
    }
}
