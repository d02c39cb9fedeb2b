//! How much the agent keeps of what others decide: servers, publishers, health checks, programs.
//!
//! [`text()`] is the one place where such a text is cut; [`crate::step()`] keeps the whole state within its limits after
//! each event, so that the state file, the log and the D-Bus property stay small whatever comes in.

use std::fmt::Write as _;

use crate::{
    record::{Cost, PackageChange, Record, Refused, Unfit},
    state::{Decision, Failure, Phase, State, Who},
};

/// Bytes of a reason.
pub const REASON: usize = 2048;
/// Bytes of what was found about one release, or by one health check.
pub const VERDICT: usize = 512;
/// Bytes of a name or version of a package.
const NAME: usize = 128;
/// Releases that are told of a channel, the newest.
const VERDICTS: usize = 64;
/// Health checks that are told.
const CHECKS: usize = 32;
/// Packages that are told of an update.
const PACKAGES: usize = 512;
/// Outcomes of updates that are kept, the newest.
const HISTORY: usize = 32;
/// Outcomes of which the packages are kept, too, the newest: they are most of what is kept.
const WITH_PACKAGES: usize = 2;
/// No state that is kept is longer as a document, in bytes, whatever came in.
pub const STATE: usize = 2 << 20;
/// Releases that are refused.
const REFUSED: usize = 64;
/// Releases that are known to be damaged. When there are more, none is forgotten for another one, which would be tried
/// again at once, and so on for ever: the update fails, and the next check comes after a pause.
pub(crate) const UNFIT: usize = 32;

/// `text` on one line of at most `limit` bytes, with what a terminal would not show as itself made visible
/// (`\u{1b}`): control characters, and those that change the direction of a line.
#[must_use]
pub fn text(text: &str, limit: usize) -> String {
    cut(text, limit, |c| c.is_control() || turns(c))
}

/// The same of a text that may have several lines.
fn lines(text: &str, limit: usize) -> String {
    cut(text, limit, |c| {
        c.is_control() && c != '\n' && c != '\t' || turns(c)
    })
}

/// Line and paragraph separators, and marks of direction (Unicode 15, `Bidi_Control`).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What stands for the rest.
const REST: char = '…';

