//! `aclctl provision`: the first boot, from what it left on ROOT. The agent has no part in it.

mod record;
mod reset;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use record::Places;

/// The verbs of the first boot.
#[derive(Debug, Args)]
pub(crate) struct Provision {
    #[command(subcommand)]
    verb: Verb,

    /// The root of the machine
    #[arg(
        long,
        hide = true,
        global = true,
        value_name = "DIR",
        default_value = "/"
    )]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what the first boot applied, from where, how long it took, and its log
    Status,
    /// Make the next boot a first boot again
    #[command(after_help = reset::MEANING)]
    Reset {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Provision {
    /// Does what was typed.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let places = Places::below(&self.root);
        match self.verb {
            Verb::Status => status::run(&places, json),
            Verb::Reset { yes } => reset::run(&places, json, yes),
        }
    }
}
