//! What was measured.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::bounds::Bounds;
use super::image::Change;
use super::pair::Pair;
use super::way::{Taken, Way};
use crate::bench::machine::Machine;
use crate::bench::sample::Sample;
use crate::bench::usage::Usage;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    /// The packages that differ, by pair: the mirror moves on.
    #[serde(serialize_with = "by_pair")]
    pub(super) packages: Vec<(Pair, Vec<Change>)>,
    /// Of the real pair.
    pub(super) bounds: Option<Bounds>,
    pub(super) rows: Vec<Row>,
}

/// One way on one pair.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) pair: Pair,
    pub(super) way: Way,
    /// That came over the wire to the node.
    pub(super) bytes: u64,
    /// Of them for `/usr`.
    pub(super) usr_bytes: u64,
    pub(super) requests: u64,
    /// Until the release is durable in the other slot.
    pub(super) stage_seconds: f64,
    pub(super) cpu_seconds: f64,
    /// The largest memory of any of its processes.
    pub(super) peak_kib: u64,
    /// Whether the three above were taken in a virtual machine.
    pub(super) in_vm: bool,
    pub(super) publish_seconds: f64,
    /// Whether an earlier run published, and measured that.
    pub(super) publish_kept: bool,
    /// That the server has to keep more than before.
    pub(super) publish_bytes: u64,
}

impl Row {
    /// Of one run or more: what was fetched is the same in all; of times the median counts, of memory the most.
    pub(super) fn new(pair: Pair, way: Way, runs: &[Taken]) -> Option<Self> {
        let taken = runs.first()?;
        let usages: Vec<Usage> = runs.iter().map(|run| run.usage).collect();
        let sample = Sample::of(&usages);
        Some(Self {
            pair,
            way,
            bytes: taken.traffic.bytes,
            usr_bytes: taken.usr,
            requests: taken.traffic.requests,
            stage_seconds: sample.median,
            cpu_seconds: sample.processor,
            peak_kib: sample.peak / 1024,
            in_vm: taken.in_vm,
            publish_seconds: taken.published.cost.seconds,
            publish_kept: taken.published.kept,
            publish_bytes: taken.published.cost.bytes,
        })
    }
}

impl Results {
    /// The pairs that were measured, in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (Pair, &[Change])> {
        self.packages
            .iter()
            .map(|(pair, changes)| (*pair, changes.as_slice()))
    }

    /// The rows of a pair.
    pub(super) fn of(&self, pair: Pair) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.pair == pair)
    }

    /// One row.
    pub(super) fn row(&self, pair: Pair, way: Way) -> Option<&Row> {
        self.of(pair).find(|row| row.way == way)
    }
}

fn by_pair<S: Serializer>(
    packages: &[(Pair, Vec<Change>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(packages.len()))?;
    for (pair, changes) in packages {
        map.serialize_entry(pair, changes)?;
    }
    map.end()
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{Bounds, Change, Pair, Results, Row, Way};
    use crate::bench::machine::Machine;

    /// Ours is within every limit; RAUC fetches three times as much.
    pub(in crate::bench::updates) fn results() -> Results {
        let row = |way, bytes: u64| Row {
            pair: Pair::Security,
            way,
            bytes,
            usr_bytes: bytes / 3,
            requests: 12,
            stage_seconds: 1.5,
            cpu_seconds: 1.25,
            peak_kib: 40 << 10,
            in_vm: way == Way::Rauc,
            publish_seconds: 120.0,
            publish_kept: way == Way::Casync,
            publish_bytes: 2 * bytes,
        };
        Results {
            machine: Machine::this(Path::new("/")).unwrap(),
            packages: vec![(
                Pair::Security,
                vec![Change {
                    name: "openssl".to_owned(),
                    from: Some("3.5.4".to_owned()),
                    to: None,
                }],
            )],
            bounds: Some(Bounds {
                fetch: 0.1,
                decompress_and_hash: 0.9,
                write: 1.2,
                read_back: 0.5,
            }),
            rows: vec![
                row(Way::Acl, 20_000_000),
                row(Way::Rauc, 60_000_000),
                row(Way::Casync, 40_000_000),
                row(Way::Dd, 480_000_000),
            ],
        }
    }

    #[test]
    fn the_document_names_what_was_measured() {
        let document = serde_json::to_value(results()).unwrap();
        let change = json!([{"name": "openssl", "from": "3.5.4", "to": null}]);
        assert_eq!(document["packages"]["security"], change);
        assert_eq!(document["bounds"]["decompress_and_hash"], 0.9);
        let row = json!({
            "pair": "security", "way": "rauc", "bytes": 60_000_000, "usr_bytes": 20_000_000, "requests": 12,
            "stage_seconds": 1.5, "cpu_seconds": 1.25, "peak_kib": 40960, "in_vm": true,
            "publish_seconds": 120.0, "publish_kept": false, "publish_bytes": 120_000_000,
        });
        assert_eq!(document["rows"][1], row);
    }
}
