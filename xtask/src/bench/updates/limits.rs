//! What an update may weigh and take.

use super::pair::Pair;
use super::results::{Results, Row};
use super::way::Way;

/// Bytes for `/usr` of the real pair.
const USR: u64 = 8_000_000;
/// Bytes for the whole of it.
const WHOLE: u64 = 22_000_000;
/// KiB of memory, whatever the image.
const PEAK: u64 = 48 << 10;
/// Of the slowest part alone.
const STAGE: f64 = 1.25;
/// Whose bytes ours must be below, on every pair.
const PEERS: [Way; 2] = [Way::Rauc, Way::Casync];

/// What is over its limit, a line each.
pub(super) fn passed(results: &Results) -> Vec<String> {
    let mut passed = Vec::new();
    for (pair, _) in results.pairs() {
        let Some(ours) = results.row(pair, Way::Acl) else {
            continue;
        };
        let name = pair.name();
        if ours.peak_kib > PEAK {
            passed.push(format!(
                "{name}: {} KiB of memory of {PEAK} KiB",
                ours.peak_kib
            ));
        }
        for peer in PEERS {
            if let Some(row) = results.row(pair, peer)
                && ours.bytes >= row.bytes
            {
                let (peer, theirs) = (peer.name(), row.bytes);
                passed.push(format!("{name}: {} bytes, {peer} {theirs}", ours.bytes));
            }
        }
        if pair == Pair::Security {
            passed.extend(of_the_real_pair(results, ours));
        }
    }
    passed
}

fn of_the_real_pair(results: &Results, ours: &Row) -> Vec<String> {
    let name = ours.pair.name();
    let mut passed = Vec::new();
    for (what, bytes, limit) in [
        ("for /usr", ours.usr_bytes, USR),
        ("in all", ours.bytes, WHOLE),
    ] {
        if bytes > limit {
            passed.push(format!("{name}: {bytes} bytes {what} of {limit}"));
        }
    }
    if let Some(bounds) = &results.bounds {
        let (seconds, limit) = (ours.stage_seconds, STAGE * bounds.slowest());
        if seconds > limit {
            passed.push(format!(
                "{name}: staged in {seconds:.2} s of {limit:.2} s, {STAGE} times the slowest part"
            ));
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::passed;
    use crate::bench::updates::results::tests::results;

    #[test]
    fn each_limit_is_told_when_it_is_passed() {
        let mut results = results();
        assert_eq!(passed(&results), [""; 0]);
        results.rows[0].peak_kib = (48 << 10) + 1;
        results.rows[0].usr_bytes = 8_000_001;
        results.rows[0].bytes = 40_000_000;
        results.rows[0].stage_seconds = 1.51;
        assert_eq!(
            passed(&results),
            [
                "security: 49153 KiB of memory of 49152 KiB",
                "security: 40000000 bytes, casync 40000000",
                "security: 8000001 bytes for /usr of 8000000",
                "security: 40000000 bytes in all of 22000000",
                "security: staged in 1.51 s of 1.50 s, 1.25 times the slowest part",
            ]
        );
    }
}
