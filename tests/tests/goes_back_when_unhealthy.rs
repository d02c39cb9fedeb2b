//! A release that boots but is not healthy goes back by itself, is remembered, and is not offered again until the
//! operator says so.

use acl_tests::journey;
use acl_tests::node::TRIAL;
use acl_tests::releases::Release;

#[test]
fn the_broken_release_is_left_and_remembered() -> anyhow::Result<()> {
    let (second, broken) = (Release::Second.version(), Release::Broken.version());
    let site = journey::site("unhealthy")?;
    site.repository().promote(Release::Broken)?;
    let mut node = journey::committed()?.boot("unhealthy", site.handover()?)?;
    node.stage()?;
    let _ = node.aclctl("apply");
    node.wait_until_running(broken, 1)?;
    node.wait_until_running(second, 1)?;

    let status = node.wait_for_state("rolled-back", TRIAL)?;
    assert_eq!(status.text("/state/from"), broken);
    assert!(
        status.text("/state/reason").contains("containerd"),
        "{}",
        status.0
    );
    assert_eq!(status.text("/refused/0/version"), broken);

    let explained = node.aclctl_ok("check --explain")?;
    assert!(explained.contains(broken), "{explained}");
    let after_check = node.status()?;
    assert!(
        after_check.0["decision"]["version"].is_null(),
        "{}",
        after_check.0
    );
    node.aclctl_ok("stage")?;
    let entries = node.entries()?;
    assert!(
        !entries.contains(&format!("acl_{broken}+3.efi")),
        "{entries:?}"
    );

    node.aclctl_ok("retry")?;
    node.aclctl_ok("check")?;
    let offered = node.status()?;
    assert_eq!(offered.text("/decision/version"), broken);
    Ok(())
}
