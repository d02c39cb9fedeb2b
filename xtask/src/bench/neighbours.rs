//! `cargo xtask bench neighbours`: what the work of a node loses while an update is staged beside it.
//!
//! The node is a virtual machine with a busy process for each of its processors, in a slice of their own, as containers
//! are. What the kernel gave that slice is compared: before the update, and until the update is armed.

use std::time::Duration;

use acl_host::file;
use acl_tests::journey;
use acl_tests::node::{Node, TRIAL};
use acl_tests::workspace;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::machine::Machine;
use super::page;
use crate::screen::{heading, say};
use crate::setup;

/// Of what they had before, neighbours keep at least this.
const LEAST: f64 = 0.95;

/// How long they are looked at alone.
const ALONE: Duration = Duration::from_secs(60);

/// The slice of the busy processes.
const SLICE: &str = "neighbours.slice";

/// Stages an update in a virtual machine that is busy, and compares what the busy processes get
#[derive(Debug, Args)]
pub(super) struct Neighbours {
    /// Write the figures into the book, too
    #[arg(long)]
    book: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    /// Processors that the busy processes had alone.
    alone: f64,
    /// The same while an update was staged.
    beside: f64,
    /// How long that took, in seconds of the guest.
    stage_seconds: f64,
}

impl Neighbours {
    pub(super) fn run(&self) -> Result<()> {
        setup::run_for_tests()?;
        let results = measure()?;
        let path = workspace::target()?.join("bench/neighbours.json");
        file::make_parents(&path)?;
        file::scratch(&path, &serde_json::to_vec_pretty(&results)?)?;
        heading("Neighbours: what the node's work keeps while an update is staged");
        say(format_args!("{}", results.text()));
        say(format_args!("  as JSON: {}", path.display()));
        if self.book {
            page::write("neighbours", &results.text())?;
        }
        let kept = results.kept();
        ensure!(
            kept >= LEAST,
            "the busy processes kept {kept:.3} of their processors, {LEAST} is asked for"
        );
        Ok(())
    }
}

impl Results {
    /// What is left, 1 for all.
    fn kept(&self) -> f64 {
        self.beside / self.alone
    }

    fn text(&self) -> String {
        format!(
            "{}; the node: 2 processors by emulation.\n\n\
             Busy processes had {:.2} processors alone, and {:.2} while an update was staged: {:.1} % of it. The \
             update was armed after {:.0} s.",
            self.machine,
            self.alone,
            self.beside,
            100.0 * self.kept(),
            self.stage_seconds
        )
    }
}

fn measure() -> Result<Results> {
    let site = journey::site("neighbours")?;
    let mut node = journey::settled()?.boot("neighbours", site.handover()?)?;
    node.wait_for_state("idle", TRIAL)?;
    node.machine().ask(&format!(
        "for number in $(seq $(nproc)); do \
         systemd-run --quiet --slice {SLICE} sh -c 'while :; do :; done' || exit 1; done"
    ))?;
    let before = Sample::take(&mut node)?;
    let wait = format!("sleep {}", ALONE.as_secs());
    node.machine().run_long(&wait, 2 * ALONE)?;
    let begun = Sample::take(&mut node)?;
    node.stage()?;
    let armed = Sample::take(&mut node)?;
    node.shut_down()?;
    Ok(Results {
        machine: Machine::this(&workspace::target()?)?,
        alone: begun.since(&before),
        beside: armed.since(&begun),
        stage_seconds: armed.uptime - begun.uptime,
    })
}

/// What the slice had by a moment.
struct Sample {
    uptime: f64,
    processor: f64,
}

impl Sample {
    fn take(node: &mut Node) -> Result<Self> {
        let asked = format!(
            "echo $(cut -d' ' -f1 /proc/uptime) $(systemctl show --value -p CPUUsageNSec {SLICE})"
        );
        Self::parse(&node.machine().ask(&asked)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let told = || format!("the machine told {text:?}");
        let (uptime, processor) = text.trim().split_once(' ').with_context(told)?;
        Ok(Self {
            uptime: uptime.parse().with_context(told)?,
            processor: processor.parse::<f64>().with_context(told)? / 1e9,
        })
    }

    /// Processors on the average.
    fn since(&self, earlier: &Self) -> f64 {
        (self.processor - earlier.processor) / (self.uptime - earlier.uptime)
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn processors_are_their_time_by_the_time_that_passed() {
        let (first, last) = ("10.5 1000000000\n", "20.5 20000000000\n");
        let [first, last] = [first, last].map(|text| Sample::parse(text).unwrap());
        assert!((last.since(&first) - 1.9).abs() < 1e-9);
        assert!(Sample::parse("10.5 [not set]").is_err());
    }
}
