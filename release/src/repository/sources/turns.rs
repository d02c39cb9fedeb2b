//! Whose turn it is to be asked for one thing: rounds through the addresses, with a pause between rounds.
//!
//! A fault that may pass (nobody there, a connection that breaks or stands still, a busy server) is the next address's
//! chance, and this one is asked again in the next round. Any other fault (no such file, a wrong length, range, digest or
//! signature) will not pass: this address is not asked again for this thing. An address that has given a part of it is
//! asked once more, after the pause, before another is: connections break. One that is too slow, or asks to be left alone,
//! is not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use acl_host::error::chain;
use url::Url;

use super::Sources;
use crate::error::{Error, Result};
use crate::repository::http::{Patience, is_busy};

/// How far the addresses of a repository have been gone through for one thing.
#[derive(Debug)]
pub(crate) struct Turns<'a> {
    sources: &'a Sources,
    patience: &'a Patience,
    /// Whose turn it is.
    at: usize,
    /// One for each address.
    tried: Vec<Tried>,
    /// How many rounds may follow.
    rounds: u32,
    /// The pause before the next round.
    pause: Duration,
    /// How long the servers of this round ask to wait.
    wait: Duration,
    /// Whether the one whose turn it is gave something since it was asked.
    gave: bool,
    /// How often one was too slow. It gives something each time, so that rounds alone would never end.
    slow: u32,
}

/// What came of asking one address.
#[derive(Debug, Default)]
struct Tried {
    /// In this round.
    asked: bool,
    /// Not to be asked again.
    out: bool,
    failure: Option<Error>,
}

/// What a fault says about the address.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// It may pass, after this time at least.
    Passes(Duration),
    /// It stays.
    Stays,
    /// It is this machine's; another address would not change it.
    Ours,
}

impl<'a> Turns<'a> {
    pub(super) fn new(sources: &'a Sources, patience: &'a Patience) -> Self {
        Self {
            sources,
            patience,
            at: sources.current.load(Ordering::Relaxed),
            tried: sources.bases.iter().map(|_| Tried::default()).collect(),
            rounds: patience.retries,
            pause: patience.pause,
            wait: Duration::ZERO,
            gave: false,
            slow: 0,
        }
    }

    /// The address whose turn it is.
    pub(crate) fn base(&self) -> &'a Url {
        &self.sources.bases[self.at]
    }

    /// The one whose turn it is gave (a part of) the thing: what comes next has all its rounds.
    pub(crate) fn gave(&mut self) {
        if self.gave {
            return;
        }
        self.gave = true;
        self.begin_round();
        self.rounds = self.patience.retries;
        self.pause = self.patience.pause;
        self.sources.current.store(self.at, Ordering::Relaxed);
    }

    /// The one whose turn it is failed: on to the next one, after a pause when all had their turn.
    ///
    /// # Errors
    /// The error itself when there is one address, or when it is this machine's; [`Error::Everywhere`] when no address
    /// is left to be asked.
    pub(crate) async fn failed(&mut self, error: Error) -> Result<()> {
        let wait = match fault(&error) {
            Fault::Ours => return Err(error),
            Fault::Passes(wait) => Some(wait),
            Fault::Stays => None,
        };
        let is_slow = matches!(error, Error::Slow { bytes: 1.., .. });
        let gave = std::mem::take(&mut self.gave);
        // One that has asked to be left alone is not asked, and one that is slow would be slow again.
        let once_more = gave && wait == Some(Duration::ZERO) && !is_slow && self.rounds > 0;
        self.wait = self.wait.max(wait.unwrap_or_default());
        let reason = chain(&error);
        self.tried[self.at] = Tried {
            asked: true,
            out: wait.is_none(),
            failure: Some(error),
        };
        self.slow += u32::from(is_slow);
        if self.slow as usize > self.patience.retries as usize * self.tried.len() {
            return Err(self.give_up());
        }
        let next = match self.following(|tried| !tried.asked) {
            Some(next) if !once_more => next,
            _ => self.next_round(once_more, &reason).await?,
        };
        self.pass_to(next, &reason);
        Ok(())
    }

    /// The next of those that fit and may be asked, the present one last.
    fn following(&self, fits: impl Fn(&Tried) -> bool) -> Option<usize> {
        let count = self.tried.len();
        (1..=count)
            .map(|step| (self.at + step) % count)
            .find(|next| !self.tried[*next].out && fits(&self.tried[*next]))
    }

    /// Waits; then who begins.
    async fn next_round(&mut self, with_the_same: bool, reason: &str) -> Result<usize> {
        let first = if with_the_same {
            Some(self.at)
        } else {
            self.following(|_| true)
        };
        let Some(first) = first.filter(|_| self.rounds > 0) else {
            return Err(self.give_up());
        };
        let pause = self.wait.max(self.pause).min(self.patience.longest_pause);
        tracing::debug!(error = reason, ?pause, "trying again");
        self.rounds -= 1;
        self.pause = self.pause.saturating_mul(2);
        self.begin_round();
        tokio::time::sleep(pause).await;
        Ok(first)
    }

    fn begin_round(&mut self) {
        self.wait = Duration::ZERO;
        for tried in &mut self.tried {
            tried.asked = false;
        }
    }

    fn pass_to(&mut self, next: usize, reason: &str) {
        if next == self.at {
            return;
        }
        let from = self.base().as_str();
        self.at = next;
        let to = self.base().as_str();
        tracing::info!(from, to, reason, "going over to {to}: {reason}");
    }

    fn give_up(&mut self) -> Error {
        let failures = self
            .tried
            .iter_mut()
            .filter_map(|tried| tried.failure.take());
        Error::everywhere(failures.collect())
    }
}

