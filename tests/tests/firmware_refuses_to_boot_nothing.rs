//! The harness's own first promise: firmware with Secure Boot starts, and a failure shows the console's end.

use std::fs::File;
use std::time::Duration;

use acl_tests::credentials::Credentials;
use acl_tests::machine::{Machine, Parts};
use acl_tests::{firmware, workspace};

#[test]
fn an_empty_disk_fails_with_the_end_of_the_console() -> anyhow::Result<()> {
    let tools = workspace::tools()?;
    let directory = workspace::scratch("empty-disk")?;
    let disk = directory.join("disk.raw");
    File::create(&disk)?.set_len(64 << 20)?;
    let variables = directory.join("variables.fd");
    firmware::enrol(&tools, &workspace::directory("keys")?, &variables)?;
    let machine = Machine::switch_on(
        &tools,
        Parts {
            name: "empty-disk".to_owned(),
            disk,
            variables,
            credentials: Credentials::default(),
            watcher: None,
        },
    )?;
    machine.wait_for(0, "BdsDxe: No bootable option", Duration::from_secs(60))?;
    let error = machine
        .wait_for(0, "login:", Duration::from_secs(1))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("empty-disk: no \"login:\" on the console: it did not come within"),
        "{text}"
    );
    assert!(text.contains("BdsDxe: No bootable option"), "{text}");
    Ok(())
}
