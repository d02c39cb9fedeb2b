//! The image builder's command line.

mod archive;
mod build;
mod compose;
mod keys;
mod tools;

use std::io::Write;
use std::process::ExitCode;

use acl_host::Who;
use clap::{Parser, Subcommand};

/// Builds images of ACL from Debian packages, without root.
///
/// Exit status: 0 done, 2 wrong usage, 3 the input has to change, 4 this machine lacks something, 5 a package archive
/// failed, 1 a bug.
#[derive(Debug, Parser)]
#[command(name = "acl-image", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(build::Arguments),
    Compose(compose::Arguments),
    #[command(subcommand)]
    Keys(keys::Verb),
    Tools(tools::Arguments),
}

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    // What a build writes does not depend on who builds.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let done = match verb {
        Verb::Build(arguments) => build::run(arguments),
        Verb::Compose(arguments) => compose::run(&arguments),
        Verb::Keys(verb) => keys::run(&verb),
        Verb::Tools(arguments) => tools::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let line = acl_host::error::chain(error.as_ref());
    // Where standard error is gone, the exit status still tells.
    let _ = writeln!(std::io::stderr().lock(), "acl-image: {line}");
    let library = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<acl_image::Error>());
    let who = library.map_or(Who::Environment, acl_image::Error::who);
    ExitCode::from(who.exit_code())
}
