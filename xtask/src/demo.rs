//! `cargo xtask demo`: a machine takes the next release by itself, and comes back from a bad one.

mod milestones;
mod summary;

use std::time::{Duration, Instant};

use acl_host::file;
use acl_tests::journey::Fresh;
use acl_tests::machine::Machine;
use acl_tests::node::{Node, STAGE, Status, TRIAL};
use acl_tests::releases::{self, Release};
use acl_tests::repository::Repository;
use acl_tests::site::Site;
use acl_tests::workspace;
use anyhow::{Context, Result, ensure};

use crate::screen::{heading, note, say};
use crate::setup;
use summary::Summary;

/// How the machine is told to follow its channel: look often, take what is offered, reboot at once.
const BY_ITSELF: &str =
    "automatic = \"stage\"\ncheck_interval = \"15s\"\n[reboot]\nstrategy = \"immediate\"\n";

/// Between two looks at how far staging is.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Runs the demo; an error when anything did not happen as it should.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    setup::run()?;
    let [first, second, broken] = Release::ALL.map(Release::version);

    heading("1. Build: Debian trixie, the same with its security updates, and a broken one");
    let built = build()?;

    heading("2. Publish: a repository with its own keys, served over HTTP");
    let site = publish()?;

    heading(&format!(
        "3. Boot {first} under Secure Boot; it finds {second} and takes it"
    ));
    let mut node = switch_on(&site)?;
    let before = node.status()?;
    show(&mut node, "before")?;
    follow_staging(&mut node)?;
    node.wait_until_running(second, 1)?;
    note(format_args!("{second} is up and on trial"));
    let after = node.wait_for_state("committed|rolled-back", TRIAL)?;
    show(&mut node, "after")?;
    ensure!(
        after.state() == "committed",
        "the update to {second} was not committed: {}",
        after.0
    );

    heading(&format!(
        "4. Publish {broken}, whose containerd cannot start"
    ));
    site.repository().promote(Release::Broken)?;
    note(format_args!("{broken} is in the channel"));
    node.wait_until_running(broken, 1)?;
    note(format_args!("{broken} is up and on trial"));
    node.wait_until_running(second, 1)?;
    note(format_args!("the machine is back in {second}"));
    let back = node.wait_for_state("rolled-back", TRIAL)?;
    let at_last = stays_away(&mut node, broken)?;
    show(&mut node, "in the end")?;

    let summary = Summary::of(&before, &after, &back, built, start.elapsed())?;
    report(&summary, &at_last)
}

/// The time that building took.
fn build() -> Result<Duration> {
    let start = Instant::now();
    note(format_args!("the workspace's programs"));
    workspace::build()?;
    note(format_args!("keys for Secure Boot and for the root hash"));
    releases::keys()?;
    for release in Release::ALL {
        let build = release.build()?;
        let hash = &build.description.root_hash[..16];
        note(format_args!(
            "release {}: /usr has the root hash {hash}…",
            build.version
        ));
    }
    note(format_args!("the tools tree with QEMU and its firmware"));
    workspace::tools()?;
    Ok(start.elapsed())
}

fn publish() -> Result<Site> {
    let repository = Repository::of_all_releases(&workspace::target()?.join("demo/site"))?;
    let site = Site::serve(repository)?;
    note(format_args!(
        "channel stable offers {} at http://{}",
        Release::Second.version(),
        site.gate.address()
    ));
    Ok(site)
}

fn switch_on(site: &Site) -> Result<Node> {
    let handover = site.handover_with(BY_ITSELF)?;
    let machine: Machine = Fresh::copy("demo")?.switch_on_with(handover, milestones::watcher())?;
    let node = Node::wait_for(machine)?;
    note(format_args!("the machine is up"));
    Ok(node)
}

fn show(node: &mut Node, when: &str) -> Result<()> {
    say(format_args!("\n  aclctl status, {when}:"));
    for line in node.aclctl_ok("status")?.lines() {
        say(format_args!("  | {line}"));
    }
    say(format_args!(""));
    Ok(())
}

/// Shows how far staging is, until the release is armed or the machine went down for its reboot.
fn follow_staging(node: &mut Node) -> Result<()> {
    let end = Instant::now() + STAGE;
    let mut shown = 0;
    while Instant::now() < end {
        let Ok(status) = node.status() else {
            return Ok(());
        };
        match status.state() {
            "staging" => shown = show_progress(&status, shown),
            "armed" => return Ok(()),
            "failed" => return Err(node.explain(anyhow::anyhow!("staging failed: {}", status.0))),
            _ => {}
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Err(node.explain(anyhow::anyhow!("nothing was armed")))
}

/// One line for every tenth.
fn show_progress(status: &Status, shown: u64) -> u64 {
    let number = |pointer| {
        status
            .0
            .pointer(pointer)
            .and_then(serde_json::Value::as_u64)
    };
    let (done, total) = (
        number("/state/done").unwrap_or(0),
        number("/state/total").unwrap_or(0),
    );
    let tenth = (done * 10).checked_div(total).unwrap_or(0);
    if tenth > shown {
        note(format_args!(
            "staging: {:3} % of {} MB",
            tenth * 10,
            total / 1_000_000
        ));
    }
    tenth.max(shown)
}

/// Has the machine look once more: the broken release is offered, and it does not want it.
fn stays_away(node: &mut Node, broken: &str) -> Result<Status> {
    let reason = node.aclctl_ok("check --explain")?;
    for line in reason.lines() {
        note(format_args!("{line}"));
    }
    let status = node.status()?;
    let wanted = status.text("/decision/version");
    ensure!(wanted.is_empty(), "the machine would try {wanted} again");
    ensure!(
        status.text("/refused/0/version") == broken,
        "the machine does not remember {broken}: {}",
        status.0
    );
    Ok(status)
}

fn report(summary: &Summary, at_last: &Status) -> Result<()> {
    let directory = workspace::target()?.join("demo");
    let path = directory.join("summary.json");
    std::fs::create_dir_all(&directory).context("cannot make the directory of the summary")?;
    file::write(&path, &serde_json::to_vec_pretty(summary)?)?;
    heading("Summary");
    summary.print();
    say(format_args!("  runs at the end   {}", at_last.running()));
    say(format_args!("  the same as JSON  {}", path.display()));
    summary.check()
}
