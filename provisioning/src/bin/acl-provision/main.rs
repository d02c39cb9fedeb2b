//! `acl-provision`: makes a machine what its Ignition config says, or says why not.
//!
//! With `-stage` it is a drop-in for Ignition 2.x: the same flags, files and kernel arguments. Its own verbs stand
//! beside that.
//!
//! Exit status: 0 done, 1 the config is not valid or a bug, 2 wrong usage or a config that cannot be read, 3 the config
//! asks for what cannot be, 4 the environment, 5 a server.

mod flags;
mod log;
mod stage;
mod validate;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes a machine what its Ignition config says, or says why not
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    // Of a flag that is given twice the last one counts, as with Ignition.
    args_override_self = true
)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    stage: stage::Flags,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Validate),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(flags::as_clap_has_them(std::env::args_os()));
    let done = match arguments.verb {
        Some(Verb::Validate(validate)) => validate.run(),
        None => arguments.stage.run(),
    };
    done.unwrap_or_else(|error| {
        // Without standard error there is nobody to tell.
        let chain = acl_host::error::chain(error.as_ref());
        let _ = writeln!(std::io::stderr().lock(), "acl-provision: {chain}");
        let ours = error.downcast_ref::<acl_provision::Error>();
        ExitCode::from(ours.map_or(2, |error| error.who().exit_code()))
    })
}
