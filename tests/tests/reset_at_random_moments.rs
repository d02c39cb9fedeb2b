//! The machine is reset at twenty random moments of updates: it always boots a whole release, and ends with the update done.

use std::time::Duration;

use acl_host::clock::{Clock, SystemClock};
use acl_tests::journey;
use acl_tests::machine::{BOOT, progress};
use acl_tests::node::{Node, TRIAL};
use acl_tests::releases::Release;
use anyhow::{Context, Result, ensure};

const RESETS: u32 = 20;

/// From asking for the update to its commit, in seconds on an idle host without KVM, and a little more.
const UPDATE: u64 = 80;
/// From the shell of a release on trial to its commit.
const ON_TRIAL: u64 = 25;

#[test]
#[ignore = "takes half an hour: cargo test --release -p acl-tests --test promises -- --ignored --nocapture random"]
fn a_whole_release_boots_and_the_update_is_finished() -> Result<()> {
    let seed = u64::try_from(SystemClock.now().as_millisecond())?;
    progress("random-resets", format_args!("seed {seed}"));
    let mut chance = Chance(seed);
    let site = journey::site("random-resets")?;
    let mut resets = 0;
    for life in 1.. {
        let handover = site.handover_with("automatic = \"off\"\n")?;
        let mut node = journey::settled()?.boot(&format!("random-resets-{life}"), handover)?;
        resets = live(&mut node, &mut chance, resets).with_context(|| format!("seed {seed}"))?;
        if resets == RESETS {
            break;
        }
    }
    Ok(())
}

/// One machine's update, to its commit; how many resets there were in all.
fn live(node: &mut Node, chance: &mut Chance, mut resets: u32) -> Result<u32> {
    loop {
        let (running, state) = look(node)?;
        if state == "committed" {
            return Ok(resets);
        }
        if running == Release::First.version() {
            // A trial that was cut three times counts as failed.
            node.machine()
                .ask("systemd-run --quiet --collect sh -c 'aclctl retry; aclctl apply'")?;
        }
        if resets == RESETS {
            return finish(node, &running).map(|()| resets);
        }
        let most = match state.as_str() {
            "on-trial" => ON_TRIAL,
            _ => UPDATE,
        };
        let moment = Duration::from_millis(chance.below(most * 1000));
        resets += 1;
        let told = format_args!("reset {resets} of {running} ({state}) after {moment:?}");
        progress("random-resets", told);
        std::thread::sleep(moment);
        node.machine().reset()?;
        node.machine().wait_for_boot(BOOT)?;
    }
}

/// What runs, whole; and the state.
fn look(node: &mut Node) -> Result<(String, String)> {
    let running = node.running()?;
    let releases = [Release::First.version(), Release::Second.version()];
    ensure!(releases.contains(&running.as_str()), "{running} runs");
    let status = node.status()?;
    ensure!(status.running() == running, "{} is told", status.running());
    // Every block of /usr that is read was checked; read them all.
    node.machine()
        .run_long("find /usr -xdev -type f -exec cat {} + > /dev/null", BOOT)?;
    Ok((running, status.state().to_owned()))
}

fn finish(node: &mut Node, running: &str) -> Result<()> {
    let second = Release::Second.version();
    if running != second {
        node.wait_until_running(second, 1)?;
    }
    let status = node.wait_for_state("committed|rolled-back", TRIAL)?;
    ensure!(
        (status.state(), status.running()) == ("committed", second),
        "{}",
        status.0
    );
    Ok(())
}

/// Numbers without pattern (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
