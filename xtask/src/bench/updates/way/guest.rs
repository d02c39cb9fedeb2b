//! The machine that RAUC installs in. The build machine's kernel need not have what its streaming takes: nbd and
//! dm-verity. A kernel and an initrd, made by the image builder from Debian's packages; nothing else runs in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::file;
use acl_host::tool::{Tool, ToolCommand};
use acl_image::pe;
use acl_tests::accelerator::{Accelerator, firmware_directories};
use acl_tests::disk;
use acl_tests::releases::{self, Order};
use acl_tests::stamp::{Inputs, reuse};
use acl_tests::workspace::{self, Program};
use anyhow::{Context, Result, bail, ensure};

use crate::bench::updates::kit::{self, Kit};
use crate::bench::updates::pair::Sides;
use crate::bench::usage::Usage;

const VERSION: &str = "1";
/// The host, as the guest sees it over QEMU's user network.
const HOST: &str = "10.0.2.2";
/// An install takes three minutes by emulation on two busy processors.
const LIMIT: Duration = Duration::from_secs(1200);
/// Ticks of a second (USER_HZ of the kernel's interfaces).
const TICKS: f64 = 100.0;

/// What it boots.
#[derive(Debug)]
pub(super) struct Guest {
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Guest {
    /// Built when it is not there.
    pub(super) fn ready(kit: &Kit) -> Result<Self> {
        let directory = kit.directory.join("guest");
        let inputs = Inputs::default()
            .path(&kit::recipe("guest.toml"))?
            .path(&kit::recipe("guest"))?
            .path(&Program::Image.path()?)?;
        let guest = Self {
            kernel: directory.join("linux"),
            initrd: directory.join("initrd"),
        };
        reuse(&directory, &inputs, |out| {
            let built = out.join("built");
            Order {
                recipe: &kit::recipe("guest.toml"),
                version: VERSION,
                keys: &releases::keys()?,
                out: &built,
                cache: &workspace::cache()?,
                programs: &workspace::target()?.join("release"),
                without: None,
            }
            .run()?;
            let uki = built.join(format!("peers_{VERSION}.efi"));
            let uki = pe::Image::parse(file::read(uki)?).context("the guest's kernel image")?;
            for (section, to) in [(".linux", &guest.kernel), (".initrd", &guest.initrd)] {
                let content = uki.content(section);
                let content = content.with_context(|| format!("the guest has no {section}"))?;
                file::scratch(to, content)?;
            }
            Ok(std::fs::remove_dir_all(built)?)
        })?;
        Ok(guest)
    }

    /// Slot A and B of `/usr`, then of the kernel image; A holds the old release.
    pub(super) fn disks(&self, sides: &Sides, scratch: &Path) -> Result<[PathBuf; 4]> {
        let disks = ["usr.a", "usr.b", "uki.a", "uki.b"].map(|name| scratch.join(name));
        for (part, [a, b]) in [("usr", [0, 1]), ("uki", [2, 3])] {
            disk::copy(&sides.old.file(part)?, &disks[a])?;
            let room = sides.room(part)?;
            File::options().write(true).open(&disks[a])?.set_len(room)?;
            File::create(&disks[b])?.set_len(room)?;
        }
        Ok(disks)
    }

    /// Boots, installs what the server at `port` of the host's loopback has, and waits until the machine is off.
    pub(super) fn install(
        &self,
        kit: &Kit,
        disks: &[PathBuf; 4],
        port: u16,
        scratch: &Path,
    ) -> Result<Usage> {
        let _turn = workspace::turn("machine.lock")?;
        let console = scratch.join("console");
        let mut qemu = self
            .qemu(kit, disks, port)?
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .stderr(std::io::stderr())
            .spawn()?;
        let ended = qemu.wait(LIMIT)?;
        let said = String::from_utf8_lossy(&file::read(&console)?).into_owned();
        ensure!(
            ended.is_some(),
            "RAUC's machine does not end: {}",
            tail(&said)
        );
        read(&said)
    }

    fn qemu(&self, kit: &Kit, disks: &[PathBuf; 4], port: u16) -> Result<ToolCommand> {
        let tools = &kit.tools;
        let line = format!(
            "console=ttyS0 panic=-1 rdinit=/usr/libexec/install-bundle rauc.slot=usr.0 bench.site=http://{HOST}:{port}"
        );
        let mut command = tools
            .command(Tool::QemuSystem)
            .args(firmware_directories(tools))
            .args([
                "-machine",
                "q35",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(Accelerator::probe(tools)?.arguments())
            .args(["-smp", "2", "-m", "1024"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initrd)
            .args(["-append", &line])
            .args(["-netdev", "user,id=net"])
            .args(["-device", "virtio-net-pci,netdev=net"]);
        for (number, path) in disks.iter().enumerate() {
            let path = path.display();
            command = command
                .arg("-drive")
                .arg(format!(
                    "if=none,id=d{number},format=raw,cache=unsafe,file={path}"
                ))
                .arg("-device")
                .arg(format!("virtio-blk-pci,drive=d{number}"));
        }
        Ok(command)
    }
}

/// What the guest told of its install.
fn read(console: &str) -> Result<Usage> {
    let told = |what: &str| -> Result<Vec<f64>> {
        let line = console
            .lines()
            .find_map(|line| line.trim().strip_prefix("BENCH ")?.strip_prefix(what));
        let line =
            line.with_context(|| format!("RAUC's machine did not tell: {}", tail(console)))?;
        let numbers = line.split_whitespace().map(str::parse);
        numbers
            .collect::<Result<_, _>>()
            .with_context(|| format!("what RAUC's machine told of {what} is no numbers: {line}"))
    };
    if !console.lines().any(|line| line.trim() == "BENCH end ok") {
        bail!("RAUC did not install: {}", tail(console));
    }
    let (seconds, memory) = (told("seconds")?, told("memory")?);
    let (&[begin, end], &[peak]) = (&seconds[..], &memory[..]) else {
        bail!("RAUC's machine told too little: {}", tail(console));
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "kibibytes of one process"
    )]
    let peak = peak as u64 * 1024;
    Ok(Usage {
        seconds: end - begin,
        processor: told("ticks")?.iter().sum::<f64>() / TICKS,
        peak,
    })
}

fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::read;

    const TOLD: &str = "[ 1.0] kernel\r\nBENCH seconds 5.25 65.75\r\nBENCH ticks 100 50 20 30\r\nBENCH memory 18000\r\n";

    #[test]
    fn what_the_guest_tells() {
        let usage = read(&format!("{TOLD}BENCH end ok\r\n")).unwrap();
        assert_eq!(
            (usage.seconds, usage.processor, usage.peak),
            (60.5, 2.0, 18_432_000)
        );
    }

    #[test]
    fn an_install_that_did_not_end_well_is_no_measurement() {
        for end in [
            "",
            "BENCH end not installed\r\n",
            "BENCH end no module nbd\r\n",
        ] {
            let error = read(&format!("{TOLD}{end}")).unwrap_err();
            assert!(
                error.to_string().starts_with("RAUC did not install"),
                "{error}"
            );
        }
        let error = read("BENCH end ok\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "RAUC's machine did not tell: BENCH end ok"
        );
    }
}
