//! `acl-release`: makes, changes, serves and shows a repository of releases.
//!
//! Exit status: 0 done, 1 a bug, 2 wrong usage, 3 the operator's input, 4 the environment, 5 the server.

mod add;
mod amend;
mod init;
mod promote;
mod refresh;
mod serve;
mod settings;
mod show;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use acl_host::Who;
use clap::{Parser, Subcommand};

/// Makes, changes, serves and shows a repository of ACL releases.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Add(add::Add),
    Promote(promote::Promote),
    Pause(amend::Pause),
    Resume(amend::Resume),
    Withdraw(amend::Withdraw),
    Amend(amend::Amend),
    Refresh(refresh::Refresh),
    Serve(serve::Serve),
    Show(show::Show),
    Check(show::Check),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Init(init) => init.run(),
        Verb::Add(add) => add.run(),
        Verb::Promote(promote) => promote.run(),
        Verb::Pause(pause) => pause.run(),
        Verb::Resume(resume) => resume.run(),
        Verb::Withdraw(withdraw) => withdraw.run(),
        Verb::Amend(amend) => amend.run(),
        Verb::Refresh(refresh) => refresh.run(),
        Verb::Serve(serve) => serve.run(),
        Verb::Show(show) => show.run(),
        Verb::Check(check) => check.run(),
    }
}

/// Prints the error and its causes; its exit status says who must act.
fn fail(error: &anyhow::Error) -> ExitCode {
    // Without standard error there is nobody to tell.
    let _ = writeln!(
        std::io::stderr().lock(),
        "acl-release: {}",
        acl_host::error::chain(error.as_ref())
    );
    ExitCode::from(who(error).exit_code())
}

fn who(error: &anyhow::Error) -> Who {
    let ours = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<acl_release::Error>());
    match ours {
        Some(error) => error.who(),
        // What is not the library's is standard output that is closed, or a socket that cannot be had.
        None if error.chain().any(|cause| cause.is::<std::io::Error>()) => Who::Environment,
        None => Who::Bug,
    }
}

/// Writes a line to standard output.
fn say(line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    Ok(acl_host::output::print(line)?)
}
