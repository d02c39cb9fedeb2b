//! Which parts of the file system have arrived whole.

use std::ops::Range;

use acl_host::verity::LEAF_SPAN;

/// Bytes that are flushed and read back at a time: 16 MiB. Less means more flushes, more means waiting at the end.
const LARGEST: u64 = 32 * LEAF_SPAN;

/// A file system that is smaller than so many of the largest has about so many smaller ones: for it, too, most is read
/// back before the end.
const COUNT: u64 = 8;

/// How much of each window is missing.
pub(super) struct Windows {
    length: u64,
    size: u64,
    missing: Vec<u64>,
}

/// Bytes in a window of a file system of `length` bytes, a multiple of [`LEAF_SPAN`]; the last may have less.
fn size(length: u64) -> u64 {
    (length / COUNT)
        .next_multiple_of(LEAF_SPAN)
        .clamp(LEAF_SPAN, LARGEST)
}

impl Windows {
    pub(super) fn new(length: u64) -> Self {
        let size = size(length);
        let count = length.div_ceil(size);
        let missing = (0..count).map(|number| size.min(length - number * size));
        Self {
            length,
            size,
            missing: missing.collect(),
        }
    }

    /// The windows that are whole now, and were not, as the bytes that are in them.
    pub(super) fn arrived(&mut self, offset: u64, length: u64) -> Vec<Range<u64>> {
        let (mut at, end) = (offset, offset + length);
        let mut whole = Vec::new();
        while at < end {
            let window = at / self.size;
            let part = end.min((window + 1) * self.size) - at;
            at += part;
            // A window that is not there belongs to no image; the sink before has refused to write there.
            let Some(missing) = self.missing.get_mut(window as usize) else {
                break;
            };
            *missing = missing.saturating_sub(part);
            if *missing == 0 {
                let start = window * self.size;
                whole.push(start..self.length.min(start + self.size));
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
        const WINDOW: u64 = LARGEST;
        let whole = |numbers: Range<u64>| -> Vec<Range<u64>> {
            let range = |number| number * WINDOW..(number + 1) * WINDOW;
            numbers.map(range).collect()
        };
        let end = 8 * WINDOW + 100;
        let mut windows = Windows::new(end);
        assert_eq!(windows.arrived(WINDOW - 10, 20), []);
        assert_eq!(windows.arrived(8 * WINDOW, 99), []);
        assert_eq!(windows.arrived(0, WINDOW - 10), whole(0..1));
        assert_eq!(windows.arrived(WINDOW + 10, WINDOW - 10), whole(1..2));
        assert_eq!(windows.arrived(2 * WINDOW, 3 * WINDOW), whole(2..5));
        let last = 8 * WINDOW..end;
        assert_eq!(windows.arrived(end - 1, 1), vec![last]);
    }

    #[test]
    fn small_file_systems_have_small_windows() {
        let cases = [
            (4096, LEAF_SPAN),
            (2 * LEAF_SPAN, LEAF_SPAN),
            (8 * LEAF_SPAN, LEAF_SPAN),
            (8 * LEAF_SPAN + 4096, 2 * LEAF_SPAN),
            (9 * LEAF_SPAN, 2 * LEAF_SPAN),
            (40 << 20, 5 << 20),
            (8 * LARGEST - 4096, LARGEST),
            (1 << 40, LARGEST),
        ];
        for (length, expected) in cases {
            assert_eq!(size(length), expected, "{length}");
        }
    }
}
