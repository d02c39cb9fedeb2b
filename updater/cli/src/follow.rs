//! Waits until the agent is at rest, and shows how far it is.

use std::time::Duration;

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::timeout;

use crate::{
    agent::{Agent, Request},
    document::{Document, Phase},
    failure::Failure,
    text,
};

/// How long to wait for a signal before asking anyhow.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask for something and wait until it came to its end. A bar on standard error shows how far it is, when that is a
/// terminal. The document, printed already when that is to be as JSON, also when the work failed.
pub(crate) async fn to_the_end(
    agent: &Agent,
    request: Request,
    json: bool,
) -> Result<Document, Failure> {
    let mut changes = agent.changes().await?;
    agent.ask(request).await?;
    let bar = Bar::new();
    let status = loop {
        let status = agent.status().await?;
        if !status.document.busy {
            break status;
        }
        bar.show(&status.document.state, agent.progress().await?);
        // The agent may end without a signal.
        let _ = timeout(PATIENCE, changes.next()).await;
    };
    bar.bar.finish_and_clear();
    if json {
        text::print(&status.json)?;
    }
    match Failure::of_phase(&status.document.state) {
        Some(failure) => Err(failure),
        None => Ok(status.document),
    }
}

/// Ask for something that a check comes before, and wait as [`to_the_end`] does. Tells the document in words unless it is
/// printed as JSON; not when the check has found something wrong and nothing to take, which is a failure.
pub(crate) async fn to_a_release(
    agent: &Agent,
    request: Request,
    json: bool,
    words: impl FnOnce(&Document) -> String,
) -> Result<(), Failure> {
    let document = to_the_end(agent, request, json).await?;
    match Failure::of_decision(&document) {
        Some(failure) => Err(failure),
        None if json => Ok(()),
        None => text::print(&words(&document)),
    }
}

struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    fn show(&self, phase: &Phase, (done, total): (u64, u64)) {
        let template = if total > 0 {
            "{msg:24} {bar:20} {bytes:>11} of {total_bytes}"
        } else {
            "{spinner} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(doing(phase));
    }
}

fn doing(phase: &Phase) -> String {
    match phase {
        Phase::Staging { version, step } | Phase::Staged { version, step } => {
            format!("{version}: {step}")
        }
        Phase::Armed { .. } | Phase::GoingBack { .. } => "rebooting".into(),
        _ => "checking".into(),
    }
}