fn cut(text: &str, limit: usize, hidden: impl Fn(char) -> bool) -> String {
    if text.len() <= limit && !text.chars().any(&hidden) {
        return text.to_owned();
    }
    let mut out = String::new();
    // The place where it is cut should it prove to be too long.
    let mut end = 0;
    for c in text.chars() {
        if hidden(c) {
            // To a string it cannot fail.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
        if out.len() > limit {
            out.truncate(end);
            out.push(REST);
            return out;
        }
        if out.len() + REST.len_utf8() <= limit {
            end = out.len();
        }
    }
    out
}

fn limit(value: &mut String, bytes: usize) {
    // What was cut once stays as it is.
    if value.len() > bytes || value.chars().any(|c| c.is_control() || turns(c)) {
        *value = text(value, bytes);
    }
}

/// Removes the oldest.
fn newest<T>(list: &mut Vec<T>, count: usize) {
    let excess = list.len().saturating_sub(count);
    list.drain(..excess);
}

impl Failure {
    /// The reason as it is kept. What the operator wrote may be told with its lines, the text of others stays on one.
    pub(crate) fn bounded(who: Who, reason: &str) -> String {
        match who {
            Who::Operator => lines(reason, REASON),
            _ => text(reason, REASON),
        }
    }
}

impl State {
    /// Keeps the state within its limits.
    pub(crate) fn bound(&mut self) {
        match &mut self.phase {
            Phase::Failed(failure) => failure.bound(),
            Phase::RolledBack { reason, .. }
            | Phase::Waiting { reason, .. }
            | Phase::Disarmed { reason, .. } => limit(reason, REASON),
            _ => {}
        }
        if let Some(decision) = &mut self.decision {
            decision.bound();
        }
        if let Some(update) = &mut self.update {
            update.cost.bound();
        }
        if let Some(damage) = &mut self.damage {
            limit(damage, REASON);
        }
        if let Some(health) = &mut self.machine.health {
            health.reasons.truncate(CHECKS);
            health.reasons.iter_mut().for_each(|r| limit(r, VERDICT));
        }
        newest(&mut self.history, HISTORY);
        self.history.iter_mut().for_each(Record::bound);
        let older = self.history.len().saturating_sub(WITH_PACKAGES);
        for record in &mut self.history[..older] {
            record.cost.packages.clear();
        }
        newest(&mut self.unfit, UNFIT);
        self.unfit.iter_mut().for_each(Unfit::bound);
        self.refused.iter_mut().for_each(Refused::bound);
        self.bound_refused();
    }

    /// The oldest refusal goes, but none of a release that has a boot entry. A release that failed here and is forgotten
    /// could be taken again, and then the next one forgotten: so nothing is taken any more without the operator's word.
    fn bound_refused(&mut self) {
        while self.refused.len() > REFUSED {
            let entries = &self.machine.entries;
            let has_entry = |r: &Refused| entries.iter().any(|e| e.version == r.version);
            let oldest = self.refused.iter().position(|r| !has_entry(r));
            self.refused.remove(oldest.unwrap_or_default());
            self.damage = Some(format!(
                "more than {REFUSED} releases failed on this node or were gone back from, and the oldest of them are \
                 forgotten: look at the machine, then `aclctl retry` allows that releases are taken again"
            ));
        }
    }
}

impl Failure {
    fn bound(&mut self) {
        self.reason = Self::bounded(self.who, &self.reason);
    }
}

impl Decision {
    fn bound(&mut self) {
        limit(&mut self.reason, REASON);
        let more = self.verdicts.len().saturating_sub(VERDICTS);
        if more > 0 {
            self.verdicts.truncate(VERDICTS - 1);
            self.verdicts
                .push(format!("{} more are not told", more + 1));
        }
        self.verdicts.iter_mut().for_each(|v| limit(v, VERDICT));
    }
}

impl Record {
    fn bound(&mut self) {
        self.cost.bound();
        match &mut self.outcome {
            crate::record::Outcome::Committed => {}
            crate::record::Outcome::RolledBack { reason }
            | crate::record::Outcome::Disarmed { reason } => limit(reason, REASON),
        }
    }
}

impl Refused {
    fn bound(&mut self) {
        limit(&mut self.reason, REASON);
    }
}

impl Unfit {
    fn bound(&mut self) {
        limit(&mut self.reason, VERDICT);
        limit(&mut self.manifest, NAME);
    }
}

impl Cost {
    fn bound(&mut self) {
        self.packages.truncate(PACKAGES);
        self.packages.iter_mut().for_each(PackageChange::bound);
    }
}

impl PackageChange {
    fn bound(&mut self) {
        limit(&mut self.name, NAME);
        for version in [&mut self.from, &mut self.to].into_iter().flatten() {
            limit(version, NAME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Version, machine::Entry, record::Update};

    #[test]
    fn texts_are_cut_between_characters_and_show_what_is_in_them() {
        for (given, bytes, expected) in [
            ("short", 5, "short"),
            ("longer", 5, "lo…"),
            ("ääää", 7, "ää…"),
            ("ääää", 8, "ääää"),
            ("a\u{1b}[2Jb\nc", 40, "a\\u{1b}[2Jb\\nc"),
            ("\u{80}\u{80}", 9, "\\u{80}…"),
            ("\u{202e}x", 40, "\\u{202e}x"),
            ("", 0, ""),
        ] {
            let cut = text(given, bytes);
            assert_eq!(cut, expected, "{given:?}");
            assert_eq!(text(&cut, bytes), cut, "what was cut once stays");
        }
        assert_eq!(lines("a\n\tb\r", 40), "a\n\tb\\r");
    }

    #[test]
    fn a_failure_has_a_short_reason_whoever_wrote_it() {
        let long = "\u{80}".repeat(8 << 20);
        let failure = Failure::new(Who::Server, &long);
        assert!(failure.reason.len() <= REASON, "{}", failure.reason.len());
        assert!(failure.reason.starts_with("\\u{80}\\u{80}"));
        let toml = "line 1\nline 2";
        assert_eq!(Failure::new(Who::Operator, toml).reason, toml);
        assert_eq!(
            Failure::new(Who::Environment, toml).reason,
            "line 1\\nline 2"
        );
    }

    fn refused(number: usize) -> Refused {
        Refused {
            version: Version::new(number.to_string()),
            reason: "x".repeat(REASON * 2),
        }
    }

    #[test]
    fn the_oldest_refusals_go_and_then_nothing_is_taken_without_the_operator() {
        let mut state = State {
            refused: (0..REFUSED).map(refused).collect(),
            ..State::default()
        };
        state.bound();
        assert_eq!((state.refused.len(), &state.damage), (REFUSED, &None));
        state.refused.push(refused(REFUSED));
        // The oldest one still has its boot entry.
        state.machine.entries = vec![Entry {
            version: Version::new("0"),
            tries: None,
        }];
        state.bound();
        assert_eq!(state.refused.len(), REFUSED);
        assert_eq!(state.refused[0].version.as_str(), "0");
        assert_eq!(state.refused[1].version.as_str(), "2");
        let damage = state.damage.unwrap_or_default();
        assert!(
            damage.starts_with("more than 64 releases failed"),
            "{damage}"
        );
    }

    /// A state of which everything is longer than it may be.
    fn overfull() -> State {
        // Nothing takes more room in JSON.
        let long = || "\\".repeat(10_000);
        let name = || "\\".repeat(NAME + 1);
        let change = PackageChange {
            name: name(),
            from: Some(name()),
            to: Some(name()),
        };
        let cost = Cost {
            packages: vec![change; 1000],
            ..Cost::default()
        };
        let record = |number: usize| Record {
            from: Version::new("1"),
            to: Version::new(number.to_string()),
            outcome: crate::record::Outcome::RolledBack { reason: long() },
            cost: cost.clone(),
        };
        let unfit = |number: usize| Unfit {
            version: Version::new(number.to_string()),
            manifest: long(),
            reason: long(),
            who: Who::Server,
            since: None,
        };
        State {
            phase: Phase::RolledBack {
                from: Version::new("1"),
                to: Version::new("2"),
                reason: long(),
            },
            history: (0..100).map(record).collect(),
            refused: (0..100)
                .map(|number| Refused {
                    version: Version::new(number.to_string()),
                    reason: long(),
                })
                .collect(),
            update: Some(Update {
                from: Version::new("1"),
                to: Version::new("2"),
                armed: false,
                reboots: 0,
                rebooted_at: None,
                cost: cost.clone(),
            }),
            decision: Some(Decision {
                version: None,
                reason: long(),
                verdicts: vec![long(); 1000],
                at_fault: None,
            }),
            damage: Some(long()),
            unfit: (0..100).map(unfit).collect(),
            ..State::default()
        }
    }

    #[test]
    fn a_state_stays_small_whatever_came_in() {
        let mut state = overfull();
        state.bound();
        assert_eq!(state.history.len(), HISTORY);
        assert_eq!(state.history[0].to.as_str(), "68");
        let packages: Vec<_> = state
            .history
            .iter()
            .map(|r| r.cost.packages.len())
            .collect();
        assert_eq!(packages[..30], [0; 30]);
        assert_eq!(packages[30..], [PACKAGES; 2]);
        assert_eq!(state.refused.len(), REFUSED);
        assert_eq!(state.unfit.len(), UNFIT);
        assert_eq!(state.unfit[0].version.as_str(), "68");
        let decision = state.decision.clone().expect("a decision");
        assert_eq!(decision.verdicts.len(), VERDICTS);
        assert_eq!(decision.verdicts[VERDICTS - 1], "937 more are not told");
        let bytes = serde_json::to_string_pretty(&state)
            .expect("a document")
            .len();
        assert!(bytes < STATE, "{bytes}");
        // It is full, so that the limit is one of what may come.
        assert!(bytes > STATE / 2, "{bytes}");
    }
}
