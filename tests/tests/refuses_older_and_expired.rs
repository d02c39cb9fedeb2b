//! An older state of the repository, offered as the newest, is refused; so is metadata that has expired.

use acl_tests::journey;
use acl_tests::releases::Release;
use acl_tests::repository::Repository;
use acl_tests::site::Site;
use acl_tests::workspace;

#[test]
fn time_does_not_run_backwards() -> anyhow::Result<()> {
    let place = workspace::scratch("older")?;
    let repository = Repository::of_all_releases(&place.join("now"))?;
    let older = repository.snapshot(&place.join("older"))?;
    repository.promote(Release::Broken)?;
    let expired = repository.snapshot(&place.join("expired"))?;
    expired.refresh(&["--timestamp-expires", "1s"])?;

    let mut site = Site::serve(repository)?;
    let mut node = journey::settled()?.boot("older", site.handover()?)?;
    let entries = node.entries()?;
    node.aclctl_ok("check")?;
    assert_eq!(
        node.status()?.text("/decision/version"),
        Release::Broken.version()
    );

    site.serve_instead(&older)?;
    let refused = node.aclctl("stage")?;
    assert_eq!(refused.status, 5, "{}", refused.text);
    assert!(refused.text.contains("timestamp"), "{}", refused.text);

    site.serve_instead(&expired)?;
    let refused = node.aclctl("stage")?;
    assert_eq!(refused.status, 5, "{}", refused.text);
    assert!(refused.text.contains("expired"), "{}", refused.text);
    assert_eq!(node.entries()?, entries);
    Ok(())
}
