//! When people are told that something is waited for.

use std::time::{Duration, Instant};

/// Between two words of the same wait.
const BETWEEN: Duration = Duration::from_secs(30);

/// A wait: told at its first failure, then now and again, and not at every try.
#[derive(Debug, Default)]
pub(super) struct Notice {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Notice {
    /// After a try that failed at `now`: how long it is waited for already, when that is to be told.
    pub(super) fn due(&mut self, now: Instant) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        if self.last.is_some_and(|last| now < last + BETWEEN) {
            return None;
        }
        self.last = Some(now);
        Some(now - first)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Notice};

    #[test]
    fn at_once_and_then_every_half_minute() {
        let start = Instant::now();
        let mut notice = Notice::default();
        let mut due = |seconds| {
            let waited = notice.due(start + Duration::from_secs(seconds));
            waited.map(|waited| waited.as_secs())
        };
        let told: Vec<_> = [0, 1, 29, 30, 31, 59, 65, 94, 95].map(&mut due).into();
        let expected = [
            Some(0),
            None,
            None,
            Some(30),
            None,
            None,
            Some(65),
            None,
            Some(95),
        ];
        assert_eq!(told, expected);
    }
}
