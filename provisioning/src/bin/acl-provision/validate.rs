//! `acl-provision validate`: what is wrong with a config, on any machine, before it meets one.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use acl_host::output::print;
use acl_provision::config::{self, Parsed, Report};
use clap::Args;
use serde::Serialize;

/// Says whether a config is valid, and if not, what is wrong where.
///
/// Nothing is fetched: what the config names elsewhere is not looked at. Exit status: 0 valid (there may be warnings),
/// 1 not valid, 2 not readable.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The Ignition config; - for standard input
    file: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'r> {
    valid: bool,
    report: &'r Report,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Parsed {
            report, version, ..
        } = config::parse(&self.read()?);
        if self.json {
            let document = Document {
                valid: report.is_valid(),
                report: &report,
            };
            print(format_args!("{}", serde_json::to_string_pretty(&document)?))?;
        } else {
            for entry in &report.entries {
                print(format_args!("{}:{entry}", self.file.display()))?;
            }
            let file = self.file.display();
            match version.filter(|_| report.is_valid()) {
                Some(version) => print(format_args!("{file}: valid (Ignition {version})"))?,
                None => print(format_args!("{file}: not valid"))?,
            }
        }
        Ok(match report.is_valid() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        if self.file.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        Ok(acl_host::file::read(&self.file)?)
    }
}
