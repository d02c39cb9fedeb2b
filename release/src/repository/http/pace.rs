//! The bandwidth limit: a bucket of tokens that all connections take from.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may come at once after a pause. Less, and timers, which are exact to a millisecond, would slow a fast line down.
const BURST: Duration = Duration::from_millis(100);

/// A limit in bytes a second, shared by everything that keeps to it.
#[derive(Debug)]
pub(super) struct Pace {
    rate: NonZeroU64,
    /// When everything that came so far will have been allowed.
    paid: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rate: NonZeroU64, now: Instant) -> Self {
        Self {
            rate,
            paid: Mutex::new(now),
        }
    }

    /// Waits until bytes that have come were allowed to. What is not read in the meantime waits at the server: the
    /// windows of TCP and HTTP/2 fill up.
    pub(super) async fn wait(&self, bytes: u64) {
        let until = self.take(bytes, Instant::now());
        tokio::time::sleep_until(until).await;
    }

    /// When so many bytes that come now are allowed.
    fn take(&self, bytes: u64, now: Instant) -> Instant {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let full = now.checked_sub(BURST).unwrap_or(now);
        *paid = (*paid).max(full) + self.time_of(bytes);
        *paid
    }

    fn time_of(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_allowed_at_the_rate_after_a_burst() {
        let begin = Instant::now();
        let pace = Pace::new(NonZeroU64::new(1000).unwrap(), begin);
        let at = |millis| begin + Duration::from_millis(millis);
        // What came, when, and when it is allowed; at first nothing is saved up.
        for (bytes, now, allowed) in [
            (100, 0, 100),
            (400, 0, 500),
            (500, 500, 1000),
            // Ten seconds without traffic save up a tenth of one.
            (100, 11_000, 11_000),
            (100, 11_000, 11_100),
            (1, 11_050, 11_101),
        ] {
            assert_eq!(pace.take(bytes, at(now)), at(allowed), "{bytes} at {now}");
        }
    }

    #[test]
    fn a_rate_of_almost_nothing_does_not_overflow() {
        let pace = Pace::new(NonZeroU64::MIN, Instant::now());
        assert_eq!(pace.time_of(3), Duration::from_secs(3));
        assert_eq!(pace.time_of(u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
