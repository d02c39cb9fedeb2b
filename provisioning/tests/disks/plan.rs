//! What becomes of a partition table: tables of cases, compared whole.

mod new;
mod refused;
mod room;
mod there;

use acl_host::error::chain;
use acl_host::gpt::{Partition, kind};
use acl_host::guid::Guid;
use acl_provision::config::spec;
use acl_provision::stage::disks::partitions::in_use::InUse;
use acl_provision::stage::disks::partitions::layout::Layout;
use acl_provision::stage::disks::partitions::{Plan, plan};

const MIB: u64 = 1 << 20;

fn linux() -> Guid {
    "0fc63daf-8483-4772-8e79-3d69d8477de4".parse().unwrap()
}

/// A disk of `size` MiB with partitions written as `number from..to label`, in MiB or with an `s` in sectors; `end` is
/// the end of what is usable.
fn layout(size: u64, sector: u64, partitions: &str) -> Layout {
    let mut layout = Layout::blank("/dev/vdb", size * MIB, sector).unwrap();
    let read = |text: &str, end: u64| match text.strip_suffix('s') {
        _ if text == "end" => end,
        Some(sectors) => sectors.parse::<u64>().unwrap() * sector,
        None => text.parse::<u64>().unwrap() * MIB,
    };
    for partition in partitions.split(", ").filter(|text| !text.is_empty()) {
        let words: Vec<&str> = partition.split(' ').collect();
        let (from, to) = words[1].split_once("..").unwrap();
        let (start, end) = (read(from, 0), read(to, layout.usable.end));
        let index = words[0].parse().unwrap();
        layout.partitions.insert(
            index,
            Partition {
                index,
                kind: linux(),
                guid: Guid([0xe0 + index as u8; 16]),
                label: words.get(2).copied().unwrap_or_default().to_owned(),
                attributes: u64::from(index) << 48,
                start,
                length: end - start,
            },
        );
    }
    layout
}

fn place(bytes: u64, layout: &Layout) -> String {
    match bytes {
        _ if bytes == layout.usable.end => "end".to_owned(),
        _ if bytes.is_multiple_of(MIB) => (bytes / MIB).to_string(),
        _ => format!("{}s", bytes / layout.sector),
    }
}

fn guid(guid: Guid) -> String {
    match guid {
        _ if guid == linux() => "linux".to_owned(),
        _ if guid == kind::ESP => "esp".to_owned(),
        _ if guid.0 == [guid.0[0]; 16] => format!("{:x}", guid.0[0]),
        _ => guid.to_string(),
    }
}

/// All of a plan: `number from..to label type guid attributes` of each partition, then what became of them.
fn print(plan: &Plan, layout: &Layout) -> String {
    let partition = |p: &Partition| {
        let (from, to) = (place(p.start, layout), place(p.start + p.length, layout));
        let attributes = p.attributes >> 48;
        format!(
            "{} {from}..{to} {:?} {} {} {attributes}",
            p.index,
            p.label,
            guid(p.kind),
            guid(p.guid)
        )
    };
    let partitions: Vec<String> = plan.partitions.iter().map(partition).collect();
    let changes: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
    let wiped = if plan.wiped { "wiped; " } else { "" };
    format!(
        "{wiped}{} | {}",
        partitions.join(", "),
        changes.join(", ").replace("partition ", "")
    )
}

fn disk(partitions: &str, wipe: bool) -> spec::Disk {
    let text =
        format!(r#"{{"device": "/dev/vdb", "wipeTable": {wipe}, "partitions": [{partitions}]}}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn planned(disk: &spec::Disk, layout: &Layout, in_use: &InUse) -> String {
    let guids: Vec<Guid> = (0xa1..0xaf).map(|byte| Guid([byte; 16])).collect();
    match plan(disk, layout, in_use, &guids) {
        Ok(plan) => print(&plan, layout),
        Err(error) => chain(&error),
    }
}

/// What is there, what is wanted, what it becomes.
type Case = (&'static str, &'static str, &'static str);

fn check(size: u64, sector: u64, cases: &[Case]) {
    let mut wrong = Vec::new();
    for (there, wanted, expected) in cases {
        let found = planned(
            &disk(wanted, false),
            &layout(size, sector, there),
            &InUse::default(),
        );
        if found != *expected {
            wrong.push(format!(
                "[{there}] {wanted}\n  wanted: {expected}\n  found:  {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
