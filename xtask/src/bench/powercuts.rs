//! `cargo xtask bench powercuts`: thousands of power cuts in a recorded update, and errors of its disks.
//!
//! The simulation is a test of the agent (`updater/daemon/tests/powercuts.rs`), which makes a few hundred cuts by itself;
//! here it is given a plan of its own.

use std::path::Path;
use std::time::Duration;

use acl_host::clock::{Clock, SystemClock};
use acl_host::file;
use acl_host::tool::{Tool, Tools};
use acl_tests::workspace;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::screen::{heading, say};
use crate::setup;

/// The variable with the path of a plan, as the test reads it.
const PLAN: &str = "ACL_POWERCUTS";

/// No run takes that long.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// Cuts the power in an update, thousands of times in simulation, and lets disks fail; the counts go to target/bench
#[derive(Debug, Args)]
pub(super) struct Powercuts {
    /// How many cuts
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    cuts: u64,
    /// What the chances follow from [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Only the cut with this number, of those with this seed
    #[arg(long)]
    only: Option<u64>,
}

/// What the test is told to do.
#[derive(Debug, Serialize)]
struct Plan<'p> {
    cuts: u64,
    seed: u64,
    only: Option<u64>,
    results: &'p Path,
}

/// What the test found.
#[derive(Debug, Deserialize)]
struct Results {
    cuts: u64,
    lost: u64,
    unfinished: u64,
    /// Where the name of a boot entry had to be put back by hand.
    by_short_name: u64,
    failures: Vec<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    number: u64,
    place: String,
}

impl Powercuts {
    pub(super) fn run(&self) -> Result<()> {
        setup::run_for_tests()?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => u64::try_from(SystemClock.now().as_second())?,
        };
        heading(&format!("{} power cuts, seed {seed}", self.cuts));
        let results = workspace::target()?.join("bench/powercuts.json");
        let plan = results.with_file_name("powercuts-plan.json");
        file::make_parents(&results)?;
        file::remove(&results)?;
        let text = Plan {
            cuts: self.cuts,
            seed,
            only: self.only,
            results: &results,
        };
        file::scratch(&plan, &serde_json::to_vec(&text)?)?;
        let passed = simulate(&plan)?;
        let found = file::read(&results).context("the simulation did not come to its end")?;
        self.tell(&serde_json::from_slice(&found)?, seed)?;
        ensure!(passed, "disks that fail lost something, see above");
        say(format_args!("  as JSON: {}", results.display()));
        Ok(())
    }

    fn tell(&self, results: &Results, seed: u64) -> Result<()> {
        let Results {
            cuts,
            lost,
            unfinished,
            by_short_name,
            failures,
        } = results;
        say(format_args!(
            "  {cuts} cuts: {lost} lost, {unfinished} unfinished, {by_short_name} after a name was put back by hand"
        ));
        for Failure { number, place } in failures {
            say(format_args!(
                "  {place}\n    again: cargo xtask bench powercuts --cuts {} --seed {seed} --only {number}",
                self.cuts
            ));
        }
        ensure!(
            lost + unfinished == 0,
            "{lost} machines lost, {unfinished} not finished (seed {seed})"
        );
        Ok(())
    }
}

/// Run the tests; whether all passed.
fn simulate(plan: &Path) -> Result<bool> {
    let mut cargo = Tools::host()
        .command(Tool::Cargo)
        .args(["test", "--release", "--locked", "--package", "acl-updated"])
        .args(["--test", "main", "--", "--nocapture", "powercuts::"])
        .current_dir(workspace::root())
        .env(PLAN, plan)
        .stdout(std::io::stdout())
        .stderr(std::io::stderr())
        .spawn()?;
    let status = cargo.wait(LIMIT)?.context("the simulation does not end")?;
    Ok(status.success())
}
