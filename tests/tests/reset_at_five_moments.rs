//! The machine is reset at five moments of an update: it always boots a whole release, and finishes the update.

use std::time::Duration;

use acl_tests::gate::{Action, Gate};
use acl_tests::journey;
use acl_tests::machine::BOOT;
use acl_tests::node::{Node, STAGE, TRIAL};
use acl_tests::releases::Release;

/// A health check that waits for as long as a file is there, so that a trial can be met in its middle.
const HOLD: &str = "#!/bin/bash\nwhile [ -e /var/lib/acl-test-hold ]; do sleep 1; done\n";

#[test]
fn a_whole_release_boots_and_the_update_is_finished() -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let site = journey::site("reset")?;
    let handover = site
        .handover_with("automatic = \"off\"\n[health]\ncheck_timeout = \"4m\"\n")?
        .file("/etc/acl/health.d/50-hold", 0o755, HOLD);
    let mut node = journey::settled()?.boot("reset", handover)?;

    // 1. In the middle of writing.
    hold_within_usr(&site.gate);
    begin_staging(&mut node)?;
    site.gate.wait_until_holding(STAGE)?;
    reset(&mut node)?;
    assert_eq!(node.running()?, first);

    // 2. After the slot was written and before it is armed.
    site.gate.open();
    hold_before_arming(&site.gate);
    begin_staging(&mut node)?;
    site.gate.wait_until_holding(STAGE)?;
    // The kernel image lies there already, under a name that no boot loader takes.
    assert_eq!(
        node.entries()?,
        [
            format!(".acl_{second}+3.efi.new"),
            format!("acl_{first}.efi")
        ]
    );
    reset(&mut node)?;
    assert_eq!(node.running()?, first);
    site.gate.open();

    // 3. Just after it was armed. Nothing but the agent itself has made it durable.
    node.machine().ask("touch /var/lib/acl-test-hold; sync")?;
    node.stage()?;
    let console = node.machine().console().len();
    node.machine().reset()?;

    // 4. During its first boot.
    let kernel = "Linux version";
    node.machine().wait_for(console, kernel, BOOT)?;
    node.machine().wait_for(console, "systemd[1]", BOOT)?;
    node.machine().reset()?;
    node.machine().wait_for_boot(BOOT)?;
    assert_eq!(node.running()?, second);
    assert_eq!(
        node.entries()?,
        [format!("acl_{first}.efi"), format!("acl_{second}+1-2.efi")]
    );

    // 5. On trial, before it is committed.
    node.wait_for_state("on-trial", TRIAL)?;
    reset(&mut node)?;
    assert_eq!(node.running()?, second);
    node.machine().ask("rm /var/lib/acl-test-hold")?;
    let status = node.wait_for_state("committed|rolled-back", TRIAL)?;
    assert_eq!((status.state(), status.running()), ("committed", second));
    assert_eq!(
        node.entries()?,
        [format!("acl_{first}.efi"), format!("acl_{second}.efi")]
    );
    Ok(())
}

/// What changed in `/usr` is the eighth that is fetched, after the signature (2), the kernel image (3), and two lists.
fn hold_within_usr(gate: &Gate) {
    gate.set_rule(|path, before| {
        let blobs = before.iter().filter(|path| path.contains("/blobs/"));
        match path.contains("/blobs/") && blobs.count() == 7 {
            true => Action::Hold(3 << 20),
            false => Action::Pass,
        }
    });
}

/// The metadata is asked for once more after the slot was written.
fn hold_before_arming(gate: &Gate) {
    let seen = gate.paths().len();
    gate.set_rule(move |path, before| {
        let written = before
            .iter()
            .skip(seen)
            .any(|path| path.contains("/blobs/"));
        match written && path.ends_with("/timestamp.json") {
            true => Action::Hold(0),
            false => Action::Pass,
        }
    });
}

/// The command goes on while the machine is looked at.
fn begin_staging(node: &mut Node) -> anyhow::Result<()> {
    node.machine()
        .ask("systemd-run --quiet --collect aclctl stage")
        .map(|_| ())
}

fn reset(node: &mut Node) -> anyhow::Result<()> {
    node.machine().reset()?;
    node.machine().wait_for_boot(BOOT + Duration::from_secs(60))
}
