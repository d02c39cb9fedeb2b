//! `cargo xtask bench`: how fast and how small, against a peer and against what the machine itself can do.
//!
//! One file a bench. Each measures the programs that are shipped, says what it found on the terminal, as JSON below
//! `target/bench/` and in its part of the book's page, and fails when a limit is passed. Other work on the machine
//! changes every time, so all subjects take turns in one run, and what counts is how they compare.

mod machine;
mod neighbours;
mod page;
mod powercuts;
mod provisioning;
mod sample;
mod updates;
mod usage;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Measures, and fails when a limit is passed
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    Neighbours(neighbours::Neighbours),
    Powercuts(powercuts::Powercuts),
    Provisioning(provisioning::Provisioning),
    Updates(updates::Updates),
    #[command(hide = true)]
    Measure(usage::Measure),
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        match &self.which {
            Which::Neighbours(bench) => bench.run(),
            Which::Powercuts(bench) => bench.run(),
            Which::Provisioning(bench) => bench.run(),
            Which::Updates(bench) => bench.run(),
            Which::Measure(measure) => measure.run(),
        }
    }
}
