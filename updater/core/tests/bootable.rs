//! Whatever the order of events and wherever the power is cut: a whole release boots, and the update is
//! finished on the next try.

use std::collections::{BTreeSet, VecDeque};

use acl_updater_core::{
    effect::{Effect, Step},
    event::{Event, Obstacle, Offer, Outcome, Request, Took, Unreachable, Unread},
    state::{Failure, Goal, Phase, State, Who},
    step,
};
use proptest::prelude::*;

use crate::model::{Model, number, version};

/// What fate does next.
#[derive(Clone, Debug)]
enum Fate {
    Ask(Request),
    Publish,
    /// The newest release is taken back.
    Withdraw,
    /// The repository can be asked from now on, or not.
    Reach(bool),
    /// Let the agent carry out its next effect.
    Run,
    /// The next effect fails half-way.
    Break,
    /// The agent is killed, half-way through its next effect or before it.
    Kill {
        part: bool,
        snapshot: usize,
    },
    /// The power is cut likewise.
    Cut {
        part: bool,
        snapshot: usize,
    },
    /// A late answer to work given up long ago.
    Stray(Step),
    StrayCheck,
    Look,
    Bless,
    Sick,
}

fn fates() -> impl Strategy<Value = Fate> {
    let goal = prop_oneof![Just(Goal::Check), Just(Goal::Arm), Just(Goal::Reboot)];
    let request = prop_oneof![
        goal.clone().prop_map(Request::Automatic),
        Just(Request::Check),
        Just(Request::Stage),
        Just(Request::Apply),
        Just(Request::Rollback),
        goal.prop_map(Request::Retry),
    ];
    let steps = prop_oneof![
        Just(Step::Prepare),
        Just(Step::Disarm),
        Just(Step::Write),
        Just(Step::Flush),
        Just(Step::ReadBack),
        Just(Step::Name),
        Just(Step::Recheck),
        Just(Step::Arm),
    ];
    // A snapshot of 0 is the last state saved; higher ones are older.
    let age = prop_oneof![4 => Just(0), 1 => 1..6_usize, 1 => Just(usize::MAX)];
    prop_oneof![
        4 => request.prop_map(Fate::Ask),
        2 => Just(Fate::Publish),
        1 => Just(Fate::Withdraw),
        1 => any::<bool>().prop_map(Fate::Reach),
        24 => Just(Fate::Run),
        1 => Just(Fate::Break),
        1 => (any::<bool>(), age.clone()).prop_map(|(part, snapshot)| Fate::Kill { part, snapshot }),
        1 => (any::<bool>(), age).prop_map(|(part, snapshot)| Fate::Cut { part, snapshot }),
        1 => steps.prop_map(Fate::Stray),
        1 => Just(Fate::StrayCheck),
        1 => Just(Fate::Look),
        2 => Just(Fate::Bless),
        1 => Just(Fate::Sick),
    ]
}

