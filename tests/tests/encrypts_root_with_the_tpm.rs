//! A recipe's ROOT is encrypted by the first boot, with a key that only this machine's TPM gives out.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::node::TRIAL;
use acl_tests::releases::Release;
use acl_tests::tpm::Tpm;
use acl_tests::workspace;

const SECRET: &str = "the tide turns at half past four";

#[test]
fn and_unlocked_by_it_alone() -> anyhow::Result<()> {
    let tools = workspace::tools()?;
    let scratch = workspace::scratch("encrypted")?;
    let fresh = Fresh::of(Release::Encrypted, "encrypted")?;
    let with = |name: &str| -> anyhow::Result<_> {
        let tpm = Tpm::start(&tools, &scratch.join(name))?;
        Ok((fresh.clone().with_hardware(tpm.hardware()), tpm))
    };
    for boot in ["first", "second"] {
        let (fresh, _tpm) = with("tpm")?;
        let mut node = fresh.boot(Handover::default())?;
        node.wait_for_state("idle", TRIAL)?;
        let machine = node.machine();
        assert_eq!(machine.ask("findmnt -no SOURCE /")?, "/dev/mapper/root");
        assert!(
            machine
                .ask("cryptsetup status root")?
                .contains("type:    LUKS2")
        );
        machine.ask(&format!("echo {SECRET} {boot} >> /var/secret; sync"))?;
        let lines = machine.ask("wc -l < /var/secret")?;
        assert_eq!(lines, if boot == "first" { "1" } else { "2" });
        node.shut_down()?;
    }
    // In clear there is what the image brought, and not what was written to ROOT.
    assert!(is_on(&fresh.disk, b"PRETTY_NAME=\"ACL")?);
    let told = is_on(&fresh.disk, SECRET.as_bytes())?;
    assert!(!told, "what is on ROOT can be read from the disk");

    // Another machine's TPM: it does not come up, and says why.
    let (other, _tpm) = with("another-tpm")?;
    // A ROOT that stays closed would be waited for 90 s.
    let impatient = Handover::default().kernel_arguments("systemd.default_device_timeout_sec=20");
    let machine = other.switch_on(impatient)?;
    let failed = "the initrd could not bring up the system";
    machine.wait_for(0, failed, Duration::from_secs(400))?;
    Ok(())
}

/// Whether `text` stands anywhere on a disk.
fn is_on(disk: &Path, text: &[u8]) -> anyhow::Result<bool> {
    let mut disk = File::open(disk)?;
    let mut held = Vec::new();
    loop {
        let read = (&mut disk).take(16 << 20).read_to_end(&mut held)?;
        if held.windows(text.len()).any(|part| part == text) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // It may begin in what was read and end in what comes.
        held.drain(..held.len().saturating_sub(text.len()));
    }
}
