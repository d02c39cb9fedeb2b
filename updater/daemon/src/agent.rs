//! The agent: feeds the core with what happens and has its effects carried out, one at a time.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use acl_host::clock::Clock;
use acl_release::repository::http::Network;
use acl_updater_core::{
    effect::{Effect, Step},
    event::{Event, Request},
    machine::Facts,
    state::{Failure, Goal, Phase, State, Who},
    step,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::{Config, Unreachable},
    effect::{self, Running, apart},
    facts,
    feed::{self, Timer},
    machine::Machine,
    session::{Progress, Session, Way},
    status,
    store::{Loaded, Store},
};
pub use crate::{feed::Pace, status::Shown};

/// Something asked for, and where to answer.
#[derive(Debug)]
pub struct Ask {
    /// What is asked for.
    pub wish: Wish,
    /// Told when it was begun, or why it was not.
    pub reply: oneshot::Sender<Result<(), Failure>>,
}

/// What can be asked for over the bus. How far `Retry` goes is policy, so that the core's request is made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the requests of the core")]
pub enum Wish {
    Check,
    Stage,
    Apply,
    Rollback,
    Retry,
}

/// What the agent runs on.
#[derive(Debug)]
pub struct Ground {
    /// The machine.
    pub machine: Arc<Machine>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When it acts by itself.
    pub pace: Pace,
}

/// How the agent's ends are tied.
#[derive(Debug)]
pub struct Ends {
    /// Requests come in here.
    pub asks: mpsc::Receiver<Ask>,
    /// What it does is shown here.
    pub shown: watch::Sender<Shown>,
}

/// Why the agent could not begin.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    #[error("cannot make the state directory {}", path.display())]
    MakeStateDir {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read the state")]
    LoadState { source: acl_host::Error },
    #[error("cannot set up the HTTP client")]
    SetUpHttp { source: acl_release::Error },
    #[error("a part of the agent ended unexpectedly")]
    Join {
        #[from]
        source: tokio::task::JoinError,
    },
}

/// The agent at work.
struct Agent {
    state: State,
    todo: VecDeque<Effect>,
    /// The session is with the effect that is being carried out, or here.
    session: Option<Session>,
    running: Option<Running>,
    machine: Arc<Machine>,
    clock: Arc<dyn Clock>,
    shown: watch::Sender<Shown>,
    started: bool,
    /// Whether a check waits for the time to be synchronised: one that the start took up.
    holds_checks: bool,
    /// Whether the start was tried: before, what is shown would not be what is.
    begun: bool,
}

/// Run the agent until `shutdown` ends. What is under way then is given up; it is safe to do so at any point. Its threads
/// end soon after that, or are left behind waiting for a disk: whoever drops the runtime waits for them, within limits.
///
/// # Errors
/// [`Error`], each before anything is done.
pub async fn run(
    ground: Ground,
    ends: Ends,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let cancel = CancellationToken::new();
    // However this ends.
    let _cancelled = cancel.clone().drop_guard();
    tokio::select! {
        biased;
        () = shutdown => Ok(()),
        ended = work(ground, ends, cancel) => ended,
    }
}

/// Ends only with an error.
async fn work(ground: Ground, ends: Ends, cancel: CancellationToken) -> Result<(), Error> {
    let (mut agent, mut progress) = Agent::new(&ground, ends.shown, cancel).await?;
    let mut asks = ends.asks;
    let mut timer = Timer::new(ground.pace);
    agent.start().await;
    let synchronised = synchronised(&ground);
    let mut waits_for_time = true;
    agent.holds_checks = true;
    tokio::pin!(synchronised);
    loop {
        agent.advance().await;
        tokio::select! {
            (session, event) = feed::ended(&mut agent.running) => {
                agent.ended(session, event);
                agent.advance().await;
                // A step that is done is not yet a success: the next may fail, each time again.
                if agent.is_at_rest() {
                    timer.heed(agent.state.failure().is_some());
                }
            }
            Some((done, total)) = progress.recv() => agent.feed(Event::Progressed { done, total }),
            Some(ask) = asks.recv() => agent.ask(ask).await,
            () = &mut synchronised, if waits_for_time => {
                waits_for_time = false;
                agent.holds_checks = false;
            }
            () = timer.passed(), if !waits_for_time => agent.tick(&mut timer).await,
            () = feed::trial_pause(&agent.state) => agent.look().await,
        }
    }
}

/// Ends when the agent may act by itself for the first time. What is asked for does not wait, nor do machines in a file.
async fn synchronised(ground: &Ground) {
    if ground.machine.is_this_one() {
        // What is wrong with the configuration is told by the first check.
        let machine = ground.machine.clone();
        let config = apart(move || Config::load(&machine.root)).await;
        let limit = config.map_or(Duration::ZERO, |config| config.time_sync_wait);
        feed::synchronised::synchronised(limit).await;
    }
}

