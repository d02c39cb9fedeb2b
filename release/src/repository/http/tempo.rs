//! Whether an answer comes fast enough to be waited for: one that drips would hold up an update for ever.

use std::time::Duration;

/// Slower than this is no use, in bytes a second.
const LEAST: u64 = 1000;

/// How an answer comes.
#[derive(Debug, Default)]
pub(crate) struct Tempo {
    waited: Duration,
    bytes: u64,
}

impl Tempo {
    /// After a wait that gave `bytes`: how many came in the last `window` of waiting, if they are too few.
    pub(super) fn too_slow(
        &mut self,
        waited: Duration,
        bytes: u64,
        window: Duration,
    ) -> Option<u64> {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < window {
            return None;
        }
        let Self { waited, bytes } = std::mem::take(self);
        let least = waited.as_secs_f64() * LEAST as f64;
        ((bytes as f64) < least).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drips_is_too_slow() {
        let window = Duration::from_secs(30);
        let found = |bytes| {
            let mut tempo = Tempo::default();
            let mut wait = |seconds| tempo.too_slow(Duration::from_secs(seconds), bytes, window);
            [wait(20), wait(20), wait(20)]
        };
        assert_eq!(found(1), [None, Some(2), None]);
        assert_eq!(found(19_999), [None, Some(39_998), None]);
        assert_eq!(found(20_000), [None, None, None]);
    }

    #[test]
    fn time_that_was_not_waited_does_not_count() {
        let mut tempo = Tempo::default();
        let window = Duration::from_secs(30);
        assert!((0..10_000).all(|_| tempo.too_slow(Duration::ZERO, 1, window).is_none()));
    }
}
