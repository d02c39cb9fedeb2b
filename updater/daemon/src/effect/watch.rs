//! Ends a staging that takes too long, or whose release is no longer offered.
//!
//! A staging takes as long as its network does: hours. What is staged must be good all that time, so that the metadata is
//! read again as often as it would be without a staging, and the whole has a limit that follows from its size and from the
//! slowest that the configuration allows.

use std::{num::NonZeroU64, time::Duration};

use acl_release::{
    manifest::{Manifest, Part},
    repository::http::Network,
};
use acl_updater_core::Version;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Error, recheck};
use crate::session::Session;

/// Beside what the network takes: for the disk, for repetitions, for servers that ask to be left alone.
const ALLOWANCE: Duration = Duration::from_secs(3600);

/// When a staging must have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How long it may take.
    whole: Duration,
    ends: Instant,
}

impl Limit {
    /// The limit of a staging that begins now.
    pub(super) fn new(manifest: &Manifest, network: &Network) -> Self {
        let packs = Part::ALL.map(|part| manifest.artifacts.part(part).plain().pack.size);
        let whole = longest(
            packs.iter().fold(0, |sum, size| sum.saturating_add(*size)),
            network.least(),
            network.bandwidth,
        );
        Self {
            whole,
            ends: Instant::now() + whole,
        }
    }

    /// How long it may take, in seconds.
    pub(super) fn seconds(&self) -> u64 {
        self.whole.as_secs()
    }
}

/// How long a staging of `bytes` may take: an hour, and as long as the slowest address that is not given up needs for all
/// of them, and as long as `bandwidth` makes it wait.
fn longest(bytes: u64, least: NonZeroU64, bandwidth: Option<NonZeroU64>) -> Duration {
    let at = |rate: NonZeroU64| Duration::from_secs(bytes.div_ceil(rate.get()));
    let limited = bandwidth.map(at).unwrap_or_default();
    // A hundred years, so that the sum with any time there is can be told.
    const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    let whole = ALLOWANCE.saturating_add(at(least)).saturating_add(limited);
    whole.min(EVER)
}

/// Waits for `work`, which ends soon after `stop` is cancelled, and cancels it when the release must not be staged any
/// further; the error then says why. Nothing of `work` goes on when this returns.
pub(super) async fn over<T>(
    session: &Session,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let limit = session.limit.ok_or(Error::NothingFound)?;
    let version = Version::new(found.manifest.version.as_str());
    let clock = session.clock.as_ref();
    let look = async || recheck::still_offered(clock, found, &version).await;
    let why = watch(&version, (found.check_interval, limit), look);
    unless(why, stop, work).await
}

/// What `work` comes to, unless `why` comes before it; `work` has ended either way.
async fn unless<T>(
    why: impl Future<Output = Error>,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(work);
    let why = tokio::select! {
        done = &mut work => return done,
        why = why => why,
    };
    stop.cancel();
    // It fails because of that, or has just ended: either way the release must not go on.
    let _ = work.await;
    Err(why)
}

/// Why the staging must end, once it must. Every `interval` it is looked whether the release is
/// still offered.
async fn watch<L>(
    version: &Version,
    (interval, limit): (Duration, Limit),
    look: impl Fn() -> L,
) -> Error
where
    L: Future<Output = Result<(), Error>>,
{
    loop {
        let next = Instant::now() + interval;
        tokio::time::sleep_until(next.min(limit.ends)).await;
        if Instant::now() >= limit.ends {
            return Error::StagingTooLong {
                version: version.clone(),
                limit: limit.whole,
            };
        }
        match look().await {
            Ok(()) => info!("release {version} is still offered"),
            Err(error) if is_final(&error) => return error,
            Err(error) => {
                let chain = acl_host::error::chain(&error);
                warn!(
                    error = chain,
                    "whether release {version} is still offered is asked again later: {chain}"
                );
            }
        }
    }
}

