//! A machine boots under Secure Boot that is enforced, from a verified `/usr`, the kernel is locked down, and no unit fails.

use std::fs;

use acl_host::signature::VeritySignature;
use acl_tests::handover::Handover;
use acl_tests::machine::{BOOT, Machine};
use acl_tests::releases::Release;
use acl_tests::{disk, journey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[test]
fn every_link_is_verified_and_no_unit_fails() -> anyhow::Result<()> {
    let mut node = journey::settled()?.boot("verified", Handover::default())?;
    let state = node.machine().run("systemctl is-system-running --wait")?;
    if state.text != "running" {
        let error = anyhow::anyhow!("the machine is {}", state.text);
        return Err(node.explain(error));
    }
    let machine = node.machine();
    let silent = "systemctl show --property=JobTimeoutUSec boot-complete.target";
    assert_eq!(machine.ask(silent)?, "JobTimeoutUSec=5min");
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
    // A login reads /etc/environment and the language. The journal is that of the first boot, too.
    machine.ask("su --command=true")?;
    let errors =
        machine.ask("journalctl --quiet --no-pager --output=short-monotonic --priority=err")?;
    assert_eq!(errors, "");
    commands_of_the_book_work(machine)
}

/// As operate.md has them, on a machine where nobody made a directory.
fn commands_of_the_book_work(machine: &mut Machine) -> anyhow::Result<()> {
    let check = "printf '#!/bin/sh\\nexec test -w /var/lib/mydata\\n' > /etc/acl/health.d/50-mydata && \
                 chmod +x /etc/acl/health.d/50-mydata && /etc/acl/health.d/50-mydata; echo $?";
    assert_eq!(machine.ask(check)?, "1");
    let setting = "echo 'check_interval = \"1h\"' > /etc/acl/updater.d/50-site.toml && ls -1 /etc/acl/updater.d";
    assert_eq!(machine.ask(setting)?, "50-site.toml\nREADME");
    Ok(())
}

#[test]
fn a_changed_boot_loader_is_not_started() -> anyhow::Result<()> {
    let fresh = journey::settled()?.copy("boot-loader")?;
    disk::flip_esp_file(&fresh.disk, "EFI/BOOT/BOOTX64.EFI")?;
    let machine = fresh.switch_on(Handover::default())?;
    machine.wait_for(0, "Access Denied", BOOT)?;
    machine.wait_for(0, "BdsDxe: No bootable option", BOOT)?;
    Ok(())
}

/// The hypervisor may append to the command line. Even so a `/usr` without the signature of its root hash is no `/usr`.
#[test]
fn the_kernel_refuses_a_root_hash_without_its_signature() -> anyhow::Result<()> {
    let other = STANDARD.encode(signature_of(Release::Second)?);
    let none = "systemd.verity_usr_options=panic-on-corruption".to_owned();
    // By the same key, and right in its form.
    let of_another = format!("{none},root-hash-signature=base64:{other}");
    for (name, options) in [("no-signature", none), ("other-signature", of_another)] {
        let fresh = journey::settled()?.copy(name)?;
        let machine = fresh.switch_on(Handover::default().kernel_arguments(&options))?;
        machine.wait_for(0, "verity: Root hash verification failed", BOOT)?;
        let given_up = "acl: the initrd could not bring up the system; rebooting";
        machine.wait_for(0, given_up, BOOT)?;
    }
    Ok(())
}

fn signature_of(release: Release) -> anyhow::Result<Vec<u8>> {
    let build = release.build()?;
    let name = format!("acl_{}.usr.verity-sig.json", build.version);
    let bytes = fs::read(build.directory.join(name))?;
    Ok(VeritySignature::parse(&bytes)?.signature)
}
