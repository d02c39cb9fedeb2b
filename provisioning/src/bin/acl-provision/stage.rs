//! `acl-provision -stage …`: a stage of the first boot, called as Ignition is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use acl_host::error::chain;
use acl_host::file;
use acl_provision::platform::{Machine, Platform};
use acl_provision::run::Run;
use acl_provision::stage::{Stage, disks};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args};

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
    #[arg(long, default_value = "/", value_parser = OsStringValueParser::new().map(PathBuf::from))]
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
    /// How long to try to fetch, such as 90s or 5m; 0 and less: without end [default: 2m]
    #[arg(long, value_parser = duration, allow_hyphen_values = true)]
    fetch_timeout: Option<Duration>,
    /// Log to standard output, not to standard error
    #[arg(long, value_parser = truth, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
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
            if !report.try_exists().unwrap_or(false) {
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
            directories: ["/run/ignition", "/etc/ignition", "/usr/lib/ignition"]
                .map(PathBuf::from)
                .to_vec(),
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

/// A duration as Go reads it: `1h2m3.5s`, `300ms`, `0`; Go knows no days. One that is not positive is no limit, as with
/// Ignition.
fn duration(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "+0" | "-0") {
        return Ok(Duration::ZERO);
    }
    let duration: jiff::SignedDuration = text
        .parse()
        .map_err(|_own_words: jiff::Error| NO_DURATION.to_owned())?;
    match duration.is_negative() {
        true => Ok(Duration::ZERO),
        false => Ok(duration.unsigned_abs()),
    }
}

const NO_DURATION: &str =
    "it is not a duration; write a number and its unit, such as 90s, 5m or 1h30m; 0 is without end";

/// A truth value as Go reads it (`strconv.ParseBool`).
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, NO_DURATION, duration, truth};

    #[test]
    fn values_are_gos() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("-1s", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("90s", Duration::from_secs(90)),
            ("2m", Duration::from_secs(120)),
            ("5m", Duration::from_secs(300)),
            ("1h2m3.5s", Duration::from_millis(3_723_500)),
            ("300ms", Duration::from_millis(300)),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(truth(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(truth(text), Ok(false), "{text}");
        }
        for text in ["", "90", "m", "7d", "soon", "5 parsecs", "-"] {
            assert_eq!(duration(text), Err(NO_DURATION.to_owned()), "{text}");
        }
        assert_eq!(truth("yes"), Err("it is true or false".to_owned()));
    }
}
