//! `cargo xtask bench provisioning`: time and memory of a first boot, from the config to the marker on ROOT.
//!
//! The program is run as its units run it, one stage after the other, on a root in a temporary directory. No config here
//! asks for a disk, so no other program is run, and all the time is the engine's own. Beside it, in turns: Ignition,
//! where it is given, with the same flags, and what the machine needs to write the same files durably.

mod boot;
mod cases;
mod initrd;
mod results;

use std::path::{Path, PathBuf};

use acl_host::file;
use acl_tests::workspace::{self, Program};
use anyhow::{Result, ensure};
use clap::Args;

use super::machine::Machine;
use super::page;
use super::sample::Sample;
use super::usage::Usage;
use crate::screen::{heading, say};
use boot::Subject;
use cases::Case;
use initrd::Initrd;
use results::{Results, Row};

/// Time and memory of a first boot, against Ignition and a plain write; the table goes to target/bench
#[derive(Debug, Args)]
pub(super) struct Provisioning {
    /// A program of Ignition to compare with, built without SELinux relabelling (see the book's page)
    #[arg(long)]
    ignition: Option<PathBuf>,
    /// The UKI whose initrd is weighed [default: the newest of target/tests/releases]
    #[arg(long)]
    uki: Option<PathBuf>,
    /// How often each is run
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Write the table into the book, too
    #[arg(long)]
    book: bool,
}

impl Provisioning {
    pub(super) fn run(&self) -> Result<()> {
        workspace::build()?;
        let scratch = workspace::scratch("bench")?;
        let mut subjects = vec![Subject::Ours(Program::Provision.path()?)];
        subjects.extend(self.ignition.iter().cloned().map(Subject::Ignition));
        subjects.push(Subject::Plain);
        let cases = Case::all()?;
        let results = Results {
            machine: Machine::this(&scratch)?,
            runs: self.runs,
            cases: cases
                .iter()
                .map(|case| self.measure(case, &subjects, &scratch))
                .collect::<Result<_>>()?,
            initrd: Initrd::weigh(self.uki.as_deref())?,
        };
        self.tell(&results)
    }

    /// All subjects in turns, so that what else the machine does hits all of them.
    fn measure(
        &self,
        case: &Case,
        subjects: &[Subject],
        scratch: &Path,
    ) -> Result<results::Measured> {
        let config = scratch.join(format!("{}.ign", case.name));
        file::scratch(&config, &case.config)?;
        let mut runs: Vec<Vec<Usage>> = vec![Vec::new(); subjects.len()];
        for _ in 0..self.runs {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                runs.push(subject.boot(case, &config, scratch)?);
            }
        }
        Ok(results::Measured {
            name: case.name,
            config: case.config.len(),
            files: case.files.len(),
            bytes: case.files.iter().map(|(_, bytes)| bytes.len()).sum(),
            limited: case.limited,
            rows: subjects
                .iter()
                .zip(&runs)
                .map(|(subject, runs)| Row {
                    subject: subject.name(),
                    sample: Sample::of(runs),
                })
                .collect(),
        })
    }

    fn tell(&self, results: &Results) -> Result<()> {
        heading("First boot: time and memory of acl-provision");
        for line in results.table() {
            say(format_args!("{line}"));
        }
        let path = workspace::target()?.join("bench/provisioning.json");
        file::make_parents(&path)?;
        file::scratch(&path, &serde_json::to_vec_pretty(results)?)?;
        say(format_args!("\n  as JSON: {}", path.display()));
        if self.book {
            page::write("provisioning", &results.markdown())?;
        }
        let passed = results.passed();
        ensure!(passed.is_empty(), "passed: {}", passed.join("; "));
        Ok(())
    }
}
