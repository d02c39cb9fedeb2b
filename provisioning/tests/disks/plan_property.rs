//! What holds of every plan.

use acl_host::gpt::Partition;
use acl_host::guid::Guid;
use acl_provision::config::spec;
use acl_provision::stage::disks::partitions::in_use::InUse;
use acl_provision::stage::disks::partitions::layout::Layout;
use acl_provision::stage::disks::partitions::{Plan, plan};
use proptest::prelude::*;

const SIZE: u64 = 64 << 20;
const LABELS: [&str; 4] = ["", "a", "b", "c"];

/// A disk with partitions of any place, aligned or not, in any order of numbers.
fn layouts() -> impl Strategy<Value = Layout> {
    let cuts = prop::collection::btree_set(0..4096u64, 0..12);
    let numbers = Just((1..=8u32).collect::<Vec<_>>()).prop_shuffle();
    let sector = prop_oneof![Just(512u64), Just(4096)];
    (cuts, numbers, sector, prop::collection::vec(0..4usize, 8)).prop_map(
        |(cuts, numbers, sector, labels)| {
            let mut layout = Layout::blank("/dev/x", SIZE, sector).unwrap();
            // Every other room between the cuts is a partition; a cut is a place in units of 16 KiB, now and then odd.
            let places: Vec<u64> = cuts
                .iter()
                .map(|cut| {
                    (cut * 16384).clamp(layout.usable.start, layout.usable.end) / sector * sector
                })
                .collect();
            for ((pair, index), label) in places.chunks_exact(2).zip(numbers).zip(labels) {
                if pair[0] < pair[1] {
                    let partition = Partition {
                        index,
                        kind: Guid([1; 16]),
                        guid: Guid([index as u8; 16]),
                        label: LABELS[label].to_owned(),
                        attributes: 7,
                        start: pair[0],
                        length: pair[1] - pair[0],
                    };
                    layout.partitions.insert(index, partition);
                }
            }
            layout
        },
    )
}

fn wanted() -> impl Strategy<Value = spec::Partition> {
    let flag = || prop::option::of(any::<bool>());
    let size = |most: i64| prop::option::of(prop_oneof![Just(0), 0..most]);
    let label = prop::option::of((0..4usize).prop_map(|n| LABELS[n].to_owned()));
    (
        prop::option::of(0..10i64),
        size(66),
        size(70),
        label,
        flag(),
        flag(),
        flag(),
    )
        .prop_map(
            |(number, start_mib, size_mib, label, should_exist, wipe, resize)| spec::Partition {
                number,
                start_mib,
                size_mib,
                label,
                // Mostly true, or nearly every config is refused.
                should_exist: should_exist.filter(|_| number.unwrap_or_default() > 7),
                wipe_partition_entry: wipe,
                resize,
                ..spec::Partition::default()
            },
        )
}

fn disks() -> impl Strategy<Value = spec::Disk> {
    prop::collection::vec(wanted(), 0..5).prop_map(|partitions| spec::Disk {
        partitions: Some(partitions),
        ..spec::Disk::new("/dev/x".to_owned())
    })
}

fn planned(disk: &spec::Disk, layout: &Layout) -> Option<Plan> {
    let guids: Vec<Guid> = (100..110).map(|byte| Guid([byte; 16])).collect();
    plan(disk, layout, &InUse::default(), &guids).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_a_table_and_leaves_the_others_alone(layout in layouts(), disk in disks()) {
        let Some(plan) = planned(&disk, &layout) else { return Ok(()) };
        for (n, one) in plan.partitions.iter().enumerate() {
            prop_assert!(one.length > 0);
            prop_assert!(one.start >= layout.usable.start && one.start + one.length <= layout.usable.end);
            prop_assert!(one.start % layout.sector == 0 && one.length % layout.sector == 0);
            prop_assert!((1..=layout.capacity).contains(&one.index));
            for other in &plan.partitions[n + 1..] {
                prop_assert!(one.index != other.index && one.guid != other.guid);
                prop_assert!(one.start + one.length <= other.start || other.start + other.length <= one.start);
            }
        }
        let named: Vec<u32> = plan.changes.iter().map(|change| change.number).collect();
        for (number, there) in &layout.partitions {
            if !named.contains(number) {
                prop_assert!(plan.partitions.contains(there));
            }
        }
        if !plan.is_change() {
            prop_assert_eq!(plan.partitions, layout.partitions.into_values().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_changes_nothing_more(layout in layouts(), disk in disks()) {
        let mut disk = disk;
        for partition in disk.partitions.iter_mut().flatten() {
            partition.number = Some(partition.number.filter(|number| *number > 0).unwrap_or(9));
            partition.start_mib.get_or_insert(0);
            partition.size_mib.get_or_insert(1);
        }
        let Some(first) = planned(&disk, &layout) else { return Ok(()) };
        let numbered = first.partitions.iter().map(|partition| (partition.index, partition.clone()));
        let again = planned(&disk, &Layout { partitions: numbered.collect(), ..layout });
        let again = again.expect("what was made is what was wanted");
        prop_assert!(!again.is_change(), "{again:?}");
    }
}

/// The properties say nothing if all configs are refused.
#[test]
fn many_of_these_configs_have_plans() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut changes = 0;
    for _ in 0..1000 {
        let layout = layouts().new_tree(&mut runner).unwrap().current();
        let disk = disks().new_tree(&mut runner).unwrap().current();
        changes += usize::from(planned(&disk, &layout).is_some_and(|plan| plan.is_change()));
    }
    assert!(changes > 100, "{changes}");
}
