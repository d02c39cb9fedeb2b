//! The harness's own promise: firmware starts from what it is given and nothing else, and a failure shows the
//! console's end.

use std::fs::File;
use std::time::Duration;

use acl_tests::handover::Handover;
use acl_tests::machine::{Machine, Parts};
use acl_tests::{firmware, releases, workspace};

#[test]
fn an_empty_disk_fails_with_the_end_of_the_console() -> anyhow::Result<()> {
    let tools = workspace::tools()?;
    let directory = workspace::scratch("empty-disk")?;
    let disk = directory.join("disk.raw");
    File::create(&disk)?.set_len(64 << 20)?;
    let variables = directory.join("variables.fd");
    firmware::enrol(&tools, &releases::keys()?, &variables)?;
    let parts = Parts {
        name: "empty-disk".to_owned(),
        disk,
        extra: Vec::new(),
        variables,
        handover: Handover::default(),
        network: Vec::new(),
        hardware: Vec::new(),
        discard: Some(directory),
        watcher: None,
    };
    let machine = Machine::switch_on(&tools, parts)?;
    let nothing = "BdsDxe: No bootable option";
    machine.wait_for(0, nothing, Duration::from_secs(120))?;
    let error = machine.wait_for(0, "login:", Duration::ZERO).unwrap_err();
    let text = error.to_string();
    let begins =
        "empty-disk: no \"login:\" on the console: it did not come within the time given\n---";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains(nothing), "{text}");
    Ok(())
}
