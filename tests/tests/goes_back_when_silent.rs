//! A release on trial that never comes as far as its health checks is left all the same.

use acl_tests::handover::Handover;
use acl_tests::journey;
use acl_tests::node::TRIAL;
use acl_tests::releases::Release;

/// A file system that cannot be mounted, and without which the system is not up.
const BROKEN: &str = "Before=local-fs.target\n\
                      [Mount]\nWhat=nothing\nWhere=/var/broken\nType=nosuchfs\n";
const NEEDS_BROKEN: &str = "[Unit]\nRequires=var-broken.mount\nAfter=var-broken.mount\n";

/// What the trial waits for never comes to an end.
const ENDLESS: &str = "Before=boot-complete.target\n\
                       [Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/usr/bin/sleep infinity\n";
/// The image waits for five minutes, the test for one.
const NEEDS_ENDLESS: &str =
    "[Unit]\nRequires=endless.service\nAfter=endless.service\nJobTimeoutSec=1min\n";

/// Units that come by credentials are in the initrd as well; those of the config are not.
const IN_THE_INITRD: &str = "ConditionPathExists=/etc/initrd-release";
const ANYWHERE: &str = "";

#[test]
fn a_system_that_cannot_mount_its_disks_is_left_after_one_try() -> anyhow::Result<()> {
    let handover = Handover::default()
        .unit("var-broken.mount", &unit(ANYWHERE, BROKEN))
        .drop_in("local-fs.target", NEEDS_BROKEN);
    left("no-mount", handover, (1, "once"))
}

#[test]
fn an_initrd_that_cannot_bring_up_the_system_is_left_after_three() -> anyhow::Result<()> {
    let handover = Handover::default()
        .credential_unit("var-broken.mount", &unit(IN_THE_INITRD, BROKEN))
        .credential_drop_in("local-fs.target", NEEDS_BROKEN);
    left("no-initrd", handover, (3, "3 times"))
}

#[test]
fn a_trial_without_an_end_is_left_after_one_try() -> anyhow::Result<()> {
    let handover = Handover::default()
        .unit("endless.service", &unit(ANYWHERE, ENDLESS))
        .drop_in("boot-complete.target", NEEDS_ENDLESS);
    left("endless", handover, (1, "once"))
}

/// A unit for the second release only: the first has to come up.
fn unit(condition: &str, rest: &str) -> String {
    let version = Release::Second.version();
    format!("[Unit]\nConditionOSRelease=IMAGE_VERSION={version}\n{condition}\n{rest}")
}

/// Boots the armed release with `handover`: it has to be left after so many tries.
fn left(name: &str, handover: Handover, (tries, told): (u32, &str)) -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let mut node = journey::armed()?.boot(name, handover)?;
    if node.running()? == second {
        // The shell had come up before the release was left.
        node.wait_until_running(first, 1)?;
    }
    let status = node.wait_for_state("rolled-back", TRIAL)?;
    assert_eq!(status.running(), first);
    assert_eq!(
        status.text("/refused/0/reason"),
        format!("it was tried {told} and never came up to say that it is healthy")
    );
    let marked = format!("acl_{second}+0-{tries}.efi");
    assert_eq!(node.entries()?, [format!("acl_{first}.efi"), marked]);
    Ok(())
}
