//! The health report: durable, read by whichever release runs next.

use std::{path::Path, time::Duration};

use acl_host::file;
use acl_updater_core::{Version, bounds, machine::Health};
use serde::{Deserialize, Serialize};

use crate::store::read_at_most;

/// Name of the report in the agent's state directory.
const NAME: &str = "health.json";

/// The report is never longer, in bytes.
const LARGEST: u64 = 1 << 20;

/// What the checks of one boot found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The release that was checked.
    pub version: Version,
    /// The checks in the order in which they ran.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it did not pass; none when it passed.
    pub problem: Option<String>,
}

impl Check {
    pub(super) fn new(name: impl Into<String>, took: Duration, result: Result<(), String>) -> Self {
        Self {
            name: name.into(),
            seconds: took.as_secs_f64(),
            problem: result
                .err()
                .map(|problem| bounds::text(&problem, bounds::VERDICT)),
        }
    }
}

impl Report {
    /// Whether every check passed.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }

    /// The report as the core needs it.
    #[must_use]
    pub fn summary(&self) -> Health {
        let reason = |check: &Check| {
            let problem = check.problem.as_ref()?;
            Some(format!("{}: {problem}", check.name))
        };
        Health {
            version: self.version.clone(),
            healthy: self.is_healthy(),
            reasons: self.checks.iter().filter_map(reason).collect(),
        }
    }
}

/// Write the report, durably.
pub(super) fn write(dir: &Path, report: &Report) -> acl_host::Result<()> {
    super::made(dir)?;
    let path = dir.join(NAME);
    let bytes = serde_json::to_vec_pretty(report).map_err(|error| acl_host::Error::WriteFile {
        path: path.clone(),
        source: error.into(),
    })?;
    file::write(path, &bytes)
}

/// Remove the report; one that stays only makes a reason less exact.
pub(crate) fn forget(dir: &Path) {
    if let Err(error) = file::remove(dir.join(NAME)) {
        let chain = acl_host::error::chain(&error);
        tracing::warn!(error = chain, "cannot remove the health report: {chain}");
    }
}

/// The last report; none when there is none that can be read.
pub(crate) fn read(dir: &Path) -> Option<Report> {
    let (bytes, whole) = read_at_most(&dir.join(NAME), LARGEST).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_wrote_is_cut_and_shown_as_it_is() {
        let problem = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
        let check = Check::new("10-disk", Duration::ZERO, Err(problem));
        let told = check.problem.unwrap();
        assert!(
            told.starts_with("\\u{1b}[2Jxxx") && told.ends_with("x…"),
            "{told}"
        );
        assert_eq!(told.len(), bounds::VERDICT);
    }

    #[test]
    fn a_report_tells_what_did_not_pass() {
        let second = Duration::from_secs(1);
        let report = Report {
            version: Version::new("2"),
            checks: vec![
                Check::new("units", second, Ok(())),
                Check::new("10-disk", second, Err("it is full".into())),
            ],
        };
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &report).unwrap();
        let health = read(dir.path()).unwrap().summary();
        assert!(!health.healthy);
        assert_eq!(health.reasons, ["10-disk: it is full"]);
    }
}
