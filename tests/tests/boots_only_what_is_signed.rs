//! A machine boots under Secure Boot that is enforced, from a verified `/usr`, and the kernel is locked down.

use acl_tests::credentials::Credentials;
use acl_tests::journey;

#[test]
fn every_link_is_verified() -> anyhow::Result<()> {
    let mut node = journey::settled()?.boot("verified", Credentials::default())?;
    let machine = node.machine();
    // The variable's value follows four bytes of attributes (UEFI 2.10, 3.3 and 8.2).
    let secure_boot = machine.ask("od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*")?;
    assert_eq!(secure_boot.trim(), "1");
    let lockdown = machine.ask("cat /sys/kernel/security/lockdown")?;
    assert!(lockdown.contains("[integrity]"), "{lockdown}");
    let source = machine.ask("findmnt -no SOURCE,FSTYPE,OPTIONS /usr")?;
    assert!(source.starts_with("/dev/mapper/usr erofs ro"), "{source}");
    let verity = machine.ask("dmsetup status usr")?;
    assert!(verity.trim_end().ends_with(" verity V"), "{verity}");
    let written = machine.run("touch /usr/x")?;
    assert_eq!(
        (written.status, written.text.as_str()),
        (1, "touch: cannot touch '/usr/x': Read-only file system")
    );
    Ok(())
}

#[test]
fn an_idle_machine_has_no_failed_units() -> anyhow::Result<()> {
    let mut node = journey::settled()?.boot("idle", Credentials::default())?;
    let state = node.machine().run("systemctl is-system-running --wait")?;
    if state.text != "running" {
        let error = anyhow::anyhow!("the machine is {}", state.text);
        return Err(node.explain(error));
    }
    Ok(())
}
