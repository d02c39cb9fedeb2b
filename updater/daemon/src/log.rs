//! Logs go to the journal, with their fields, when the journal listens; to standard error otherwise.

use std::io::{IsTerminal, stderr};

use acl_host::environment;
use tracing::{level_filters::LevelFilter, warn};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Begin to log. `RUST_LOG` says what; the default is this project's information and others' warnings.
pub(crate) fn begin() {
    let asked = environment::variable("RUST_LOG");
    let (filter, problem) = filter(
        asked
            .as_ref()
            .map(|value| value.to_string_lossy())
            .as_deref(),
    );
    install(filter);
    if let Some(problem) = problem {
        warn!("{problem}");
    }
}

/// What is asked for; the default, and why, when it cannot be understood.
fn filter(asked: Option<&str>) -> (Targets, Option<String>) {
    let Some(asked) = asked else {
        return (default(), None);
    };
    match asked.parse() {
        Ok(targets) => (targets, None),
        Err(error) => {
            let problem = format!("RUST_LOG={asked} is passed over: {error}");
            (default(), Some(problem))
        }
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

#[cfg(test)]
mod tests {
    use super::{LevelFilter, Targets, default, filter};

    #[test]
    fn what_cannot_be_understood_is_told_and_passed_over() {
        assert_eq!(filter(None), (default(), None));
        let quiet = Targets::new().with_default(LevelFilter::ERROR);
        assert_eq!(filter(Some("error")), (quiet, None));
        let (targets, problem) = filter(Some("acl_updated=loud"));
        assert_eq!(targets, default());
        let told = "RUST_LOG=acl_updated=loud is passed over: error parsing level filter";
        assert!(problem.is_some_and(|problem| problem.starts_with(told)));
    }
}
