//! `cargo xtask bench updates`: what a node fetches to get from one release to the next, how long that takes, and what
//! it costs to publish; for ACL and for its peers, in one run, on the same images.
//!
//! Each way publishes both releases of a pair as its manual says, and a node that has the old one, in a file, gets the
//! new one from a server on the loopback that counts. Afterwards the slot is compared with the release, byte by byte.

mod bounds;
mod image;
mod kit;
mod limits;
mod pair;
mod published;
mod results;
mod server;
mod table;
mod way;

use std::path::PathBuf;

use acl_host::file;
use acl_tests::workspace;
use anyhow::{Context, Result, ensure};
use clap::Args;

use super::machine::Machine;
use super::page;
use crate::screen::{heading, note, say};
use crate::setup;
use bounds::Bounds;
use kit::Kit;
use pair::{Pair, Sides};
use results::{Results, Row};
use way::Way;

/// What an update weighs and takes, against RAUC, casync, patches and whole images; the table goes to target/bench
#[derive(Debug, Args)]
pub(super) struct Updates {
    /// Only this pair of releases; may be given several times
    #[arg(long)]
    pair: Vec<Pair>,
    /// Only this way; may be given several times
    #[arg(long)]
    way: Vec<Way>,
    /// Write the tables of the pairs into the book, too; takes every way
    #[arg(long, conflicts_with = "way")]
    book: bool,
}

impl Updates {
    pub(super) fn run(&self) -> Result<()> {
        setup::run()?;
        let kit = Kit::ready()?;
        let pairs = chosen(&self.pair, &Pair::ALL);
        let ways = chosen(&self.way, &Way::ALL);
        let mut results = Results {
            machine: Machine::this(&kit.directory)?,
            packages: Vec::new(),
            bounds: None,
            rows: Vec::new(),
        };
        for pair in pairs {
            let sides = pair.sides(&kit)?;
            results.packages.push((pair, sides.changes()));
            for way in &ways {
                let row = measure(&kit, pair, *way, &sides, &mut results.bounds)
                    .with_context(|| format!("{} on the pair {}", way.name(), pair.name()))?;
                results.rows.push(row);
                keep(&results)?;
            }
        }
        self.tell(&results)
    }

    fn tell(&self, results: &Results) -> Result<()> {
        heading("Updates: what a node fetches and what it takes");
        for line in table::lines(results) {
            say(format_args!("{line}"));
        }
        say(format_args!("\n  as JSON: {}", keep(results)?.display()));
        if self.book {
            for (pair, changes) in results.pairs() {
                let part = format!("updates-{}", pair.name());
                page::write(&part, &table::markdown(results, pair, changes))?;
            }
        }
        let passed = limits::passed(results);
        ensure!(
            passed.is_empty(),
            "these limits are passed:\n  {}",
            passed.join("\n  ")
        );
        Ok(())
    }
}

/// Writes the document; after each row, since all of them take an hour and more.
fn keep(results: &Results) -> Result<PathBuf> {
    let path = workspace::target()?.join("bench/updates.json");
    file::make_parents(&path)?;
    file::scratch(&path, &serde_json::to_vec_pretty(results)?)?;
    Ok(path)
}

fn chosen<T: Copy>(asked: &[T], all: &[T]) -> Vec<T> {
    if asked.is_empty() { all } else { asked }.to_vec()
}

/// Runs of a way on a pair, but for RAUC: the time of its virtual machine compares with nothing.
const RUNS: usize = 5;

/// One cell of the matrix; with our own way on the real pair, also what the machine can do at best, measured in turns
/// with ours.
fn measure(
    kit: &Kit,
    pair: Pair,
    way: Way,
    sides: &Sides,
    bounds: &mut Option<Bounds>,
) -> Result<Row> {
    let is_bounded = way == Way::Acl && pair == Pair::Security;
    let (mut runs, mut measured) = (Vec::new(), Vec::new());
    let count = if way == Way::Rauc { 1 } else { RUNS };
    note(format_args!("{}: {}", pair.name(), way.name()));
    for _ in 0..count {
        let scratch = workspace::scratch(&format!("bench-updates-{}", way.name()))?;
        let taken = way.take(kit, sides, &scratch)?;
        if is_bounded {
            measured.push(Bounds::measure(&taken, sides, &scratch)?);
        }
        std::fs::remove_dir_all(&scratch)?;
        runs.push(taken);
    }
    if is_bounded {
        *bounds = Some(Bounds::median(&measured));
    }
    Row::new(pair, way, &runs).context("it was never run")
}