/// The agent on its machine.
struct World {
    machine: Model,
    newest: u32,
    withdrawn: BTreeSet<u32>,
    reachable: bool,
    /// What the repository had taken back when it was asked last; none once anything else was done since.
    seen: Option<BTreeSet<u32>>,
    state: State,
    saved: Vec<State>,
    todo: VecDeque<Effect>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            machine: Model::new(),
            newest: 1,
            withdrawn: BTreeSet::new(),
            reachable: true,
            seen: None,
            state: State::default(),
            saved: Vec::new(),
            todo: VecDeque::new(),
        };
        world.start(0);
        world
    }

    fn feed(&mut self, event: Event) {
        let (state, effects) = step(std::mem::take(&mut self.state), event);
        self.state = state;
        self.todo.extend(effects);
    }

    /// A new process, with the state that was saved `age` saves ago.
    fn start(&mut self, age: usize) {
        self.todo.clear();
        let kept = self.saved.len().checked_sub(1).and_then(|last| {
            let at = last.checked_sub(age)?;
            self.saved.get(at).cloned()
        });
        self.state = kept.unwrap_or_default();
        self.state.machine = acl_updater_core::machine::Facts::default();
        let facts = self.machine.facts();
        self.feed(Event::Started(facts));
    }

    fn run_one(&mut self) {
        let Some(effect) = self.todo.pop_front() else {
            return;
        };
        self.machine.carry_out(&effect, false);
        if matches!(
            effect,
            Effect::Do(..) | Effect::Disarm(_) | Effect::MarkBad(_)
        ) {
            self.seen = None;
        }
        match effect {
            Effect::Save => self.saved.push(self.state.clone()),
            Effect::Check => self.check(),
            Effect::Do(step, _) => self.feed(Event::Done(step, Took::default())),
            Effect::MarkBad(_) => self.feed(Event::WentBack),
            Effect::Disarm(obstacle) => self.feed(Event::Disarmed(obstacle)),
            Effect::Reboot => {
                self.may_reboot();
                self.power(0);
            }
            Effect::Refuse(_) => {}
        }
    }

    /// Into an armed release the agent reboots only when the repository has just said that it may be booted.
    fn may_reboot(&mut self) {
        if self.state.is_going_back() {
            return;
        }
        let armed = self.machine.facts().armed().map(number);
        let armed = armed.expect("a release is armed");
        let seen = self.seen.as_ref().expect("the repository was just asked");
        assert!(!seen.contains(&armed), "{armed} was taken back");
    }

    fn check(&mut self) {
        let facts = self.machine.facts();
        if !self.reachable {
            let failure = Failure::new(Who::Environment, "unreachable");
            let then = Unreachable::Wait { limit: 4000 };
            let unread = Unread { then, at: facts.at };
            self.feed(Event::CheckFailed(failure, Some(unread)));
            return;
        }
        let armed = facts.armed().cloned();
        let obstacle = armed.filter(|armed| self.withdrawn.contains(&number(armed)));
        let obstacle = obstacle.map(|version| Obstacle {
            version,
            reason: "taken back".into(),
        });
        self.seen = Some(self.withdrawn.clone());
        let taken_back = self.withdrawn.contains(&self.newest);
        let outcome = if self.newest > self.machine.release() && !taken_back {
            Outcome::Offer(offer(self.newest))
        } else {
            Outcome::Nothing {
                reason: "nothing newer".into(),
                verdicts: Vec::new(),
                at_fault: None,
            }
        };
        self.feed(Event::Checked(outcome, obstacle));
    }

    fn power(&mut self, age: usize) {
        self.machine.boot();
        self.start(age);
    }

    fn meet(&mut self, fate: Fate) {
        match fate {
            Fate::Ask(request) => {
                let facts = self.machine.facts();
                self.feed(Event::Asked(request, facts));
            }
            Fate::Publish => self.newest += 1,
            Fate::Withdraw => {
                self.withdrawn.insert(self.newest);
            }
            Fate::Reach(reachable) => self.reachable = reachable,
            Fate::Run => self.run_one(),
            Fate::Break => {
                self.stop_in_the_middle(true);
                let failure = Failure::new(Who::Environment, "broken");
                match self.todo.pop_front() {
                    None => {}
                    Some(Effect::Check) => self.feed(Event::CheckFailed(failure, None)),
                    Some(_) => {
                        self.todo.clear();
                        self.feed(Event::Failed(failure));
                    }
                }
            }
            Fate::Kill { part, snapshot } => {
                self.stop_in_the_middle(part);
                self.start(snapshot);
            }
            Fate::Cut { part, snapshot } => {
                self.stop_in_the_middle(part);
                self.power(snapshot);
            }
            // A daemon never says that the step under way is done when it is not.
            Fate::Stray(step) if !self.is_under_way(step) => {
                self.feed(Event::Done(step, Took::default()));
            }
            Fate::Stray(_) => {}
            Fate::StrayCheck if self.state.phase == Phase::Checking => {}
            Fate::StrayCheck => {
                let outcome = Outcome::Offer(offer(self.newest));
                self.feed(Event::Checked(outcome, None));
            }
            Fate::Look => {
                let facts = self.machine.facts();
                self.feed(Event::Looked(facts));
            }
            Fate::Bless => self.bless(),
            Fate::Sick if self.machine.is_on_trial() => {
                self.machine.mark_bad();
                self.power(0);
            }
            Fate::Sick => {}
        }
    }

    fn stop_in_the_middle(&mut self, part: bool) {
        if let Some(effect) = self.todo.front().cloned()
            && part
        {
            self.machine.carry_out(&effect, true);
        }
    }

    fn is_under_way(&self, asked: Step) -> bool {
        self.todo
            .iter()
            .any(|e| matches!(e, Effect::Do(step, _) if *step == asked))
    }

    fn bless(&mut self) {
        if matches!(self.state.phase, Phase::GoingBack { .. }) {
            return;
        }
        self.machine.bless();
        let facts = self.machine.facts();
        self.feed(Event::Looked(facts));
    }

    fn drain(&mut self) {
        for _ in 0..100 {
            if self.todo.is_empty() {
                return;
            }
            self.run_one();
        }
        panic!("the agent never comes to rest: {:?}", self.state);
    }

    /// Nothing disturbs any more: a new release must become the running, proven one.
    fn finish(&mut self) {
        self.reachable = true;
        self.drain();
        self.bless();
        self.drain();
        self.newest += 1;
        let facts = self.machine.facts();
        self.feed(Event::Asked(Request::Apply, facts));
        self.drain();
        // What an earlier, armed release ended in may come first.
        self.bless();
        let facts = self.machine.facts();
        self.feed(Event::Asked(Request::Apply, facts));
        self.drain();
        self.bless();
        self.drain();
    }
}

fn offer(number: u32) -> Offer {
    Offer {
        version: version(number),
        reason: "newest".into(),
        verdicts: Vec::new(),
        bytes: 10,
        packages: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_release_boots_and_the_update_is_finished(fates in prop::collection::vec(fates(), 0..80)) {
        let mut world = World::new();
        for fate in fates {
            world.meet(fate);
            // Wherever the power were cut now.
            world.machine.clone().boot();
        }
        world.finish();
        prop_assert_eq!(world.machine.release(), world.newest);
        prop_assert!(!world.machine.is_on_trial());
        prop_assert!(matches!(world.state.phase, Phase::Committed { .. }), "{:?}", world.state.phase);
    }
}

#[test]
fn cut_before_within_and_after_every_effect() {
    for part in [false, true] {
        for cut_at in 0.. {
            let mut world = World::new();
            world.newest = 2;
            let facts = world.machine.facts();
            world.feed(Event::Asked(Request::Apply, facts));
            for _ in 0..cut_at {
                world.run_one();
            }
            let finished = world.todo.is_empty();
            world.stop_in_the_middle(part);
            world.power(0);
            world.drain();
            world.bless();
            if world.machine.release() == 1 {
                let facts = world.machine.facts();
                world.feed(Event::Asked(Request::Apply, facts));
                world.drain();
                world.bless();
            }
            assert_eq!(world.machine.release(), 2, "cut at effect {cut_at}");
            assert!(matches!(world.state.phase, Phase::Committed { .. }));
            if finished {
                break;
            }
        }
    }
}
