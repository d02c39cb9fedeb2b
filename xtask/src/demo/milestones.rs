//! What the console says, in words for a person.

use acl_tests::transcript::Watcher;

use crate::screen::note;

/// What the console says, and what it means. The first that fits is shown.
const MILESTONES: [(&str, &str); 8] = [
    (
        "BdsDxe: starting",
        "firmware: starts the boot loader, whose signature fits",
    ),
    (
        "EFI stub: UEFI Secure Boot is enabled",
        "kernel: Secure Boot is enforced, the kernel image's signature fits",
    ),
    ("Linux version", "kernel: starts"),
    ("Kernel panic", "kernel: panics"),
    (
        "Failed to start acl-health",
        "health: the checks did not pass",
    ),
    (
        "Mounted sysusr-usr.mount",
        "initrd: /usr is there, verified block by block as it is read",
    ),
    (
        "Reached target multi-user.target",
        "systemd: the machine is up",
    ),
    ("reboot: Restarting system", "kernel: the machine reboots"),
];

/// Shows the milestones as they come.
pub(super) fn watcher() -> Watcher {
    Box::new(|line| {
        if let Some(meaning) = meaning(&line.text) {
            note(format_args!("  {meaning}"));
        }
    })
}

fn meaning(text: &str) -> Option<&'static str> {
    MILESTONES
        .iter()
        .find(|(marker, _)| text.contains(marker))
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::meaning;

    #[test]
    fn lines_of_the_console_are_recognized() {
        let firmware = "BdsDxe: starting Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)";
        assert_eq!(
            meaning(firmware),
            Some("firmware: starts the boot loader, whose signature fits")
        );
        assert_eq!(meaning("[    0.1] ACPI: PM-Timer"), None);
    }
}
