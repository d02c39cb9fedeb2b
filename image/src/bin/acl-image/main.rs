//! The image builder's command line.

mod compose;

use std::io::Write;
use std::process::ExitCode;

use acl_host::Who;
use clap::{Parser, Subcommand};

/// Builds images of ACL from Debian packages, without root.
#[derive(Debug, Parser)]
#[command(name = "acl-image", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Compose(compose::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Compose(arguments) => compose::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let line = acl_host::error::chain(error.as_ref());
    let _ = writeln!(std::io::stderr().lock(), "acl-image: {line}");
    let library = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<acl_image::Error>());
    let who = library.map_or(Who::Bug, acl_image::Error::who);
    ExitCode::from(who.exit_code())
}
