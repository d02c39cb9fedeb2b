//! `cargo xtask bench neighbours`: what the work of a node loses while an update is staged beside it.
//!
//! The node is a virtual machine. First a busy process for each of its processors runs in a slice of their own, as
//! containers do, and the agent's slice gets one weight after the other; then a process reads the disk without end. What
//! the kernel gave that slice is compared with what it has without an update: before it, and after it for the disk.

use std::time::Duration;

use acl_host::file;
use acl_tests::journey;
use acl_tests::node::{Node, STAGE, TRIAL};
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

/// How long is looked at each.
const WINDOW: Duration = Duration::from_secs(30);

/// The slice of the node's work.
const NEIGHBOURS: &str = "neighbours.slice";

/// The agent's slice.
const AGENT: &str = "acl.slice";

/// Weights of the agent's slice; a container runtime's has 100, when nobody chose.
const WEIGHTS: [&str; 5] = ["idle", "1", "2", "5", "10"];

/// Stages an update in a virtual machine that is busy, and compares what its other work gets
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
    /// `CPUWeight=` of the agent's slice, as it is installed.
    installed: String,
    weights: Vec<Row>,
    disk: Disk,
}

/// What a weight does.
#[derive(Debug, Serialize)]
struct Row {
    weight: String,
    /// Processors that the busy processes had.
    neighbours: f64,
    /// Processors that the agent had.
    agent: f64,
}

/// Bytes a second that another process read.
#[derive(Debug, Serialize)]
struct Disk {
    /// The scheduler that the kernel chose for it.
    scheduler: String,
    /// After it was armed.
    alone: f64,
    /// Until the update was armed.
    beside: f64,
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
        results.judge()
    }
}

impl Results {
    /// Whether the weight that is installed does what is asked for.
    fn judge(&self) -> Result<()> {
        let of_installed = |row: &&Row| row.weight == self.installed;
        let row = self.weights.iter().find(of_installed);
        let row = row.with_context(|| format!("no weight {} was measured", self.installed))?;
        let kept = row.neighbours / self.alone;
        ensure!(
            kept >= LEAST,
            "the busy processes kept {kept:.3} of their processors, {LEAST} is asked for"
        );
        ensure!(row.agent > 0.0, "the agent had no time at all");
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}; the node: 2 processors by emulation. Installed is `CPUWeight={}`.\n\n\
             | weight of the agent | the node's work keeps | the agent has |\n|---|---|---|\n",
            self.machine, self.installed
        );
        for row in &self.weights {
            text += &format!(
                "| {} | {:.1} % | {:.1} % of a processor |\n",
                row.weight,
                100.0 * row.neighbours / self.alone,
                100.0 * row.agent
            );
        }
        let Disk {
            scheduler,
            alone,
            beside,
        } = &self.disk;
        text += &format!(
            "\nA process that reads the disk (scheduler `{scheduler}`) without end keeps, until the update is armed, {:.0} % of the \
             bytes a second that it reads afterwards.",
            100.0 * beside / alone
        );
        text
    }
}

fn measure() -> Result<Results> {
    let site = journey::site("neighbours")?;
    let mut node = journey::settled()?.boot("neighbours", site.handover()?)?;
    node.wait_for_state("idle", TRIAL)?;
    // What follows a boot for a while would be missing to the first window only.
    let settle = "systemctl is-system-running --wait";
    node.machine().run_long(settle, 2 * TRIAL)?;
    node.machine().ask("sleep 20")?;
    let installed = show(&mut node, AGENT, "CPUWeight")?;
    let scheduler = node
        .machine()
        .ask("sed 's/.*\\[\\(.*\\)\\].*/\\1/' /sys/block/vda/queue/scheduler")?;
    let read = "dd if=/dev/vda of=/dev/null bs=64k iflag=direct 2>/dev/null";

    begin(&mut node, "busy1", ":")?;
    begin(&mut node, "busy2", ":")?;
    let (alone, _) = window(&mut node)?;
    node.machine()
        .ask("systemd-run --quiet --unit stage aclctl stage")?;
    let mut weights = Vec::new();
    for weight in WEIGHTS {
        set(&mut node, weight)?;
        let (neighbours, agent) = window(&mut node)?;
        weights.push(Row {
            weight: weight.to_owned(),
            neighbours: neighbours.processor,
            agent: agent.processor,
        });
    }
    ensure!(
        node.status()?.state() != "armed",
        "the update was armed before all weights had their turn"
    );
    set(&mut node, &installed)?;
    stop(&mut node)?;
    begin(&mut node, "read", read)?;
    let begun = Sample::take(&mut node, NEIGHBOURS)?;
    node.wait_for_state("armed", STAGE)?;
    let beside = Sample::take(&mut node, NEIGHBOURS)?.since(&begun);
    let (afterwards, _) = window(&mut node)?;
    node.shut_down()?;
    Ok(Results {
        machine: Machine::this(&workspace::target()?)?,
        alone: alone.processor,
        installed,
        weights,
        disk: Disk {
            scheduler: scheduler.trim().to_owned(),
            alone: afterwards.read,
            beside: beside.read,
        },
    })
}

