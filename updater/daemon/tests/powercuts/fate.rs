//! What becomes of what was written and not flushed when the power goes.

use super::random::Random;

/// One cut's fate: how much of it persisted. Chances differ from cut to cut, so that "nothing", "everything" and "all
/// but one" occur as often as any mixture.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub(crate) random: Random,
    /// Of 256 sectors, so many persisted.
    keep: usize,
    /// Of so many sectors that persisted, one is torn; 0 for none.
    torn: usize,
    /// Whether a flush was acknowledged and not done.
    pub(crate) lies: bool,
}

impl Fate {
    pub(crate) fn new(mut random: Random, lies: bool) -> Self {
        let keep = [0, 16, 128, 240, 256][random.below(5)];
        let torn = [0, 1, 8, 64][random.below(4)];
        Self {
            random,
            keep,
            torn,
            lies,
        }
    }

    /// Whether one thing that was not flushed persisted.
    pub(crate) fn keeps(&mut self) -> bool {
        self.random.below(256) < self.keep
    }

    /// Which of the versions of a sector a reader finds: `versions` begins with the one that was flushed. A torn sector
    /// has the first part of one and the rest of another, divided at a multiple of `unit` bytes.
    pub(crate) fn sector(&mut self, versions: &[Vec<u8>], unit: usize) -> Vec<u8> {
        let (Some(old), Some(new)) = (versions.first(), versions.last()) else {
            return Vec::new();
        };
        if versions.len() == 1 || !self.keeps() {
            return old.clone();
        }
        // An earlier version may have been written, and the last one not any more.
        let chosen = match self.random.one_in(4) {
            true => &versions[self.random.below(versions.len())],
            false => new,
        };
        if self.torn == 0 || !self.random.one_in(self.torn) {
            return chosen.clone();
        }
        let at = self.random.below(chosen.len() / unit) * unit;
        let (first, rest) = match self.random.one_in(2) {
            true => (chosen, old),
            false => (old, chosen),
        };
        [&first[..at], &rest[at..]].concat()
    }
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keep, torn, .. } = self;
        write!(f, "{keep} of 256 sectors kept, 1 of {torn} of them torn")
    }
}