/// Whether another try later may end otherwise, at every address that was asked.
pub(crate) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Everywhere { failures } => failures.iter().all(may_pass),
        error => matches!(fault(error), Fault::Passes(_)),
    }
}

/// Whether no address that was asked has it right.
pub(crate) fn is_lacking(error: &Error) -> bool {
    match error {
        Error::Everywhere { failures } => failures.iter().all(is_lacking),
        error => fault(error) == Fault::Stays,
    }
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::Connect { .. } | Error::Transfer { .. } | Error::Slow { .. } | Error::Cut { .. } => {
            Fault::Passes(Duration::ZERO)
        }
        Error::Status { status, wait, .. } if is_busy(*status) => Fault::Passes(*wait),
        Error::KeepMetadata { .. }
        | Error::KeptMetadata { .. }
        | Error::ClockWentBack { .. }
        | Error::TrustedRoot { .. }
        | Error::RepositoryAddress { .. }
        | Error::Sink { .. }
        | Error::Worker { .. }
        | Error::Host(_) => Fault::Ours,
        _ => Fault::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    const BUSY: u16 = 503;
    const MISSING: u16 = 404;

    /// With `Retry-After` unless `wait` is zero.
    fn status(status: u16, wait: Duration) -> Error {
        Error::Status {
            url: "http://host/".parse::<Url>().unwrap().into(),
            status: StatusCode::from_u16(status).unwrap(),
            wait,
        }
    }

    /// Who is asked when each one in turn fails like this, after it gave something where that is said; ends when all gave up.
    async fn asked(retries: u32, answers: &[(bool, u16)]) -> String {
        let patience = Patience {
            retries,
            pause: Duration::ZERO,
            ..Patience::default()
        };
        let sources = Sources::parse(["http://a", "http://b", "http://c"]).unwrap();
        let mut turns = sources.turns(&patience);
        let mut asked = String::new();
        for (gave, answer) in answers {
            asked.push_str(turns.base().host_str().unwrap());
            if *gave {
                turns.gave();
            }
            if turns.failed(status(*answer, Duration::ZERO)).await.is_err() {
                return asked + ".";
            }
        }
        asked
    }

    #[tokio::test]
    async fn rounds() {
        let (busy, missing, broke) = ((false, BUSY), (false, MISSING), (true, BUSY));
        for (retries, answers, expected) in [
            (0, vec![busy; 9], "abc."),
            (2, vec![busy; 10], "abcabcabc."),
            (2, vec![missing; 9], "abc."),
            (1, vec![busy, missing, busy, busy, busy, busy], "abcac."),
            // What gave something is asked once more, and then has its rounds again.
            (1, vec![broke, busy, busy, busy], "aabc."),
            (1, vec![busy, broke, busy, busy, busy, busy], "abbca."),
            (1, vec![broke; 5], "aaaaa"),
            (0, vec![broke, busy, busy], "abc."),
            // It has the rest wrong.
            (
                1,
                vec![(true, MISSING), busy, busy, busy, busy, busy],
                "abcbc.",
            ),
        ] {
            assert_eq!(asked(retries, &answers).await, expected, "{answers:?}");
        }
    }

    /// No time passes: a mirror has its turn.
    #[tokio::test]
    async fn who_gave_a_part_and_wants_to_be_left_alone_is() {
        let patience = Patience::default();
        let sources = Sources::parse(["http://a", "http://b"]).unwrap();
        let mut turns = sources.turns(&patience);
        turns.gave();
        let failed = turns.failed(status(BUSY, Duration::from_secs(600)));
        let in_time = tokio::time::timeout(Duration::from_secs(5), failed).await;
        in_time.unwrap().unwrap();
        assert_eq!(turns.base().as_str(), "http://b/");
    }

    #[tokio::test]
    async fn what_is_ours_is_nobodys_turn() {
        let sources = Sources::parse(["http://a", "http://b"]).unwrap();
        let patience = Patience::default();
        let mut turns = sources.turns(&patience);
        let ours = Error::Worker {
            part: crate::manifest::Part::Usr,
            problem: "no memory".to_owned(),
        };
        let failed = turns.failed(ours).await;
        assert!(matches!(failed, Err(Error::Worker { .. })));
        assert_eq!(turns.base().as_str(), "http://a/");
    }
}
