//! Disks that answer with errors: the error is named, what runs stays whole and boots, and once the disk is well again
//! the next run ends with the update done.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use acl_host::{environment, gpt::Table, slot};
use fuser::Errno;

use super::{
    PLAN, STORY,
    finish::finish,
    journal::Medium,
    live::{Call, Fault},
    mount::Mounted,
    scratch,
    story::Story,
    volume::Volume,
};
use crate::{
    artifact::USR,
    node::{Node, Ran},
};

/// What may fail, in which way, and whether the run may succeed nevertheless.
const KINDS: [(Call, Medium, Errno, bool); 17] = [
    (Call::Write, Medium::Disk, Errno::EIO, false),
    (Call::Flush, Medium::Disk, Errno::EIO, false),
    (Call::Read, Medium::Disk, Errno::EIO, true),
    (Call::Read, Medium::Esp, Errno::EIO, true),
    (Call::List, Medium::Esp, Errno::EIO, true),
    (Call::Write, Medium::Esp, Errno::EIO, false),
    (Call::Write, Medium::Esp, Errno::ENOSPC, false),
    (Call::Name, Medium::Esp, Errno::EIO, false),
    (Call::Name, Medium::Esp, Errno::ENOSPC, false),
    (Call::Flush, Medium::Esp, Errno::EIO, false),
    (Call::Write, Medium::Root, Errno::EIO, true),
    (Call::Write, Medium::Root, Errno::ENOSPC, false),
    (Call::Name, Medium::Root, Errno::EIO, true),
    (Call::Name, Medium::Root, Errno::ENOSPC, true),
    (Call::Flush, Medium::Root, Errno::EIO, true),
    (Call::Read, Medium::Root, Errno::EIO, true),
    (Call::List, Medium::Root, Errno::EIO, true),
];

/// So many of each kind are tried, unless a plan asks for all.
const TRIED: usize = 5;

/// Of so many, one may not be met.
const MOST_UNMET: usize = 20;

#[test]
fn a_disk_that_fails_is_named_and_loses_nothing() {
    let faults = faults(&STORY);
    let next = AtomicUsize::new(0);
    let problems = Mutex::new(Vec::new());
    let unmet = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((kind, fault)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match fail_once(&STORY, *fault, KINDS[*kind].3) {
                        Ok(true) => {}
                        Ok(false) => unmet.lock().unwrap().push((*kind, *fault)),
                        Err(told) => {
                            println!("{fault:?}: {told}");
                            problems.lock().unwrap().push((*fault, told));
                        }
                    }
                }
            });
        }
    });
    let unmet = unmet.into_inner().unwrap();
    println!("{} errors of disks, {} not met", faults.len(), unmet.len());
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{problems:#?}");
    for (kind, named) in KINDS.iter().enumerate() {
        let of_it = |list: &[(usize, Fault)]| list.iter().filter(|(of, _)| *of == kind).count();
        assert!(of_it(&unmet) < of_it(&faults), "{named:?} was never met");
    }
    // What comes over the network comes in pieces of any size, so that a run makes a few calls less than another.
    assert!(unmet.len() * MOST_UNMET <= faults.len(), "{unmet:#?}");
}

#[test]
fn a_disk_that_gives_back_something_else_is_found_out_in_every_window() {
    // The first, and the last.
    for place in [300_000, USR - 1] {
        let mounted = Mounted::new(STORY.committed.clone());
        let node = follow_newest(&mounted, &STORY);
        let before = mounted.volume();
        let [a, _] = slot::both(&Table::read(node.disk()).unwrap()).unwrap();
        let start = usize::try_from(a.usr.range().start).unwrap();
        mounted.rot(Some(start + place));
        let ran = node.once();
        mounted.rot(None);
        assert_eq!(ran.code, Some(4), "{}", ran.log);
        assert!(
            ran.log
                .contains("what the slot gives back is not what was written to it"),
            "{}",
            ran.log
        );
        assert_eq!(node.entries(), ["acl_2.efi"]);
        let after = mounted.volume();
        assert!(what_runs(&node, &before) == what_runs(&node, &after));
        let machine = scratch();
        after.write(machine.path());
        let node = Node::at(machine.path());
        finish(&node, &STORY.site, &STORY.releases, &STORY.newest(None)).unwrap();
    }
}

