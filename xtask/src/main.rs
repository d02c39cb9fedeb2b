//! `cargo xtask`: what a person does with the sources, each in one command, from a fresh machine on.

mod bench;
mod demo;
mod screen;
mod setup;
mod suite;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a person does with the sources.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows a machine take an update and come back from a bad one; the summary goes to target/demo/summary.json
    Demo,
    /// Runs every test
    Test(suite::Test),
    Bench(bench::Bench),
    /// Installs the Debian packages that the others need; they do it themselves, too
    Setup,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Demo => demo::run(),
        Verb::Test(test) => test.run(),
        Verb::Bench(bench) => bench.run(),
        Verb::Setup => setup::run_for_tests(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::say(format_args!("\nxtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
