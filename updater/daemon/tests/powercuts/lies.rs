//! A disk that acknowledges a flush and does not do it, and then the power goes.
//!
//! Nobody can promise then what was promised before: what is promised is that the release that ran boots, as long as the
//! disk has one whole partition table. Both copies of the table are written in an update, one after the flush of the
//! other; a disk that did neither may have a part of each.

use acl_host::gpt::Table;

use super::{
    STORY,
    fate::Fate,
    journal::{Deed, Record},
    random::Random,
    scratch,
};
use crate::node::Node;

const CUTS: u64 = 120;

/// More than twice of what the decision says.
const MOST_LOST: u64 = CUTS / 6;

#[test]
fn a_disk_that_lies_about_flushing_still_boots_what_ran() {
    let mut lost_tables = 0;
    for number in 0..CUTS {
        let chapter = STORY.chapter("staging over the older release");
        let records = &chapter.episode.records;
        let mut random = Random::new(7, number);
        let after = random.below(records.len() + 1);
        let mut fate = Fate::new(random, true);
        let told = fate.to_string();
        let machine = scratch();
        chapter.episode.cut(after, &mut fate).write(machine.path());
        let node = Node::at(machine.path());
        let place = chapter.episode.place(after);
        match (Table::read(node.disk()), STORY.releases.start(&node)) {
            (_, Ok(version)) => assert!(version == "2" || version == "3", "{place}: {version}"),
            (Err(_), Err(_)) if both_tables_are_written(&records[..after]) => lost_tables += 1,
            (table, Err(problem)) => panic!("{place}: {told}: {problem}, with {table:?}"),
        }
    }
    println!("{lost_tables} of {CUTS} had no partition table");
    assert!(lost_tables <= MOST_LOST, "{lost_tables} of {CUTS}");
}

/// Whether the disk was told to write both copies.
fn both_tables_are_written(records: &[Record]) -> bool {
    let wrote = |is_there: &dyn Fn(usize) -> bool| {
        records.iter().any(|record| {
            let Record { medium, deed } = record;
            matches!(deed, Deed::Write { at, .. } if is_there(*at))
                && *medium == super::journal::Medium::Disk
        })
    };
    let size = 16 * 1024 * 1024;
    wrote(&|at| at < 34 * 512) && wrote(&|at| at >= size - 33 * 512)
}
