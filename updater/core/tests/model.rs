//! A machine small enough to think about: two slots, boot entries, and systemd-boot's choice among them.

use acl_updater_core::{
    Version,
    effect::{Effect, Step},
    machine::{Entry, Facts, Tries},
};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Content {
    Whole(u32),
    /// Written, not yet flushed: a power cut tears it.
    Floating(u32),
    Torn,
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) content: Content,
    /// The release whose root hash its GUIDs are of.
    pub(crate) named: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) slots: [Slot; 2],
    pub(crate) running: usize,
    pub(crate) entries: Vec<(u32, Option<Tries>)>,
    pub(crate) at: u64,
}

impl Model {
    /// A machine fresh from its disk image.
    pub(crate) fn new() -> Self {
        let slot = |content, named| Slot { content, named };
        Self {
            slots: [slot(Content::Whole(1), 1), slot(Content::Torn, 0)],
            running: 0,
            entries: vec![(1, None)],
            at: 0,
        }
    }

    pub(crate) fn release(&self) -> u32 {
        self.slots[self.running].named
    }

    pub(crate) fn facts(&mut self) -> Facts {
        self.at += 1000;
        Facts {
            running: version(self.release()),
            entries: self
                .entries
                .iter()
                .map(|(v, tries)| Entry {
                    version: version(*v),
                    tries: *tries,
                })
                .collect(),
            health: None,
            at: self.at,
        }
    }

    /// Carry a step out; `part` stops in the middle of it.
    pub(crate) fn carry_out(&mut self, effect: &Effect, part: bool) {
        let running = self.release();
        match effect {
            Effect::Do(step, to) => self.do_step(*step, number(to), running, part),
            // Half-way through it the file is gone already.
            Effect::Disarm(obstacle) => {
                let gone = number(&obstacle.version);
                self.entries.retain(|(v, _)| *v != gone);
            }
            Effect::MarkBad(_) if !part => self.mark_bad(),
            _ => {}
        }
    }

    fn do_step(&mut self, step: Step, to: u32, running: u32, part: bool) {
        let other = 1 - self.running;
        match step {
            Step::Disarm if part => {
                if let Some(first) = self.entries.iter().position(|(v, _)| *v != running) {
                    self.entries.remove(first);
                }
            }
            Step::Disarm => self.entries.retain(|(v, _)| *v == running),
            Step::Write if part => self.slots[other].content = Content::Torn,
            Step::Write => self.slots[other].content = Content::Floating(to),
            Step::Flush if !part => self.slots[other].content = Content::Whole(to),
            Step::Name if !part => self.slots[other].named = to,
            Step::Arm if !part => {
                self.entries.retain(|(v, _)| *v != to);
                self.entries.push((to, Some(Tries { left: 3, done: 0 })));
            }
            _ => {}
        }
    }

    /// The trial went well: systemd-bless-boot drops the counter.
    pub(crate) fn bless(&mut self) {
        let running = self.release();
        self.entries
            .iter_mut()
            .filter(|(v, tries)| *v == running && tries.is_some_and(|t| t.left > 0 || t.done > 0))
            .for_each(|(_, tries)| *tries = None);
    }

    pub(crate) fn is_on_trial(&self) -> bool {
        let running = self.release();
        self.entries
            .iter()
            .any(|(v, t)| *v == running && t.is_some())
    }

    pub(crate) fn mark_bad(&mut self) {
        let running = self.release();
        for (v, tries) in &mut self.entries {
            if *v == running {
                let done = tries.map_or(1, |t| t.done);
                *tries = Some(Tries { left: 0, done });
            }
        }
    }

    /// Power goes and comes back.
    ///
    /// # Panics
    /// When no whole release boots: the machine is lost.
    pub(crate) fn boot(&mut self) {
        for slot in &mut self.slots {
            if matches!(slot.content, Content::Floating(_)) {
                slot.content = Content::Torn;
            }
        }
        for _ in 0..10 {
            let chosen = self.choose();
            if let Some(tries) = &mut self.entries[chosen].1 {
                tries.left = tries.left.saturating_sub(1);
                tries.done += 1;
            }
            let release = self.entries[chosen].0;
            let whole = |s: &Slot| s.named == release && s.content == Content::Whole(release);
            if let Some(slot) = self.slots.iter().position(whole) {
                self.running = slot;
                return;
            }
        }
        panic!("no whole release boots: {self:?}");
    }

    /// systemd-boot's order: entries whose tries are used up last, then the newest version.
    fn choose(&self) -> usize {
        let order = |(v, tries): &(u32, Option<Tries>)| (tries.is_none_or(|t| t.left > 0), *v);
        (0..self.entries.len())
            .max_by_key(|i| order(&self.entries[*i]))
            .expect("a boot entry is left")
    }
}

pub(crate) fn version(number: u32) -> Version {
    Version::new(number.to_string())
}

pub(crate) fn number(version: &Version) -> u32 {
    version.as_str().parse().expect("versions here are numbers")
}
