//! `acl-provision -stage …`: a stage of the first boot, called as Ignition is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use acl_host::error::chain;
use acl_host::file;
use acl_provision::platform::{Machine, Platform};
use acl_provision::run::Run;
use acl_provision::stage::{Stage, disks};
use clap::Args;

use crate::log;

/// In the directory of a run: every stage of this boot logs here; the last one takes it on to ROOT.
const LOG: &str = "log";
/// In the same: why a stage failed; the initrd shows it on the console before it reboots.
const REPORT: &str = "failed";

/// Ignition's flags, which begin with one dash or with two, and one of ours.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The stage to run: fetch-offline, fetch, kargs, disks, mount, files, umount
    #[arg(long, required = true)]
    stage: Option<Stage>,
    /// What the machine runs on: azure, file, metal, qemu [default: ignition.platform.id=, or what is found]
    #[arg(long)]
    platform: Option<Platform>,
    /// The root of the system that is made
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// Where the config is kept between the stages
    #[arg(long, default_value = "/run/ignition.json")]
    config_cache: PathBuf,
    /// The file that fetch-offline makes when the network is needed
    #[arg(long, default_value = "/run/ignition/neednet")]
    neednet: PathBuf,
    /// Where the record is kept between the stages
    #[arg(long, default_value = "/run/ignition/state")]
    state_file: PathBuf,
    /// How long to try to fetch, such as 90s or 5m [default: 2m]
    #[arg(long, value_parser = duration)]
    fetch_timeout: Option<Duration>,
    /// Log to standard output, not to standard error
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    log_to_stdout: bool,
    /// Where the log is kept until there is a ROOT, and the report of a failure
    #[arg(long, default_value = "/run/acl-provision")]
    run_directory: PathBuf,
}

impl Flags {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let report = self.run_directory.join(REPORT);
        self.stage().inspect_err(|error| {
            // The stage itself says more, when it came so far.
            if !report.exists() {
                let text = format!("acl: the first boot failed: {}\n", chain(error.as_ref()));
                // The error itself is on its way to standard error.
                let _ = file::make_parents(&report)
                    .and_then(|()| file::write_private(&report, text.as_bytes()));
            }
        })
    }

    fn stage(self) -> anyhow::Result<ExitCode> {
        let log = self.run_directory.join(LOG);
        log::begin(&log, self.log_to_stdout)?;
        let stage = self
            .stage
            .ok_or_else(|| anyhow::anyhow!("no stage is given: -stage files"))?;
        file::make_parents(&self.state_file)?;
        let run = Run {
            platform: self.platform,
            root: self.root,
            cache: self.config_cache,
            need_network: self.neednet,
            state: self.state_file,
            fetch_timeout: self.fetch_timeout,
            image: "/usr/lib/ignition".into(),
            log,
            report: self.run_directory.join(REPORT),
            machine: Machine::this()?,
            disks: disks::Machine::this(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(run.stage(stage))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A duration as Go writes it: `1h2m3.5s`, `300ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    if duration.is_negative() {
        return Err("a duration is not negative".to_owned());
    }
    Ok(duration.unsigned_abs())
}
