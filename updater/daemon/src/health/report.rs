//! The health report: durable, read by whichever release runs next.

use std::{path::Path, time::Duration};

use acl_host::file;
use acl_updater_core::{Version, machine::Health};
use serde::{Deserialize, Serialize};

/// Name of the report in the agent's state directory.
const NAME: &str = "health.json";

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
            problem: result.err(),
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
    let bytes = file::read(dir.join(NAME)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
