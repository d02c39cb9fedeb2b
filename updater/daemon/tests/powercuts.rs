//! The power goes: at any moment, with any part of what was not flushed on the disks, a whole release boots, and the next
//! runs of the agent end with the update done.
//!
//! The agent is recorded once on disks in memory ([`story`]); then each cut is made from the record ([`cut`]), looked
//! at as firmware, boot loader and kernel would ([`firmware`]), and gone on with on files ([`finish`]). What the models
//! assume is in docs/decisions/0010-power-cut-on-fat.md. `cargo xtask bench powercuts` runs the same with a plan of its own.

mod cut;
mod disk;
mod errors;
mod ext4;
mod fat;
mod fate;
mod finish;
mod firmware;
mod journal;
mod lies;
mod live;
mod mount;
mod random;
mod resume;
mod story;
mod volume;

use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use acl_host::{environment, file};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use self::{
    fate::Fate,
    finish::{Failure, finish, put_name_back},
    random::Random,
    story::Story,
};
pub(crate) use self::{mount::Mounted, volume::Volume};
use crate::node::Node;

/// Recorded once for all tests.
static STORY: LazyLock<Story> = LazyLock::new(Story::tell);

/// The variable with the path of a [`Plan`].
const PLAN: &str = "ACL_POWERCUTS";

/// Of so many cuts, one may need a hand, and one more. 3300 had none.
const BY_SHORT_NAME: u64 = 1000;

/// What to do.
#[derive(Debug, Deserialize)]
struct Plan {
    cuts: u64,
    seed: u64,
    /// Only the cut with this number.
    only: Option<u64>,
    /// Where the results go.
    results: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Results {
    cuts: u64,
    lost: u64,
    unfinished: u64,
    /// Where a hand was needed, as the decision says; with it, each of them came to its goal, or is counted above.
    by_short_name: u64,
    seed: u64,
    failures: Vec<Failed>,
}

/// Counted while it runs.
#[derive(Default)]
struct Counts {
    lost: AtomicU64,
    unfinished: AtomicU64,
    by_short_name: AtomicU64,
}

/// A cut that a machine did not come back from.
#[derive(Debug, Serialize)]
struct Failed {
    number: u64,
    /// Where the cut was.
    place: String,
    /// What persisted.
    persisted: String,
    /// What was wanted after it.
    goal: String,
    problem: String,
}

impl Plan {
    fn read() -> Self {
        let Some(path) = environment::variable(PLAN) else {
            return Self {
                cuts: 300,
                seed: 1,
                only: None,
                results: None,
            };
        };
        serde_json::from_slice(&file::read(path).unwrap()).unwrap()
    }

    fn numbers(&self) -> std::ops::Range<u64> {
        self.only.map_or(0..self.cuts, |only| only..only + 1)
    }
}

#[test]
fn whatever_a_power_cut_leaves_boots_and_the_update_is_finished() {
    let plan = Plan::read();
    let next = AtomicU64::new(plan.numbers().start);
    let failures = Mutex::new(Vec::new());
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(number) = take(&next, &plan) {
                    if let Some(failed) = cut_once(&STORY, &plan, number, &counts) {
                        println!("{failed:#?}");
                        failures.lock().unwrap().push(failed);
                    }
                }
            });
        }
    });
    let Counts {
        lost,
        unfinished,
        by_short_name,
    } = counts;
    let results = Results {
        cuts: plan.numbers().end - plan.numbers().start,
        lost: lost.into_inner(),
        unfinished: unfinished.into_inner(),
        by_short_name: by_short_name.into_inner(),
        seed: plan.seed,
        failures: failures.into_inner().unwrap(),
    };
    if let Some(path) = &plan.results {
        file::scratch(path, &serde_json::to_vec_pretty(&results).unwrap()).unwrap();
    }
    let Results {
        cuts,
        lost,
        unfinished,
        by_short_name,
        seed,
        ..
    } = results;
    println!(
        "seed {seed}: {cuts} cuts, {lost} lost, {unfinished} unfinished, {by_short_name} by a short name"
    );
    assert_eq!((lost, unfinished), (0, 0), "seed {seed}");
    let most = 1 + cuts / BY_SHORT_NAME;
    assert!(by_short_name <= most, "seed {seed}: more than {most}");
}

fn take(next: &AtomicU64, plan: &Plan) -> Option<u64> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    plan.numbers().contains(&number).then_some(number)
}

/// Make one cut; what there is to know if the machine does not come back from it.
fn cut_once(story: &Story, plan: &Plan, number: u64, counts: &Counts) -> Option<Failed> {
    let mut random = Random::new(plan.seed, number);
    let (chapter, after) = place(story, plan, number);
    let story::Chapter { episode, goals } = &story.chapters[chapter];
    let goal = &goals[random.below(goals.len())];
    let mut fate = Fate::new(random, false);
    let persisted = fate.to_string();
    let machine = scratch();
    let volume = episode.cut(after, &mut fate);
    volume.write(machine.path());
    let found = listing(machine.path());
    let node = Node::at(machine.path());
    let go_on = || finish(&node, &story.site, &story.releases, goal);
    let ended = match after == episode.records.len() && !episode.is_kept(&volume) {
        true => Err(Failure::Lost("what was reported done is gone".into())),
        false => go_on(),
    };
    let ended = match ended {
        Err(Failure::ByShortName) => {
            counts.by_short_name.fetch_add(1, Ordering::Relaxed);
            put_name_back(&node, &story.releases);
            go_on()
        }
        ended => ended,
    };
    let (counter, problem) = match ended.err()? {
        Failure::Lost(problem) => (&counts.lost, problem),
        Failure::Unfinished(problem) => (&counts.unfinished, problem),
        Failure::ByShortName => (&counts.unfinished, "by a short name again".into()),
    };
    counter.fetch_add(1, Ordering::Relaxed);
    Some(Failed {
        number,
        place: episode.place(after),
        persisted: format!("{persisted}; {found}"),
        goal: format!("{goal:?}"),
        problem,
    })
}

/// Every moment of the story is met equally often: the chapter, and the number of records before the cut.
fn place(story: &Story, plan: &Plan, number: u64) -> (usize, usize) {
    let moments = |chapter: &story::Chapter| chapter.episode.records.len() as u64 + 1;
    let total: u64 = story.chapters.iter().map(moments).sum();
    let mut moment = (number * total / plan.cuts.max(1) + plan.seed) % total;
    for (at, chapter) in story.chapters.iter().enumerate() {
        if moment < moments(chapter) {
            return (at, usize::try_from(moment).unwrap());
        }
        moment -= moments(chapter);
    }
    unreachable!("the moment is one of {total}")
}

/// What lies among the boot entries.
fn listing(machine: &Path) -> String {
    let paths = file::list(machine.join("root/efi/EFI/Linux")).unwrap_or_default();
    let told = paths.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} ({} bytes)", path.metadata().map_or(0, |m| m.len()))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A directory for a machine after a cut: in memory where there is such a place, since thousands are made.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}
