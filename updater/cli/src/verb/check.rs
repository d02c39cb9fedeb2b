//! `aclctl check`

use crate::{
    agent::{Agent, Request},
    failure::Failure,
    follow,
    text::{self, field},
};

pub(crate) async fn run(agent: &Agent, json: bool, explain: bool) -> Result<(), Failure> {
    let Some(document) = follow::to_the_end(agent, Request::Check, json).await? else {
        return Ok(());
    };
    let Some(decision) = &document.decision else {
        return text::print("nothing was decided");
    };
    let mut out = field("Decision", &decision.reason);
    if explain {
        for verdict in &decision.verdicts {
            out += &field("  Release", verdict);
        }
    }
    text::print(&out)
}