/// Do once what the clock would do, to its end; for machines in a file. The reason, if it failed.
///
/// # Errors
/// [`Error`], each before anything is done.
pub async fn once(ground: Ground, shown: watch::Sender<Shown>) -> Result<Option<Failure>, Error> {
    let cancel = CancellationToken::new();
    let _cancelled = cancel.clone().drop_guard();
    let (mut agent, mut progress) = Agent::new(&ground, shown, cancel).await?;
    let mut timer = Timer::new(ground.pace);
    agent.start().await;
    // What was interrupted is taken up by the start itself.
    agent.advance().await;
    if agent.is_at_rest() {
        agent.tick(&mut timer).await;
    }
    loop {
        agent.advance().await;
        if agent.is_at_rest() {
            break;
        }
        tokio::select! {
            (session, event) = feed::ended(&mut agent.running) => agent.ended(session, event),
            Some((done, total)) = progress.recv() => agent.feed(Event::Progressed { done, total }),
        }
    }
    Ok(agent.state.failure())
}

impl Agent {
    async fn new(
        ground: &Ground,
        shown: watch::Sender<Shown>,
        cancel: CancellationToken,
    ) -> Result<(Self, mpsc::UnboundedReceiver<(u64, u64)>), Error> {
        let dir = ground.machine.state_dir();
        let opened = tokio::task::spawn_blocking(move || open(dir)).await?;
        let (store, state) = opened?;
        let way = Way::new(Network::default(), ground.clock.clone())
            .map_err(|source| Error::SetUpHttp { source })?;
        let (sender, progress) = mpsc::unbounded_channel();
        let session = Session {
            machine: ground.machine.clone(),
            clock: ground.clock.clone(),
            way,
            // Before the first check nothing asks for it.
            unreachable: (Unreachable::Wait, Duration::ZERO),
            store,
            progress: Progress::new(sender),
            cancel,
            limit: None,
            prepared: None,
            proven: None,
            written: None,
            found: None,
        };
        let agent = Self {
            state,
            todo: VecDeque::new(),
            session: Some(session),
            running: None,
            machine: ground.machine.clone(),
            clock: ground.clock.clone(),
            shown,
            started: false,
            holds_checks: false,
            begun: false,
        };
        Ok((agent, progress))
    }

    /// Tell the core what machine it woke up on; tried again before the next request when that fails.
    async fn start(&mut self) {
        match self.facts().await {
            Ok(facts) => {
                self.started = true;
                info!(running = %facts.running, "started on {}", facts.running);
                self.feed(Event::Started(facts));
            }
            Err(error) => self.feed(Event::Failed(effect::failure(&error))),
        }
        // Neither a trial nor a way back depends on it; the next check tells.
        if !self.state.watches_trial()
            && !self.state.is_going_back()
            && let Err(error) = self.config().await
        {
            self.fail(&error);
        }
        self.begun = true;
        // Before the first effect, which may have to wait for the disk.
        self.show();
    }

    /// The machine as it is now.
    async fn facts(&self) -> Result<Facts, effect::Error> {
        let (machine, clock) = (self.machine.clone(), self.clock.clone());
        apart(move || facts::read(&machine, clock.as_ref())).await
    }

    /// The configuration as it is now.
    async fn config(&self) -> Result<Config, effect::Error> {
        let machine = self.machine.clone();
        apart(move || Config::load(&machine.root)).await
    }

    /// One event to the core; what it wants done goes to the end of the list.
    fn feed(&mut self, event: Event) {
        let before = stage_of(&self.state.phase);
        let (state, effects) = step(std::mem::take(&mut self.state), event);
        self.state = state;
        self.todo.extend(effects);
        if stage_of(&self.state.phase) != before {
            tell(&self.state.phase);
        }
        self.show();
    }

    fn fail(&mut self, error: &effect::Error) {
        self.todo.clear();
        self.feed(Event::Failed(effect::failure(error)));
    }

    /// Begin the next effect, unless one is being carried out.
    async fn advance(&mut self) {
        while let Some(session) = self.session.take() {
            if self.holds_checks && self.todo.front() == Some(&Effect::Check) {
                self.session = Some(session);
                break;
            }
            let Some(effect) = self.todo.pop_front() else {
                self.session = Some(session);
                break;
            };
            match effect {
                Effect::Save => {
                    let saved = effect::save(&session, &self.state).await;
                    self.session = Some(session);
                    if let Err(failure) = saved {
                        self.unsaved(failure);
                    }
                }
                Effect::Refuse(failure) => {
                    warn!(reason = failure.reason, "refused: {}", failure.reason);
                    self.session = Some(session);
                }
                effect => {
                    let state = self.state.clone();
                    self.running = Some(effect::begin(session, state, effect));
                }
            }
        }
        self.show();
    }

    /// What cannot be remembered is not begun. The failure itself is not saved either: that would fail for ever.
    fn unsaved(&mut self, failure: Failure) {
        error!(
            reason = failure.reason,
            "the state cannot be saved: {}", failure.reason
        );
        self.todo.clear();
        self.state.phase = Phase::Failed(failure);
    }

