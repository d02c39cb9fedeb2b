//! Carries effects out, one file an effect.
//!
//! Each is logged with the field `effect`, a stable name, and `phase`, `start` and then `done`: the crash test kills the
//! agent at each of them.

mod arm;
mod check;
mod disarm;
mod error;
mod fit;
mod flush;
mod kernel;
mod mark_bad;
mod name;
mod noting;
mod prepare;
mod read_back;
pub(crate) mod reboot;
mod recheck;
mod room;
mod sinks;
mod slot;
mod staged_files;
mod uki;
mod unpressed;
mod write;

use std::time::Instant;

use acl_updater_core::{
    Version,
    effect::{Effect, Step},
    event::{Event, Took},
    state::{Failure, State},
};
use tracing::{error, info};

pub use error::Error;
pub(crate) use prepare::Prepared;

use crate::session::Session;

/// Make the state durable.
pub(crate) fn save(session: &Session, state: &State) -> Result<(), Failure> {
    let told = Effect::Save;
    info!(effect = "save", phase = "start", "{told}");
    let saved = session.store.save(state);
    saved.map_err(|source| failure(&Error::SaveState { source }))?;
    info!(effect = "save", phase = "done", "{told} done");
    Ok(())
}

/// Carry out an effect other than `Save` and `Refuse`; what to tell the core then, if anything.
pub(crate) async fn carry_out(
    session: &mut Session,
    state: &State,
    effect: Effect,
) -> Option<Event> {
    let name = name_of(&effect);
    let is_check = matches!(effect, Effect::Check);
    let told = effect.to_string();
    let begun = Instant::now();
    info!(effect = name, phase = "start", "{told}");
    match answer(session, state, effect).await {
        Ok(event) => {
            let seconds = begun.elapsed().as_secs_f64();
            info!(
                effect = name,
                phase = "done",
                "{told} done in {seconds:.1} s"
            );
            event
        }
        Err(error) => {
            let failure = failure(&error);
            let reason = &failure.reason;
            error!(
                effect = name,
                phase = "failed",
                error = reason,
                "{told} failed: {reason}"
            );
            Some(if is_check {
                Event::CheckFailed(failure, check::unread(session, &error))
            } else {
                Event::Failed(failure)
            })
        }
    }
}

async fn answer(
    session: &mut Session,
    state: &State,
    effect: Effect,
) -> Result<Option<Event>, Error> {
    match effect {
        Effect::Save | Effect::Refuse(_) => Ok(None),
        Effect::Check => check::check(session, state)
            .await
            .map(|(outcome, obstacle)| Some(Event::Checked(outcome, obstacle))),
        Effect::Do(step, version) => timed(session, step, &version).await.map(Some),
        Effect::Disarm(obstacle) => {
            disarm::armed(session, &obstacle.version).await?;
            Ok(Some(Event::Disarmed(obstacle)))
        }
        Effect::MarkBad(version) => {
            mark_bad::mark_bad(session, &version)?;
            Ok(Some(Event::WentBack))
        }
        Effect::Reboot => {
            reboot::reboot(&session.machine).await?;
            Ok(None)
        }
    }
}

async fn timed(session: &mut Session, step: Step, version: &Version) -> Result<Event, Error> {
    let start = Instant::now();
    let fetched = carry_out_step(session, step, version).await?;
    let took = Took {
        at: u64::try_from(session.clock.now().as_millisecond()).unwrap_or_default(),
        seconds: start.elapsed().as_secs_f64(),
        fetched,
    };
    Ok(Event::Done(step, took))
}

/// The bytes that came over the network.
async fn carry_out_step(
    session: &mut Session,
    step: Step,
    version: &Version,
) -> Result<u64, Error> {
    match step {
        Step::Prepare => prepare::prepare(session).await,
        Step::Disarm => disarm::disarm(session).map(|()| 0),
        Step::Write => write::write(session).await,
        Step::Flush => flush::flush(session).await.map(|()| 0),
        Step::ReadBack => read_back::read_back(session).await.map(|()| 0),
        Step::Name => name::name(session).await.map(|()| 0),
        Step::Recheck => recheck::recheck(session, version).await.map(|()| 0),
        Step::Arm => arm::arm(session, version).await.map(|()| 0),
    }
}

/// The stable name of an effect.
fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Save => "save",
        Effect::Check => "check",
        Effect::Do(step, _) => step.name(),
        Effect::Disarm(_) => "disarm-armed",
        Effect::MarkBad(_) => "mark-bad",
        Effect::Reboot => "reboot",
        Effect::Refuse(_) => "refuse",
    }
}

/// An error as the core keeps it.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::new(error::in_core(error.who()), acl_host::error::chain(error))
}
