//! Whose turn it is to be asked for one thing: rounds through the addresses, with a pause between rounds.
//!
//! A fault that may pass (nobody there, a connection that breaks or stands still, a busy server) is the next address's
//! chance, and this one is asked again in the next round. Any other fault (no such file, a wrong length, range, digest or
//! signature) will not pass: this address is not asked again for this thing. An address that has given a part of it
//! ([`PROGRESS`]) is asked once more, after the pause, before another is: connections break. One that is too slow, or asks to
//! be left alone, is not. How slow an address is is measured over all its answers and the pauses before them: a new
//! connection is no new beginning.

use std::sync::atomic::Ordering;
use std::time::Duration;

use acl_host::error::chain;
use url::Url;

use super::Sources;
use crate::error::{Error, Result};
use crate::repository::http::{Patience, Tempo, is_busy};

/// What an address must have given since its last failure, in bytes, to count as one that gives a part: 16 KiB. Less, and one
/// that gives a byte for each connection would be asked for ever.
const PROGRESS: u64 = 16 * 1024;

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
    /// What the one whose turn it is gave since it was asked, in bytes.
    given: u64,
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
    tempo: Tempo,
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
            given: 0,
            slow: 0,
        }
    }

    /// The address whose turn it is.
    pub(crate) fn base(&self) -> &'a Url {
        &self.sources.bases[self.at]
    }

    /// How fast the one whose turn it is gives.
    pub(crate) fn tempo(&mut self) -> &mut Tempo {
        &mut self.tried[self.at].tempo
    }

    /// The one whose turn it is gave so many bytes: once they are [`PROGRESS`], what comes next has all its rounds.
    pub(crate) fn gave(&mut self, bytes: u64) {
        let before = self.given;
        self.given = before.saturating_add(bytes);
        if before >= PROGRESS || self.given < PROGRESS {
            return;
        }
        self.begin_round();
        self.rounds = self.patience.retries;
        self.pause = self.patience.pause;
        self.sources.current.store(self.at, Ordering::Relaxed);
    }

    /// It gave the whole thing, however small.
    pub(crate) fn gave_all(&mut self) {
        self.gave(PROGRESS);
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
        let gave = std::mem::take(&mut self.given) >= PROGRESS;
        // One that has asked to be left alone is not asked, and one that is slow would be slow again.
        let once_more = gave && wait == Some(Duration::ZERO) && !is_slow && self.rounds > 0;
        self.wait = self.wait.max(wait.unwrap_or_default());
        let reason = chain(&error);
        let tried = &mut self.tried[self.at];
        (tried.asked, tried.out) = (true, wait.is_none());
        tried.failure = Some(error);
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
        let pause = self.next_pause();
        tracing::debug!(error = reason, ?pause, "trying again");
        // A pause that a server asks for is no fault of its speed.
        if first == self.at && self.wait.is_zero() {
            self.tempo().wait(pause);
        }
        self.rounds -= 1;
        self.pause = self.pause.saturating_mul(2);
        self.begin_round();
        tokio::time::sleep(pause).await;
        Ok(first)
    }

    /// As long as a server asks for, at least ours, at most the longest.
    fn next_pause(&self) -> Duration {
        self.wait.max(self.pause).min(self.patience.longest_pause)
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
        | Error::RootChanged { .. }
        | Error::ClockWentBack { .. }
        | Error::TrustedRoot { .. }
        | Error::RepositoryAddress { .. }
        | Error::Sink { .. }
        | Error::Worker { .. }
        | Error::Cancelled { .. }
        | Error::Host(_) => Fault::Ours,
        _ => Fault::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
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
                turns.gave(PROGRESS);
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
        turns.gave(PROGRESS);
        let failed = turns.failed(status(BUSY, Duration::from_secs(600)));
        // It does not wait for anything.
        failed.now_or_never().unwrap().unwrap();
        assert_eq!(turns.base().as_str(), "http://b/");
    }

    /// A server that gives less than `PROGRESS` before each failure has its rounds, and no more.
    #[tokio::test]
    async fn who_gives_a_byte_for_each_connection_has_its_rounds_and_no_more() {
        let patience = Patience {
            retries: 2,
            pause: Duration::ZERO,
            ..Patience::default()
        };
        let broke = || Error::Cut {
            url: "http://host/".parse::<Url>().unwrap().into(),
            position: 1,
            size: 2,
        };
        for (bytes, expected) in [
            (1, "ababab"),
            (PROGRESS - 1, "ababab"),
            (PROGRESS, "aaaaaaaaa"),
        ] {
            let sources = Sources::parse(["http://a", "http://b"]).unwrap();
            let (mut turns, mut asked) = (sources.turns(&patience), String::new());
            for _ in 0..9 {
                asked.push_str(turns.base().host_str().unwrap());
                turns.gave(bytes);
                if turns.failed(broke()).await.is_err() {
                    break;
                }
            }
            assert_eq!(asked, expected, "{bytes}");
        }
    }

    /// Each time it gives enough for all its rounds to begin again.
    #[tokio::test]
    async fn who_gives_a_part_too_slowly_each_time_is_given_up() {
        let patience = Patience {
            retries: 2,
            pause: Duration::ZERO,
            ..Patience::default()
        };
        let slow = || Error::Slow {
            url: "http://host/".parse::<Url>().unwrap().into(),
            position: 0,
            bytes: PROGRESS,
            seconds: 30.0,
        };
        let sources = Sources::parse(["http://a", "http://b"]).unwrap();
        let (mut turns, mut asked) = (sources.turns(&patience), String::new());
        for _ in 0..9 {
            asked.push_str(turns.base().host_str().unwrap());
            turns.gave(PROGRESS);
            if turns.failed(slow()).await.is_err() {
                break;
            }
        }
        // As often as rounds and addresses are, and once more.
        assert_eq!(asked, "ababa");
    }

    /// Between two rounds: as long as the server asks, at least our own pause, at most the longest.
    #[test]
    fn pauses() {
        let millis = Duration::from_millis;
        let patience = Patience {
            pause: millis(500),
            longest_pause: millis(30_000),
            ..Patience::default()
        };
        let sources = Sources::parse(["http://a"]).unwrap();
        for (wait, expected) in [(0, 500), (400, 500), (7000, 7000), (90_000, 30_000)] {
            let mut turns = sources.turns(&patience);
            turns.wait = millis(wait);
            assert_eq!(turns.next_pause(), millis(expected), "{wait}");
        }
    }

    /// They are kept to: so long passes until the next one is asked.
    #[tokio::test(start_paused = true)]
    async fn pauses_are_waited_for() {
        let (millis, patience) = (Duration::from_millis, Patience::default());
        let sources = Sources::parse(["http://a", "http://b"]).unwrap();
        let mut turns = sources.turns(&patience);
        // The first of each round goes over to the mirror at once; the longer wait of the two counts.
        for (first, second, expected) in [
            (0, 0, 500),
            (0, 0, 1000),
            (7000, 3000, 7000),
            (1, 90_000, 30_000),
        ] {
            let begun = tokio::time::Instant::now();
            turns.failed(status(BUSY, millis(first))).await.unwrap();
            assert_eq!(begun.elapsed(), Duration::ZERO);
            turns.failed(status(BUSY, millis(second))).await.unwrap();
            assert_eq!(begun.elapsed(), millis(expected), "{first} {second}");
        }
    }

    /// The pauses before the same address is asked again count as waiting for it, unless it has asked for them.
    #[tokio::test(start_paused = true)]
    async fn pauses_count_for_the_speed() {
        let patience = Patience {
            pause: Duration::from_millis(3),
            ..Patience::default()
        };
        let least = std::num::NonZeroU64::new(10_000).unwrap();
        for (asked_for, slow) in [(0, Some((1, Duration::from_millis(3)))), (4, None)] {
            let sources = Sources::parse(["http://a"]).unwrap();
            let mut turns = sources.turns(&patience);
            let wait = Duration::from_millis(asked_for);
            turns.failed(status(BUSY, wait)).await.unwrap();
            let found = turns.tempo().too_slow(1, Duration::from_millis(1), least);
            assert_eq!(found, slow, "{asked_for}");
        }
    }

    /// A new connection is no new beginning, and what one address gave is not another's.
    #[tokio::test]
    async fn what_an_address_gave_before_it_failed_counts_on() {
        let patience = Patience {
            pause: Duration::ZERO,
            ..Patience::default()
        };
        let least = std::num::NonZeroU64::new(1000).unwrap();
        let sources = Sources::parse(["http://a", "http://b"]).unwrap();
        let mut turns = sources.turns(&patience);
        let (seconds, window) = (Duration::from_secs(20), Duration::from_secs(30));
        for (bytes, slow) in [(5, None), (7, None), (1, Some((6, 2 * seconds)))] {
            turns.tempo().wait(seconds);
            assert_eq!(turns.tempo().too_slow(bytes, window, least), slow);
            let broke = status(BUSY, Duration::ZERO);
            turns.failed(broke).await.unwrap();
        }
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