    fn ended(&mut self, session: Session, event: Option<Event>) {
        self.session = Some(session);
        self.running = None;
        if matches!(event, Some(Event::Failed(_))) {
            self.todo.clear();
        }
        if let Some(event) = event {
            self.feed(event);
        }
    }

    async fn ask(&mut self, ask: Ask) {
        self.holds_checks = false;
        let begun = self.request(ask.wish).await;
        // Whoever asked may have gone.
        let _ = ask.reply.send(begun);
    }

    async fn request(&mut self, wish: Wish) -> Result<(), Failure> {
        let request = match wish {
            Wish::Check => Request::Check,
            Wish::Stage => Request::Stage,
            Wish::Apply => Request::Apply,
            Wish::Rollback => Request::Rollback,
            Wish::Retry => {
                let config = self.config().await;
                let config = config.map_err(|error| effect::failure(&error))?;
                Request::Retry(config.goal().unwrap_or_default())
            }
        };
        info!(?request, "asked: {request}");
        self.submit(request).await
    }

    async fn submit(&mut self, request: Request) -> Result<(), Failure> {
        if !self.started {
            self.start().await;
        }
        let facts = self.facts().await;
        let facts = facts.map_err(|error| effect::failure(&error))?;
        let before = self.todo.len();
        self.feed(Event::Asked(request, facts));
        match self.todo.back() {
            // One that is still on the list from an earlier request is not the answer to this one.
            Some(Effect::Refuse(failure)) if self.todo.len() > before => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// The clock asks.
    async fn tick(&mut self, timer: &mut Timer) {
        if !self.is_at_rest() || self.state.watches_trial() {
            return timer.again();
        }
        let config = match self.config().await {
            Ok(config) => config,
            Err(error) => {
                self.fail(&error);
                return timer.again();
            }
        };
        timer.next(config.check_interval);
        // What the operator applied waits for an answer, and not for ever, also where nothing else is automatic.
        let waits = self.state.applies && self.state.waits_since.is_some();
        let goal = config.goal().or(waits.then_some(Goal::Check));
        // Without a server there is nothing to ask for; who asks by hand is told so.
        let (Some(goal), Some(_)) = (goal, &config.server) else {
            return;
        };
        if let Err(failure) = self.submit(Request::Automatic(goal)).await {
            self.feed(Event::Failed(failure));
        }
    }

    /// Look whether a trial has ended.
    async fn look(&mut self) {
        match self.facts().await {
            Ok(facts) => self.feed(Event::Looked(facts)),
            Err(error) => {
                let chain = acl_host::error::chain(&error);
                warn!(error = chain, "cannot look at the trial: {chain}");
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.running.is_none() && self.todo.is_empty()
    }

    fn show(&self) {
        if !self.begun {
            return;
        }
        let now = status::shown(&self.state, !self.is_at_rest());
        self.shown.send_if_modified(|shown| {
            let changed = *shown != now;
            *shown = now;
            changed
        });
    }
}

/// The store in a directory, and what is in it.
fn open(dir: std::path::PathBuf) -> Result<(Store, State), Error> {
    let store = Store::open(&dir).map_err(|source| Error::MakeStateDir { path: dir, source })?;
    let state = load(&store)?;
    Ok((store, state))
}

/// The state from before; without it the machine itself tells enough to end a trial, and an operator has to say that
/// releases may be taken again.
fn load(store: &Store) -> Result<State, Error> {
    match store.load() {
        Ok(Loaded::Whole(state)) => Ok(*state),
        Ok(Loaded::Damaged(damage)) => {
            error!(damage, "{damage}");
            Ok(State {
                damage: Some(damage),
                ..State::default()
            })
        }
        // What was just left is still told by its boot entry.
        Ok(Loaded::OfLaterRelease { schema, kept }) => {
            warn!(
                schema,
                kept = %kept.display(),
                "the state is of a later release and begins anew; a copy was kept"
            );
            Ok(State::default())
        }
        Err(source) => Err(Error::LoadState { source }),
    }
}

/// The phase without what only progresses.
fn stage_of(phase: &Phase) -> Phase {
    let mut phase = phase.clone();
    if let Phase::Staging {
        step, done, total, ..
    } = &mut phase
    {
        (*step, *done, *total) = (Step::FIRST, 0, 0);
    }
    phase
}

fn tell(phase: &Phase) {
    match phase {
        Phase::Failed(Failure {
            reason,
            who: Who::Bug,
        }) => error!(reason, "state: {phase}"),
        Phase::Failed(Failure { reason, who }) => warn!(reason, ?who, "state: {phase}"),
        Phase::Waiting { .. } | Phase::Disarmed { .. } => warn!(?phase, "state: {phase}"),
        phase => info!(?phase, "state: {phase}"),
    }
}
