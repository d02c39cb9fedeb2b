//! `aclctl check`

use crate::{
    agent::{Agent, Request},
    document::Document,
    failure::Failure,
    follow,
    text::{self, field},
};

pub(crate) async fn run(agent: &Agent, json: bool, explain: bool) -> Result<(), Failure> {
    let document = follow::to_the_end(agent, Request::Check, json).await?;
    let failure = Failure::of_decision(&document);
    // With a failure, too: an explanation is wanted most when nothing can be taken.
    if !json && (explain || failure.is_none()) {
        text::print(&describe(&document, explain))?;
    }
    failure.map_or(Ok(()), Err)
}

fn describe(document: &Document, explain: bool) -> String {
    let Some(decision) = &document.decision else {
        return "nothing was decided".into();
    };
    let mut out = field("Decision", &decision.reason);
    if explain {
        for verdict in &decision.verdicts {
            out += &field("  Release", verdict);
        }
    }
    out
}
