//! Logs go to the journal, with their fields, when the journal listens; to standard error otherwise.

use std::io::{IsTerminal, stderr};

use acl_host::environment;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Begin to log. `RUST_LOG` says what; the default is this project's information and others' warnings.
pub(crate) fn begin() {
    let asked = environment::variable("RUST_LOG");
    let asked = asked.as_ref().and_then(|value| value.to_str());
    let filter =
        EnvFilter::new(asked.unwrap_or("warn,acl_updated=info,acl_release=info,acl_host=info"));
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