/// Starts a process that repeats a command without end.
fn begin(node: &mut Node, name: &str, command: &str) -> Result<()> {
    node.machine().ask(&format!(
        "systemd-run --quiet --slice {NEIGHBOURS} --unit {name} -p CPUAccounting=yes -p IOAccounting=yes \
         sh -c 'while :; do {command}; done'"
    ))?;
    Ok(())
}

/// Ends those that were begun.
fn stop(node: &mut Node) -> Result<()> {
    node.machine()
        .ask(&format!("systemctl stop {NEIGHBOURS}"))?;
    Ok(())
}

/// Gives the agent's slice another weight, until the next boot.
fn set(node: &mut Node, weight: &str) -> Result<()> {
    node.machine().ask(&format!(
        "systemctl set-property --runtime {AGENT} CPUWeight={weight}"
    ))?;
    Ok(())
}

/// What the neighbours and the agent have for a while.
fn window(node: &mut Node) -> Result<(Rates, Rates)> {
    let take = |node: &mut Node| -> Result<[Sample; 2]> {
        Ok([Sample::take(node, NEIGHBOURS)?, Sample::take(node, AGENT)?])
    };
    let before = take(node)?;
    let wait = format!("sleep {}", WINDOW.as_secs());
    node.machine().run_long(&wait, 10 * WINDOW)?;
    let after = take(node)?;
    Ok((after[0].since(&before[0]), after[1].since(&before[1])))
}

fn show(node: &mut Node, unit: &str, property: &str) -> Result<String> {
    let value = node
        .machine()
        .ask(&format!("systemctl show --value -p {property} {unit}"))?;
    Ok(value.trim().to_owned())
}

/// What a slice had by a moment.
#[derive(Debug)]
struct Sample {
    uptime: f64,
    processor: f64,
    read: f64,
}

/// What it had a second, on the average.
#[derive(Debug)]
struct Rates {
    processor: f64,
    read: f64,
}

impl Sample {
    fn take(node: &mut Node, slice: &str) -> Result<Self> {
        let asked = format!(
            "cd /sys/fs/cgroup/{slice} && echo $(cut -d' ' -f1 /proc/uptime) \
             $(sed -n 's/^usage_usec //p' cpu.stat) $(sed 's/.*rbytes=//; s/ .*//' io.stat | head -n 1)"
        );
        Self::parse(&node.machine().ask(&asked)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let told = || format!("the machine told {text:?}");
        let mut words = text.split_whitespace();
        let mut next = || words.next().map(str::parse::<f64>).transpose();
        let uptime = next().with_context(told)?.with_context(told)?;
        let processor = next().with_context(told)?.with_context(told)? / 1e6;
        // A slice that never read has none.
        let read = next().with_context(told)?.unwrap_or_default();
        Ok(Self {
            uptime,
            processor,
            read,
        })
    }

    fn since(&self, earlier: &Self) -> Rates {
        let seconds = self.uptime - earlier.uptime;
        Rates {
            processor: (self.processor - earlier.processor) / seconds,
            read: (self.read - earlier.read) / seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn rates_are_amounts_by_the_time_that_passed() {
        let (first, last) = ("10.5 1000000\n", "20.5 20000000 5000\n");
        let [first, last] = [first, last].map(|text| Sample::parse(text).unwrap());
        let rates = last.since(&first);
        assert!((rates.processor - 1.9).abs() < 1e-9);
        assert!((rates.read - 500.0).abs() < 1e-9);
        for told in ["10.5 [not set]", "10.5"] {
            let error = Sample::parse(told).unwrap_err();
            assert_eq!(error.to_string(), format!("the machine told {told:?}"));
        }
    }
}
