//! Carries effects out, one file an effect.
//!
//! Each is logged with the field `effect`, a stable name, and `phase`, `start` and then `done`: the crash test kills the
//! agent at each of them.
//!
//! Each runs on a thread of its own ([`begin`]), since most of it waits for a disk, and the agent's own thread has the bus
//! to serve. What is parallel in an effect has further threads. Every loop that may take long, on whichever thread, looks
//! at [`Session::cancel`]: the agent may end at any time.

mod arm;
mod cancellable;
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
mod watch;
mod write;

use std::time::Instant;

use acl_updater_core::{
    Version,
    effect::{Effect, Step},
    event::{Event, Took},
    record::Unfit,
    state::{Failure, State},
};
use tokio::{runtime::Handle, task::JoinHandle};
use tracing::{error, info, warn};

pub use error::Error;
pub(crate) use prepare::Prepared;
pub(crate) use watch::Limit;

use crate::session::Session;

/// An effect under way; the session comes back with what to tell the core then, if anything. Nothing comes back of one that
/// was cancelled.
pub(crate) type Running = JoinHandle<Option<(Session, Option<Event>)>>;

/// Does what may wait for a disk on a thread where nothing else waits for it.
pub(crate) async fn apart<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static,
    Error: From<E>,
{
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// Make the state durable.
pub(crate) async fn save(session: &Session, state: &State) -> Result<(), Failure> {
    let told = Effect::Save;
    info!(effect = "save", phase = "start", "{told}");
    let (store, state) = (session.store.clone(), state.clone());
    let save = move || {
        let saved = store.save(&state);
        saved.map_err(|source| Error::SaveState { source })
    };
    apart(save).await.map_err(|error| failure(&error))?;
    info!(effect = "save", phase = "done", "{told} done");
    Ok(())
}

/// Begins to carry out an effect other than `Save` and `Refuse`, on a thread of its own.
pub(crate) fn begin(mut session: Session, state: State, effect: Effect) -> Running {
    let (runtime, cancel) = (Handle::current(), session.cancel.clone());
    let log = tracing::dispatcher::get_default(Clone::clone);
    let work = move || {
        runtime
            .block_on(async {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => None,
                    event = carry_out(&mut session, &state, effect) => Some(event),
                }
            })
            .map(|event| (session, event))
    };
    tokio::task::spawn_blocking(move || tracing::dispatcher::with_default(&log, work))
}

/// What to tell the core then, if anything.
async fn carry_out(session: &mut Session, state: &State, effect: Effect) -> Option<Event> {
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
            if let Some(unfit) = unfit(session, &error, &failure) {
                let version = &unfit.version;
                warn!(
                    effect = name,
                    phase = "failed",
                    error = reason,
                    "{version} is passed over: {reason}"
                );
                return Some(Event::Unfit(unfit));
            }
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

/// The release that is staged, when `error` says that it is damaged.
fn unfit(session: &Session, error: &Error, failure: &Failure) -> Option<Unfit> {
    let damage = error.damage()?;
    let found = session.found.as_ref()?;
    let now = u64::try_from(session.clock.now().as_millisecond()).unwrap_or_default();
    Some(Unfit {
        version: Version::new(found.manifest.version.as_str()),
        manifest: found.digest.to_string(),
        reason: failure.reason.clone(),
        who: failure.who,
        since: (damage == error::Damage::Passing).then_some(now),
    })
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