/// One fault for each call of a run that succeeds, or some of them, each with the number of its kind.
fn faults(story: &Story) -> Vec<(usize, Fault)> {
    let mounted = Mounted::new(story.committed.clone());
    let node = follow_newest(&mounted, story);
    mounted.fail(None);
    assert_eq!(node.once().code, Some(0));
    let calls = mounted.calls();
    let all = environment::variable(PLAN).is_some();
    let mut faults = Vec::new();
    for (kind, (call, medium, answer, _)) in KINDS.into_iter().enumerate() {
        let made = calls.get(&(call, medium)).copied().unwrap_or_default();
        assert!(made > 0, "no {call:?} on {medium:?}");
        let step = if all { 1 } else { made.div_ceil(TRIED) };
        for after in (0..made).step_by(step) {
            let once = answer.code() != Errno::ENOSPC.code();
            let fault = Fault {
                call,
                medium,
                after,
                once,
                answer,
            };
            faults.push((kind, fault));
        }
    }
    faults
}

fn follow_newest(mounted: &Mounted, story: &Story) -> Node {
    let node = Node::at(mounted.path());
    node.follow(&story.site.url());
    node
}

/// Whether the run came to the call that fails.
fn fail_once(story: &Story, fault: Fault, may_succeed: bool) -> Result<bool, String> {
    let mounted = Mounted::new(story.committed.clone());
    let node = follow_newest(&mounted, story);
    let before = mounted.volume();
    mounted.fail(Some(fault));
    let ran = node.once();
    let met = mounted.fail(None);
    if met.is_empty() {
        return match ran.code {
            Some(0) => Ok(false),
            code => Err(format!("no error, and exit code {code:?}: {}", ran.log)),
        };
    }
    is_named(&ran, &fault, may_succeed, &met)?;
    let after = mounted.volume();
    if what_runs(&node, &before) != what_runs(&node, &after) {
        return Err(format!("what runs was changed: {}", ran.log));
    }
    let machine = scratch();
    after.write(machine.path());
    let node = Node::at(machine.path());
    let goal = story.newest(None);
    let finished = finish(&node, &story.site, &story.releases, &goal);
    finished.map(|()| true).map_err(|told| format!("{told:?}"))
}

fn is_named(ran: &Ran, fault: &Fault, may_succeed: bool, met: &[String]) -> Result<(), String> {
    let answer = std::io::Error::from_raw_os_error(fault.answer.code()).to_string();
    let places: &[&str] = match fault.medium {
        Medium::Disk => &["/disk.raw"],
        Medium::Esp => &["/root/efi"],
        Medium::Root => &["/root/var/", "/root/etc/", "/root/usr/", "/root/proc/"],
    };
    let told =
        |line: &str| line.contains(&answer) && places.iter().any(|place| line.contains(place));
    let is_told = ran.log.lines().any(told);
    match ran.code {
        Some(0) if may_succeed && (is_told || may_be_missing(fault, met)) => Ok(()),
        Some(4) if is_told => Ok(()),
        code => Err(format!("met at {met:?}, exit code {code:?}: {}", ran.log)),
    }
}

/// What may be missing without a word: then it is made or fetched again, or told as unknown. No write, and no flush.
const MAY_BE_MISSING: [(Medium, &str); 5] = [
    // What is remembered of the repository, and the copies that are thrown away.
    (Medium::Root, "/root/var/lib/acl/updater/tuf"),
    // What an earlier try left, and the running image unpacked, which has no name.
    (Medium::Root, "/root/var/lib/acl/updater/staging/"),
    (Medium::Root, ""),
    // Facts for the status.
    (Medium::Root, "/root/usr/lib/os-release"),
    (Medium::Root, "/root/usr/share/acl/packages.json"),
];

fn may_be_missing(fault: &Fault, met: &[String]) -> bool {
    let is_asked = matches!(fault.call, Call::Read | Call::List | Call::Name);
    let is_one = |path: &String| {
        MAY_BE_MISSING.iter().any(|(medium, start)| {
            let same = match *start {
                "" => path.is_empty(),
                start => path.starts_with(start),
            };
            *medium == fault.medium && same
        })
    };
    is_asked && met.iter().all(is_one)
}

/// The bytes of what release 2 runs from: its slot, and its boot entry.
fn what_runs(node: &Node, volume: &Volume) -> Vec<u8> {
    let table = Table::read(node.disk()).unwrap();
    let [_, b] = slot::both(&table).unwrap();
    let disk = volume.bytes(volume.find("disk.raw").unwrap());
    let parts = [b.usr, b.verity, b.signature];
    let bytes = |range: std::ops::Range<u64>| {
        let at = |place| usize::try_from(place).unwrap();
        disk[at(range.start)..at(range.end)].to_vec()
    };
    let entry = volume.find("root/efi/EFI/Linux/acl_2.efi");
    let image = entry.map(|entry| volume.bytes(entry).to_vec());
    [
        parts.map(|part| bytes(part.range())).concat(),
        image.expect("the entry of what runs"),
    ]
    .concat()
}
