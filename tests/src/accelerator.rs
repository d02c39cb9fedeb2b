//! How guests are run: by KVM where it really works, else by emulation.
//!
//! `/dev/kvm` may be there and yet not run a guest, or not one with the system management mode that Secure Boot
//! needs; so a tiny guest is run to find out.

use std::sync::OnceLock;
use std::time::Duration;

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};

/// How guests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By emulation (TCG).
    Emulation,
}

/// A boot sector that writes 0x10 to QEMU's exit device: `mov al, 0x10; out 0xf4, al; jmp $`.
const GUEST: [u8; 6] = [0xb0, 0x10, 0xe6, 0xf4, 0xeb, 0xfe];
/// What QEMU makes of it: `(0x10 << 1) | 1`.
const GUEST_RAN: i32 = 33;

impl Accelerator {
    /// What works here; asked once.
    ///
    /// # Errors
    /// When the probe cannot be made.
    pub fn probe(tools: &Tools) -> Result<Self> {
        static FOUND: OnceLock<Accelerator> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(*found);
        }
        let found = if Self::Kvm.runs_a_guest(tools)? {
            Self::Kvm
        } else {
            Self::Emulation
        };
        Ok(*FOUND.get_or_init(|| found))
    }

    /// QEMU's arguments for it. The plain processor model is the fastest that was found for emulation.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Emulation => ["-accel", "tcg,thread=multi", "-cpu", "qemu64"],
        }
    }

    fn runs_a_guest(self, tools: &Tools) -> Result<bool> {
        let directory = tempfile::tempdir()?;
        let disk = directory.path().join("guest");
        // The firmware reads no disk that is smaller than a cylinder.
        let mut sectors = vec![0; 1 << 20];
        sectors[..GUEST.len()].copy_from_slice(&GUEST);
        sectors[510..512].copy_from_slice(&[0x55, 0xaa]);
        file::scratch(&disk, &sectors)?;
        let mut qemu = tools
            .command(Tool::QemuSystem)
            .args(firmware_directories(tools))
            .args(["-machine", "q35,smm=on", "-nodefaults", "-display", "none"])
            .args(self.arguments())
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
            .arg("-drive")
            .arg(format!("if=ide,format=raw,file={}", disk.display()))
            .spawn()
            .context("cannot start QEMU")?;
        let status = qemu.wait(Duration::from_secs(20))?;
        Ok(status.and_then(|status| status.code()) == Some(GUEST_RAN))
    }
}

/// QEMU's arguments that tell where its own firmware files are.
pub fn firmware_directories(tools: &Tools) -> Vec<std::ffi::OsString> {
    ["usr/share/qemu", "usr/share/seabios"]
        .into_iter()
        .flat_map(|directory| ["-L".into(), tools.data(directory).into()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Accelerator;
    use crate::workspace;

    /// Else a probe that never works would pass for a host without KVM.
    #[test]
    fn the_probe_runs_its_guest() {
        let tools = workspace::tools().unwrap();
        assert!(Accelerator::Emulation.runs_a_guest(&tools).unwrap());
    }
}
