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
    commands_of_the_book_work(machine)?;
    a_host_key_that_was_lost_is_made_again(machine)?;
    the_agent_does_not_hold_the_esp(machine)?;
    sandboxes_leave_what_services_need(machine)?;
    a_stopped_agent_stays_stopped(machine)
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

/// What a power cut left of the keys of earlier releases: two empty files.
fn a_host_key_that_was_lost_is_made_again(machine: &mut Machine) -> anyhow::Result<()> {
    let key = "/etc/ssh/ssh_host_ed25519_key";
    let lost = format!(
        "cp {key}.pub /tmp/old && : > {key} && : > {key}.pub && systemctl restart ssh-host-keys"
    );
    machine.ask(&lost)?;
    let fits = format!(
        "ssh-keygen -y -f {key} | cut -d ' ' -f 1-2 > /tmp/new && grep -cFf /tmp/new {key}.pub /tmp/old"
    );
    let found = machine.run(&fits)?.text;
    assert_eq!(found, format!("{key}.pub:1\n/tmp/old:0"));
    assert_eq!(
        machine.ask("systemctl restart ssh && systemctl is-active ssh")?,
        "active"
    );
    Ok(())
}

/// The agent has mounts of its own. The EFI system partition goes from them with the machine's, and comes with it.
fn the_agent_does_not_hold_the_esp(machine: &mut Machine) -> anyhow::Result<()> {
    let seen = "grep -c ' - vfat ' /proc/$(systemctl show --property=MainPID --value acl-updated)/mountinfo";
    machine.ask("ls /boot/EFI/Linux && systemctl restart acl-updated && aclctl status")?;
    assert_eq!(machine.run(seen)?.text, "1");
    machine.ask("systemctl stop boot.mount")?;
    assert_eq!(machine.run(seen)?.text, "0");
    machine.ask("ls /boot/EFI/Linux")?;
    assert_eq!(machine.run(seen)?.text, "1");
    Ok(())
}

/// What no update is needed for: the checks, the book's own among them; going back, on a machine that is not on trial; the
/// ESP and the state as the agent sees them; a request to systemd, as a reboot is one, without any capability.
fn sandboxes_leave_what_services_need(machine: &mut Machine) -> anyhow::Result<()> {
    let health = "mkdir /var/lib/mydata && systemctl restart acl-health && \
                  grep -c '\"problem\": *null' /var/lib/acl/updater/health.json";
    let passed = machine.ask(health)?;
    let report = machine.ask("cat /var/lib/acl/updater/health.json")?;
    assert_eq!(passed, "3", "{report}");
    machine.ask("systemctl start acl-go-back")?;
    let inside =
        "nsenter --mount --target $(systemctl show --property=MainPID --value acl-updated)";
    for path in ["/boot/EFI/Linux/.x", "/var/lib/acl/updater/.x"] {
        machine.ask(&format!("{inside} touch {path} && rm {path}"))?;
    }
    for path in ["/etc/x", "/var/lib/x", "/home/x"] {
        let written = machine.run(&format!("{inside} touch {path}"))?;
        let refused = format!("touch: cannot touch '{path}': Read-only file system");
        assert_eq!((written.status, written.text), (1, refused));
    }
    machine.ask(
        "systemd-run --quiet --wait --property=CapabilityBoundingSet= --property=NoNewPrivileges=yes \
         systemctl start systemd-tmpfiles-clean.service",
    )?;
    Ok(())
}

/// Whoever asks for it on the bus does not start what an administrator stopped.
fn a_stopped_agent_stays_stopped(machine: &mut Machine) -> anyhow::Result<()> {
    machine.ask("systemctl stop acl-updated")?;
    assert_eq!(machine.run("aclctl status")?.status, 4);
    let state = machine.run("systemctl is-active acl-updated")?;
    assert_eq!(state.text, "inactive");
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
