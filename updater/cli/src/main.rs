//! What a person types on a node: asks the update agent over D-Bus, reads what the first boot left, and shows it.

mod agent;
mod document;
mod failure;
mod follow;
mod text;
mod verb;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{agent::Agent, failure::Failure, verb::provision::Provision};

/// Sees to the updates and to the first boot of this machine
#[derive(Debug, Parser)]
#[command(version, max_term_width = 80, after_help = EXIT_CODES)]
struct Args {
    #[command(subcommand)]
    verb: Verb,

    /// Print the document behind the text as JSON instead
    #[arg(long, global = true)]
    json: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a bug in ACL
  2  wrong usage of this command
  3  you must act: the configuration, or what was asked for
  4  the machine or the network must be looked after
  5  the release repository is at fault";

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Update(Update),
    /// Show what the first boot made of this machine, or have another one
    Provision(Provision),
}

/// What the agent is asked for.
#[derive(Debug, Subcommand)]
enum Update {
    /// Show what runs, what the agent does, and what came of updates
    Status,
    /// Find out which release is offered
    Check {
        /// Tell for each release why it is taken or not
        #[arg(long)]
        explain: bool,
    },
    /// Write the offered release beside the running one; the next reboot takes it
    Stage,
    /// Stage the offered release if need be, and reboot into it
    Apply,
    /// Reboot into the older release and do not take the present one again
    Rollback,
    /// Forget which releases failed, and go as far as the policy says
    Retry,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(source) => Err(Failure::Begin { source }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            text::complain(&failure);
            ExitCode::from(failure.who().exit_code())
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    let update = match args.verb {
        Verb::Provision(provision) => return provision.run(args.json),
        Verb::Update(update) => update,
    };
    let agent = Agent::connect().await?;
    match update {
        Update::Status => verb::status::run(&agent, args.json).await,
        Update::Check { explain } => verb::check::run(&agent, args.json, explain).await,
        Update::Stage => verb::stage::run(&agent, args.json).await,
        Update::Apply => verb::apply::run(&agent, args.json).await,
        Update::Rollback => verb::rollback::run(&agent, args.json).await,
        Update::Retry => verb::retry::run(&agent, args.json).await,
    }
}
