//! What one run of a program takes: time, processor, memory.
//!
//! The kernel adds up what children took for a process as a whole, and of their memory tells only the largest. So each
//! run is measured by a process of its own: this program, called with `bench measure`.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::screen::say;

/// No run takes that long: the slowest compress half a gigabyte at the highest level, on a busy machine.
const LIMIT: Duration = Duration::from_secs(3600);

/// What a run took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Usage {
    /// From its start to its end.
    pub(super) seconds: f64,
    /// Of processors, in the program and in the kernel for it.
    pub(super) processor: f64,
    /// The most memory that it had at a time, in bytes. Not less than what this program has.
    pub(super) peak: u64,
}

impl Usage {
    /// One after the other.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            seconds: self.seconds + next.seconds,
            processor: self.processor + next.processor,
            peak: self.peak.max(next.peak),
        }
    }
}

/// Runs a program, and prints what it took.
#[derive(Debug, Args)]
pub(super) struct Measure {
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Measure {
    pub(super) fn run(&self) -> Result<()> {
        let command = Tools::host()
            .command(Tool::Own(self.program.clone()))
            .args(self.arguments.iter().cloned())
            .stdout(std::process::Stdio::null())
            .limit(LIMIT);
        let start = Instant::now();
        command.run().inspect_err(|error| {
            // The caller reads the reason there; standard output is for what is measured.
            let _ = writeln!(std::io::stderr(), "{}", acl_host::error::chain(error));
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let taken = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let usage = Usage {
            seconds,
            processor: in_seconds(taken.user_time()) + in_seconds(taken.system_time()),
            peak: u64::try_from(taken.max_rss())? * 1024,
        };
        say(format_args!("{}", serde_json::to_string(&usage)?));
        Ok(())
    }
}

/// What a run of the program takes.
pub(super) fn of(
    program: &std::path::Path,
    arguments: &[OsString],
    environment: &[(&str, OsString)],
) -> Result<Usage> {
    let this = std::env::current_exe()?;
    let mut command = Tools::host()
        .command(Tool::Own(this))
        .args(["bench", "measure", "--"])
        .arg(program)
        .args(arguments.iter().cloned());
    for (name, value) in environment {
        command = command.env(*name, value);
    }
    let printed = command
        .run()
        .with_context(|| format!("{} failed", program.display()))?;
    Ok(serde_json::from_slice(&printed)?)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
fn in_seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
