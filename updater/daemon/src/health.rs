//! Whether the running release is fit to stay: `acl-updated health`, started once after boot.
//!
//! Checks are executables in `/usr/lib/acl/health.d` and `/etc/acl/health.d`, failed units, and the container
//! runtime. The report is durable, so that the older release can tell why the newer one was not kept.

mod cri;
pub mod report;
mod runtime;
mod scripts;
mod units;

use std::time::Instant;

use acl_host::file;
use tracing::{info, warn};

use crate::{
    config::{self, Config},
    machine::{self, Machine},
};
use report::{Check, Report};

/// Why health could not be told.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("cannot tell what runs here")]
    ReadMachine {
        #[from]
        source: machine::Error,
    },
    #[error("cannot keep the health report")]
    WriteReport { source: acl_host::Error },
}

/// Run every check and write the report.
///
/// # Errors
/// [`Error::ReadMachine`], [`Error::WriteReport`]. Checks that do not pass are no errors: they are in the report.
pub async fn run(machine: &Machine) -> Result<Report, Error> {
    let version = machine.image()?.version;
    let checks = match Config::load(&machine.root) {
        Ok(config) => all(machine, &config.health).await,
        Err(error) => vec![unreadable(&error)],
    };
    let report = Report { version, checks };
    for check in &report.checks {
        match &check.problem {
            None => info!(
                check = check.name,
                seconds = check.seconds,
                "{}: passed in {:.1} s",
                check.name,
                check.seconds
            ),
            Some(problem) => warn!(
                check = check.name,
                problem, "{}: not passed: {problem}", check.name
            ),
        }
    }
    report::write(&machine.state_dir(), &report).map_err(|source| Error::WriteReport { source })?;
    Ok(report)
}

/// Units are looked at last: a check may be what makes one fail.
async fn all(machine: &Machine, config: &config::Health) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(socket) = &config.runtime_socket {
        let start = Instant::now();
        let answer = runtime::answers(socket, config.runtime_timeout).await;
        checks.push(Check::new("container-runtime", start.elapsed(), answer));
    }
    checks.extend(scripts::run(&machine.root, config.check_timeout).await);
    let start = Instant::now();
    let failed = units::none_failed(&config.exempt_units).await;
    checks.push(Check::new("units", start.elapsed(), failed));
    checks
}

/// A configuration that the new release cannot read was readable to the old one: then going back is right.
fn unreadable(error: &config::Error) -> Check {
    let problem = acl_host::error::chain(error);
    Check::new("configuration", std::time::Duration::ZERO, Err(problem))
}

/// The directory of the report.
fn made(dir: &std::path::Path) -> acl_host::Result<()> {
    std::fs::create_dir_all(dir).map_err(|source| acl_host::Error::WriteFile {
        path: dir.to_owned(),
        source,
    })?;
    file::sync_dir(dir)
}
