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
use crate::node::{Node, Ran};

/// What may fail, in which way, and whether the run may succeed nevertheless.
const KINDS: [(Call, Medium, Errno, bool); 14] = [
    (Call::Write, Medium::Disk, Errno::EIO, false),
    (Call::Flush, Medium::Disk, Errno::EIO, false),
    (Call::Read, Medium::Disk, Errno::EIO, true),
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
];

/// So many of each kind are tried, unless a plan asks for all.
const TRIED: usize = 5;

#[test]
fn a_disk_that_fails_is_named_and_loses_nothing() {
    let faults = faults(&STORY);
    let next = AtomicUsize::new(0);
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((fault, may_succeed)) =
                    faults.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(told) = fail_once(&STORY, *fault, *may_succeed) {
                        println!("{fault:?}: {told}");
                        problems.lock().unwrap().push((*fault, told));
                    }
                }
            });
        }
    });
    println!("{} errors of disks", faults.len());
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// One fault for each call of a run that succeeds, or some of them.
fn faults(story: &Story) -> Vec<(Fault, bool)> {
    let mounted = Mounted::new(story.committed.clone());
    let node = follow_newest(&mounted, story);
    mounted.fail(None);
    assert_eq!(node.once().code, Some(0));
    let calls = mounted.calls();
    let all = environment::variable(PLAN).is_some();
    let mut faults = Vec::new();
    for (call, medium, answer, may_succeed) in KINDS {
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
            faults.push((fault, may_succeed));
        }
    }
    faults
}

fn follow_newest(mounted: &Mounted, story: &Story) -> Node {
    let node = Node::at(mounted.path());
    node.follow(&story.site.url());
    node
}

fn fail_once(story: &Story, fault: Fault, may_succeed: bool) -> Result<(), String> {
    let mounted = Mounted::new(story.committed.clone());
    let node = follow_newest(&mounted, story);
    let before = mounted.volume();
    mounted.fail(Some(fault));
    let ran = node.once();
    let made = mounted.calls();
    mounted.fail(None);
    // What comes over the network comes in pieces of any size: the run may have made fewer calls.
    if made.get(&(fault.call, fault.medium)) <= Some(&fault.after) {
        return Ok(());
    }
    is_named(&ran, &fault, may_succeed)?;
    let after = mounted.volume();
    if running_slot(&node, &before) != running_slot(&node, &after) {
        return Err(format!("the running slot was changed: {}", ran.log));
    }
    let machine = scratch();
    after.write(machine.path());
    let node = Node::at(machine.path());
    let goal = story.newest(None);
    finish(&node, &story.site, &story.releases, &goal).map_err(|told| format!("{told:?}"))
}

fn is_named(ran: &Ran, fault: &Fault, may_succeed: bool) -> Result<(), String> {
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
        // Of what is read, some may be missing: then it is as if it were not there.
        Some(0) if may_succeed && (is_told || fault.call != Call::Write) => Ok(()),
        Some(4) if is_told => Ok(()),
        code => Err(format!("exit code {code:?}: {}", ran.log)),
    }
}

/// The bytes of the slot that release 2 runs from.
fn running_slot(node: &Node, volume: &Volume) -> Vec<u8> {
    let table = Table::read(node.disk()).unwrap();
    let [_, b] = slot::both(&table).unwrap();
    let disk = volume.bytes(volume.find("disk.raw").unwrap());
    let parts = [b.usr, b.verity, b.signature];
    let bytes = |range: std::ops::Range<u64>| {
        let at = |place| usize::try_from(place).unwrap();
        disk[at(range.start)..at(range.end)].to_vec()
    };
    parts.map(|part| bytes(part.range())).concat()
}