/// Whether another try would end the same way. A repository that cannot be reached for a while ends no staging: before the
/// release is armed it must be.
fn is_final(error: &Error) -> bool {
    match error {
        Error::ReadRepository { source } => source.is_lacking(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_long() -> Error {
        Error::StagingTooLong {
            version: Version::new("2"),
            limit: Duration::from_secs(3600 * 5),
        }
    }

    #[tokio::test]
    async fn work_that_must_end_is_cancelled_and_waited_for() {
        let stop = CancellationToken::new();
        let ended = std::cell::Cell::new(false);
        let work = async {
            stop.cancelled().await;
            // Threads need a moment.
            tokio::task::yield_now().await;
            ended.set(true);
            Err::<(), _>(Error::NothingFound)
        };
        let told = unless(async { too_long() }, &stop, work).await;
        assert!(ended.get());
        assert_eq!(
            told.unwrap_err().to_string(),
            "staging release 2 was given up after 5 h: what the addresses of the repository give is too little; \
             what came is kept for the next check"
        );
    }

    #[tokio::test]
    async fn work_that_ends_before_is_what_it_comes_to() {
        let stop = CancellationToken::new();
        let done = unless(std::future::pending(), &stop, async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
        assert!(!stop.is_cancelled());
    }

    /// A limit of five hours that ends then.
    fn limit(ends: Instant) -> Limit {
        let whole = Duration::from_secs(3600 * 5);
        Limit { whole, ends }
    }

    /// Whatever the repository says, and though nothing of the work goes on by itself.
    #[tokio::test]
    async fn work_under_way_is_ended_by_the_limit() {
        let two = Version::new("2");
        let looks = std::cell::Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            Ok(())
        };
        let stop = CancellationToken::new();
        let work = async {
            stop.cancelled().await;
            Err::<(), _>(Error::NothingFound)
        };
        let why = watch(
            &two,
            (Duration::from_secs(86_400), limit(Instant::now())),
            look,
        );
        let told = unless(why, &stop, work).await.unwrap_err();
        assert_eq!(told.to_string(), too_long().to_string());
        assert_eq!(looks.get(), 0);
    }

    /// The second time nobody answers, which says nothing; the third time the release is another.
    #[tokio::test]
    async fn work_under_way_is_ended_by_what_a_look_finds() {
        let two = Version::new("2");
        let looks = std::cell::Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Ok(()),
                2 => Err(Error::ReadRepository {
                    source: acl_release::Error::Cut {
                        url: Box::new("http://host/".parse().unwrap()),
                        position: 0,
                        size: 1,
                    },
                }),
                _ => Err(Error::Replaced {
                    version: Version::new("2"),
                }),
            }
        };
        let stop = CancellationToken::new();
        let work = async {
            stop.cancelled().await;
            Err::<(), _>(Error::NothingFound)
        };
        let ends = limit(Instant::now() + Duration::from_secs(86_400));
        let why = watch(&two, (Duration::ZERO, ends), look);
        let told = unless(why, &stop, work).await.unwrap_err();
        assert!(matches!(told, Error::Replaced { .. }), "{told}");
        assert_eq!(looks.get(), 3);
    }

    /// What another try would not change ends a staging; a repository that is out of reach does not.
    #[test]
    fn what_ends_a_staging() {
        let too_old = acl_release::Error::Expired {
            role: "timestamp".into(),
            url: Box::new("http://host/".parse().unwrap()),
            expired: jiff::Timestamp::UNIX_EPOCH,
            now: jiff::Timestamp::MAX,
        };
        let cut = acl_release::Error::Cut {
            url: Box::new("http://host/".parse().unwrap()),
            position: 0,
            size: 1,
        };
        let read = |source| Error::ReadRepository { source };
        assert!(is_final(&read(too_old)));
        assert!(!is_final(&read(cut)));
        assert!(is_final(&Error::Replaced {
            version: Version::new("2")
        }));
    }

    #[test]
    fn the_limit_follows_from_size_and_rates() {
        let rate = |bytes| NonZeroU64::new(bytes).unwrap();
        for (bytes, least, bandwidth, seconds) in [
            (0, 10_000, None, 3600),
            (170_000_000, 10_000, None, 3600 + 17_000),
            (170_000_001, 10_000, None, 3600 + 17_001),
            (170_000_000, 100_000, Some(50_000), 3600 + 1700 + 3400),
            (u64::MAX, 1, Some(1), 100 * 365 * 86_400),
        ] {
            let found = longest(bytes, rate(least), bandwidth.map(rate));
            assert_eq!(found, Duration::from_secs(seconds), "{bytes}");
        }
    }
}
