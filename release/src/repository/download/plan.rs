//! Which bytes of a file are wanted, in which order, and which requests bring them. Pure.

use std::ops::Range;

/// The longest gap between two wanted ranges that is fetched along with them, in bytes, and dropped. At 40 ms to the
/// server and four requests under way, a request costs 10 ms: this much at 13 Mbit/s. On a faster line longer gaps would
/// pay, but what a release costs is counted in bytes too; this is less than one usual chunk.
pub(super) const GAP: u64 = 16 * 1024;

/// The wanted ranges of a file, in the order in which they are handed out.
#[derive(Debug)]
pub(super) struct Plan {
    wanted: Vec<Range<u64>>,
}

/// A place in what is wanted: so many bytes behind the begin of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    range: usize,
    skip: u64,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// The bytes that are asked for.
    pub(super) bytes: Range<u64>,
    /// Behind what it brings.
    pub(super) behind: Place,
}

impl Plan {
    pub(super) const BEGIN: Place = Place { range: 0, skip: 0 };

    pub(super) fn new(mut wanted: Vec<Range<u64>>) -> Self {
        wanted.retain(|range| !range.is_empty());
        Self { wanted }
    }

    /// What is left of the range at a place; nothing behind the last one.
    pub(super) fn wanted(&self, place: Place) -> Option<Range<u64>> {
        let range = self.wanted.get(place.range)?;
        Some(range.start + place.skip..range.end)
    }

    /// The request for what is wanted from a place on: `wanted`, which is left of the range there, and the ranges that
    /// follow it closely in the file.
    pub(super) fn span(&self, from: Place, wanted: Range<u64>) -> Span {
        let mut bytes = wanted;
        let following = self.wanted.iter().skip(from.range + 1);
        let joined = following.take_while(|next| {
            let close = next.start >= bytes.end && next.start - bytes.end <= GAP;
            if close {
                bytes.end = next.end;
            }
            close
        });
        let range = from.range + 1 + joined.count();
        Span {
            bytes,
            behind: Place { range, skip: 0 },
        }
    }

    /// The place that many wanted bytes behind a place.
    pub(super) fn behind(&self, from: Place, bytes: u64) -> Place {
        let Place { mut range, skip } = from;
        let mut left = skip + bytes;
        while let Some(wanted) = self.wanted.get(range) {
            let length = wanted.end - wanted.start;
            if left < length {
                break;
            }
            left -= length;
            range += 1;
        }
        Place { range, skip: left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(wanted: &[Range<u64>], from: Place) -> Vec<Range<u64>> {
        let plan = Plan::new(wanted.to_vec());
        let mut place = from;
        let mut spans = Vec::new();
        while let Some(wanted) = plan.wanted(place) {
            let span = plan.span(place, wanted);
            spans.push(span.bytes);
            place = span.behind;
        }
        spans
    }

    #[test]
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "lists of ranges are what is meant, also of one"
    )]
    fn neighbours_and_small_gaps_are_one_request() {
        let (a, b) = (100 + GAP, 300 + 2 * GAP);
        for (wanted, requests) in [
            (vec![], vec![]),
            (vec![0..10, 10..20, 20..30], vec![0..30]),
            (vec![0..100, a..a + 9], vec![0..a + 9]),
            (vec![0..100, a + 1..a + 9], vec![0..100, a + 1..a + 9]),
            (
                vec![0..100, a..200 + GAP, b..b + 1],
                vec![0..200 + GAP, b..b + 1],
            ),
            // Back in the file, or over each other, as an index with the same chunk twice has it.
            (vec![50..60, 0..10], vec![50..60, 0..10]),
            (vec![50..60, 55..65], vec![50..60, 55..65]),
            (vec![5..5, 7..9], vec![7..9]),
        ] {
            assert_eq!(spans(&wanted, Plan::BEGIN), requests, "{wanted:?}");
        }
    }

    #[test]
    fn places_are_counted_in_wanted_bytes() {
        let wanted = [10..20, 30..35, 0..5];
        let plan = Plan::new(wanted.to_vec());
        for (bytes, left) in [
            (0, Some(10..20)),
            (9, Some(19..20)),
            (10, Some(30..35)),
            (14, Some(34..35)),
            (16, Some(1..5)),
            (20, None),
        ] {
            let place = plan.behind(Plan::BEGIN, bytes);
            assert_eq!(plan.wanted(place), left, "{bytes}");
            let half = plan.behind(Plan::BEGIN, bytes / 2);
            assert_eq!(plan.behind(half, bytes - bytes / 2), place, "{bytes}");
        }
        assert_eq!(spans(&wanted, plan.behind(Plan::BEGIN, 3)), [13..35, 0..5]);
    }
}
