//! The update agent's program: reads its arguments, ties the ends together.

mod args;
mod log;

use std::{process::ExitCode, sync::Arc, time::Duration};

use acl_host::{Who, clock::SystemClock};
use acl_updated::{
    agent::{self, Ground, Pace},
    bus::Authority,
    go_back, health,
    machine::Machine,
    run,
};
use anyhow::Context;
use args::{Args, Command};
use clap::Parser;
use tokio::sync::watch;
use tracing::{error, info};

/// How long the threads may take to end, all of which have been told to: those that are not at a disk need a moment, and one
/// that waits for a disk that stands still would wait for ever. `TimeoutStopSec` of the unit is longer.
const THREADS_END: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    log::begin();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(act(args));
            runtime.shutdown_timeout(THREADS_END);
            outcome
        }
        Err(error) => Err(error).context("cannot begin"),
    };
    outcome.unwrap_or_else(|error| {
        let chain = acl_host::error::chain(error.as_ref());
        error!(error = chain, "cannot go on: {chain}");
        ExitCode::from(Who::Environment.exit_code())
    })
}

async fn act(args: Args) -> anyhow::Result<ExitCode> {
    let machine = args.machine();
    match args.command.unwrap_or(Command::Run { no_bus: false }) {
        Command::Run { no_bus } => serve(machine, no_bus).await,
        Command::Once => once(machine).await,
        Command::Health => check_health(&machine).await,
        Command::GoBack => go_back::go_back(&machine)
            .await
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
    }
}

async fn serve(machine: Machine, no_bus: bool) -> anyhow::Result<ExitCode> {
    let shutdown = acl_updated::told_to_end().context("cannot install signal handlers")?;
    let connection = if no_bus {
        None
    } else {
        let connection = zbus::Connection::system()
            .await
            .context("cannot reach the system bus")?;
        Some((connection.clone(), Authority::Polkit(connection)))
    };
    run::run(connection, ground(machine), shutdown).await?;
    info!("ended");
    Ok(ExitCode::SUCCESS)
}

async fn once(machine: Machine) -> anyhow::Result<ExitCode> {
    let (shown, _) = watch::channel(agent::Shown::default());
    let failure = agent::once(ground(machine), shown).await?;
    Ok(failure.map_or(ExitCode::SUCCESS, |failure| {
        ExitCode::from(acl_updated::exit_code(failure.who))
    }))
}

async fn check_health(machine: &Machine) -> anyhow::Result<ExitCode> {
    let report = health::run(machine).await?;
    if report.is_healthy() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(Who::Environment.exit_code()))
}

fn ground(machine: Machine) -> Ground {
    Ground {
        machine: Arc::new(machine),
        clock: Arc::new(SystemClock),
        pace: Pace::default(),
    }
}
