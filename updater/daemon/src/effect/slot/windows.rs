//! Which parts of the file system have arrived whole.

/// Bytes that are flushed and read back at a time: 16 MiB. Less means more flushes, more means waiting at the end.
pub(super) const WINDOW: u64 = 32 * acl_host::verity::LEAF_SPAN;

/// How much of each window is missing.
pub(super) struct Windows {
    missing: Vec<u64>,
}

impl Windows {
    pub(super) fn new(length: u64) -> Self {
        let count = length.div_ceil(WINDOW);
        let missing = (0..count).map(|number| WINDOW.min(length - number * WINDOW));
        Self {
            missing: missing.collect(),
        }
    }

    /// The windows that are whole now, and were not.
    pub(super) fn arrived(&mut self, offset: u64, length: u64) -> Vec<u64> {
        let (mut at, end) = (offset, offset + length);
        let mut whole = Vec::new();
        while at < end {
            let window = at / WINDOW;
            let part = end.min((window + 1) * WINDOW) - at;
            at += part;
            // A window that is not there belongs to no image; the sink before has refused to write there.
            let Some(missing) = self.missing.get_mut(window as usize) else {
                break;
            };
            *missing = missing.saturating_sub(part);
            if *missing == 0 {
                whole.push(window);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_when_its_last_byte_has_come() {
        let mut windows = Windows::new(2 * WINDOW + 100);
        assert_eq!(windows.arrived(WINDOW - 10, 20), [0; 0]);
        assert_eq!(windows.arrived(2 * WINDOW, 99), [0; 0]);
        assert_eq!(windows.arrived(0, WINDOW - 10), [0]);
        assert_eq!(windows.arrived(WINDOW + 10, WINDOW - 10), [1]);
        assert_eq!(windows.arrived(2 * WINDOW + 99, 1), [2]);
        let mut windows = Windows::new(3 * WINDOW);
        assert_eq!(windows.arrived(0, 3 * WINDOW), [0, 1, 2]);
    }
}
