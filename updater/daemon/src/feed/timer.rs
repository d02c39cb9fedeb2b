//! When the next automatic check is due.

use std::time::Duration;

use tokio::time::Instant;

/// When the agent acts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the start to the first check.
    pub first: Duration,
    /// After a failure; doubled with each further one, up to the check interval.
    pub retry: Duration,
}

impl Default for Pace {
    /// A machine that has just started has more urgent things to do than to check, but not for long.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            retry: Duration::from_secs(10),
        }
    }
}

/// The timer of automatic checks.
#[derive(Debug)]
pub(crate) struct Timer {
    pace: Pace,
    interval: Duration,
    due: Instant,
    failures: u32,
}

impl Timer {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            interval: pace.retry,
            due: Instant::now() + pace.first,
            failures: 0,
        }
    }

    /// Ends when the next check is due.
    pub(crate) async fn passed(&self) {
        tokio::time::sleep_until(self.due).await;
    }

    /// It could not be done now; soon.
    pub(crate) fn again(&mut self) {
        self.due = Instant::now() + self.pace.retry;
    }

    /// A check begins; the one after it is due in `interval`.
    pub(crate) fn next(&mut self, interval: Duration) {
        self.interval = interval;
        self.due = Instant::now() + interval;
    }

    /// Work came to an end: after a failure the next check is due sooner.
    pub(crate) fn heed(&mut self, failed: bool) {
        if failed {
            self.failures += 1;
            let pause = pause(self.pace.retry, self.interval, self.failures);
            self.due = self.due.min(Instant::now() + pause);
        } else {
            self.failures = 0;
        }
    }
}

fn pause(retry: Duration, interval: Duration, failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => interval,
        Some(doublings) => retry
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_soon_then_less_often() {
        let second = Duration::from_secs;
        let pauses = [0, 1, 2, 3, 9, 200].map(|n| pause(second(10), second(2700), n));
        assert_eq!(pauses, [2700, 10, 20, 40, 2560, 2700].map(second));
    }
}
