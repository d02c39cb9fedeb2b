//! Whether an address gives enough to be waited for, over all its answers and connections: one that gives a byte now and
//! then would hold up an update for ever.

use std::num::NonZeroU64;
use std::time::Duration;

/// How fast an address gives what it is asked for. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Tempo {
    waited: Duration,
    bytes: u64,
}

impl Tempo {
    /// Counts time that was waited for the address and that gave nothing: connecting, a failed request, a pause after it.
    pub(crate) fn wait(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Counts bytes that came. Once `window` has been waited: the bytes that came in that time and the time, if they are
    /// fewer than `least` a second; a new window begins either way.
    pub(crate) fn too_slow(
        &mut self,
        bytes: u64,
        window: Duration,
        least: NonZeroU64,
    ) -> Option<(u64, Duration)> {
        self.bytes += bytes;
        if self.waited < window {
            return None;
        }
        let Self { waited, bytes } = std::mem::take(self);
        let wanted = waited.as_secs_f64() * least.get() as f64;
        ((bytes as f64) < wanted).then_some((bytes, waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);
    const LEAST: NonZeroU64 = NonZeroU64::new(1000).unwrap();

    #[test]
    fn what_drips_is_too_slow() {
        let found = |bytes| {
            let mut tempo = Tempo::default();
            let mut wait = |seconds| {
                tempo.wait(Duration::from_secs(seconds));
                tempo.too_slow(bytes, WINDOW, LEAST)
            };
            [wait(20), wait(20), wait(20)]
        };
        let waited = Duration::from_secs(40);
        assert_eq!(found(1), [None, Some((2, waited)), None]);
        assert_eq!(found(19_999), [None, Some((39_998, waited)), None]);
        assert_eq!(found(20_000), [None, None, None]);
    }

    /// Each connection gives a byte and breaks: what is waited between them counts.
    #[test]
    fn a_byte_for_each_connection_is_too_slow() {
        let mut tempo = Tempo::default();
        let mut connections = 0;
        let slow = loop {
            connections += 1;
            tempo.wait(Duration::from_millis(500));
            if let Some(slow) = tempo.too_slow(1, WINDOW, LEAST) {
                break slow;
            }
        };
        assert_eq!((slow, connections), ((60, WINDOW), 60));
    }

    #[test]
    fn time_that_was_not_waited_does_not_count() {
        let mut tempo = Tempo::default();
        assert!((0..10_000).all(|_| tempo.too_slow(1, WINDOW, LEAST).is_none()));
    }
}
