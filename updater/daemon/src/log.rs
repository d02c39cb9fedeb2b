//! Logs go to the journal, with their fields, when the journal listens; to standard error otherwise.

use std::io::{IsTerminal, stderr};

use acl_host::environment;
use tracing::{level_filters::LevelFilter, warn};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Begin to log. `RUST_LOG` says what; the default is this project's information and others' warnings.
pub(crate) fn begin() {
    let asked = environment::variable("RUST_LOG").map(|value| {
        let value = value.to_string_lossy();
        value
            .parse::<Targets>()
            .map_err(|error| format!("RUST_LOG={value} is passed over: {error}"))
    });
    let (filter, problem) = match asked {
        Some(Ok(targets)) => (targets, None),
        Some(Err(problem)) => (default(), Some(problem)),
        None => (default(), None),
    };
    install(filter);
    if let Some(problem) = problem {
        warn!("{problem}");
    }
}

fn default() -> Targets {
    Targets::new().with_default(LevelFilter::WARN).with_targets(
        ["acl_updated", "acl_release", "acl_host"].map(|own| (own, LevelFilter::INFO)),
    )
}

fn install(filter: Targets) {
    let subscriber = tracing_subscriber::registry().with(filter);
    // Set by systemd when standard error is the journal's (systemd.exec(5)).
    if environment::variable("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        return subscriber.with(journal).init();
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    subscriber.with(lines).init();
}
