//! A machine takes the next release over HTTP, proves it and commits it.

use acl_tests::journey;
use acl_tests::releases::Release;
use serde_json::Value;

#[test]
fn the_second_release_is_staged_booted_and_committed() -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let settled = journey::settled()?.status;
    assert_eq!((settled.state(), settled.running()), ("idle", first));

    let armed = journey::armed()?.status;
    assert_eq!((armed.state(), armed.running()), ("armed", first));
    assert_eq!(armed.text("/state/version"), second);

    let committed = journey::committed()?.status;
    assert_eq!(
        (committed.state(), committed.running()),
        ("committed", second)
    );
    let update = committed.last_update();
    assert_eq!(
        [&update["outcome"], &update["from"], &update["to"]],
        ["committed", first, second]
    );
    // Of some 170 MB; how few they are is measured by `cargo xtask bench updates`.
    let fetched = update["bytes_fetched"].as_u64().unwrap_or_default();
    assert!((1 << 20..40_000_000).contains(&fetched), "{update}");
    assert!(kernel_changed(update), "{update}");
    Ok(())
}

/// The security updates of every month so far held a kernel.
fn kernel_changed(update: &Value) -> bool {
    let packages = update["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| package["name"].as_str())
        .any(|name| name.starts_with("linux-image-"))
}
