//! The Debian packages that a fresh machine lacks.
//!
//! Few: QEMU, firmware, mkfs and all other tools of the builder come in the tools tree, which it makes without root. The
//! tests want more: they let the first boot make file systems with the programs of the host.

use std::path::Path;

use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result, bail};

use crate::screen::say;

/// A package, why it is needed, and files of which one tells that it is there.
struct Need {
    package: &'static str,
    why: &'static str,
    files: &'static [&'static str],
}

/// What everything needs.
const NEEDS: [Need; 4] = [
    Need {
        package: "gcc",
        why: "compiles the C parts of ring, zstd and liblzma, and links",
        files: &["/usr/bin/cc"],
    },
    Need {
        package: "libc6-dev",
        why: "headers for the same",
        files: &["/usr/include/stdlib.h"],
    },
    Need {
        package: "debian-archive-keyring",
        why: "keys that Debian trixie is signed with (version 2023.3+deb12u2 or newer)",
        files: &[
            "/usr/share/keyrings/debian-archive-trixie-automatic.gpg",
            "/usr/share/keyrings/debian-archive-trixie-automatic.pgp",
        ],
    },
    Need {
        package: "gpgv",
        why: "checks those signatures for apt-get",
        files: &["/usr/bin/gpgv", "/usr/bin/sqv"],
    },
];

const MAKES: &str = "tests: the first boot makes its file systems, volumes and tables on files";

/// What the tests need beside that.
const TEST_NEEDS: [Need; 15] = [
    Need {
        package: "btrfs-progs",
        why: MAKES,
        files: &[
            "/usr/bin/mkfs.btrfs",
            "/usr/sbin/mkfs.btrfs",
            "/sbin/mkfs.btrfs",
        ],
    },
    Need {
        package: "cryptsetup-bin",
        why: MAKES,
        files: &["/usr/sbin/cryptsetup", "/sbin/cryptsetup"],
    },
    Need {
        package: "dbus-daemon",
        why: "tests: a bus of their own for aclctl, the agent and a stand-in for polkit",
        files: &["/usr/bin/dbus-daemon", "/bin/dbus-daemon"],
    },
    Need {
        package: "dosfstools",
        why: MAKES,
        files: &["/usr/sbin/mkfs.vfat", "/sbin/mkfs.vfat"],
    },
    Need {
        package: "e2fsprogs",
        why: MAKES,
        files: &["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"],
    },
    Need {
        package: "fdisk",
        why: "tests: reads partition tables that we wrote",
        files: &["/usr/sbin/sfdisk", "/sbin/sfdisk"],
    },
    Need {
        package: "fuse3",
        why: "tests: an ordinary user mounts the disks of simulated power cuts",
        files: &["/usr/bin/fusermount3", "/bin/fusermount3"],
    },
    Need {
        package: "gdisk",
        why: "tests: reads partition tables that we wrote",
        files: &["/usr/sbin/sgdisk", "/sbin/sgdisk"],
    },
    Need {
        package: "openssh-client",
        why: "tests: ssh-keygen reads keys of configs, and makes host keys",
        files: &["/usr/bin/ssh-keygen"],
    },
    Need {
        package: "qemu-utils",
        why: "tests: reads disk images that we wrote",
        files: &["/usr/bin/qemu-img"],
    },
    Need {
        package: "sbsigntool",
        why: "tests: reads signatures that we made",
        files: &["/usr/bin/sbverify"],
    },
    Need {
        package: "strace",
        why: "tests: what is durable before what, by the system calls",
        files: &["/usr/bin/strace"],
    },
    Need {
        package: "systemd",
        why: "tests: what systemctl enables, the first boot enables",
        files: &["/usr/bin/systemctl", "/bin/systemctl"],
    },
    Need {
        package: "uidmap",
        why: "tests: an ordinary user gives files to others, in a user namespace",
        files: &["/usr/bin/newuidmap"],
    },
    Need {
        package: "xfsprogs",
        why: MAKES,
        files: &["/usr/sbin/mkfs.xfs", "/sbin/mkfs.xfs"],
    },
];

/// Installs what is missing for the image and the demo; asks nothing.
pub(crate) fn run() -> Result<()> {
    install(&NEEDS.iter().collect::<Vec<_>>())
}

/// Installs what is missing for the tests, too; asks nothing.
pub(crate) fn run_for_tests() -> Result<()> {
    install(&NEEDS.iter().chain(&TEST_NEEDS).collect::<Vec<_>>())
}

fn install(needs: &[&'static Need]) -> Result<()> {
    Tools::host()
        .require(&Tool::AptGet)
        .context("this works on Debian 12 or newer")?;
    let missing = missing(needs, Path::new("/"));
    if missing.is_empty() {
        say(format_args!(
            "setup: every Debian package that is needed is there"
        ));
        return Ok(());
    }
    say(format_args!(
        "setup: these Debian packages are missing and will be installed:"
    ));
    for need in &missing {
        say(format_args!("  {:24} {}", need.package, need.why));
    }
    let packages = missing.iter().map(|need| need.package);
    as_root(["update"].into_iter())?;
    as_root(
        ["install", "--yes", "--no-install-recommends"]
            .into_iter()
            .chain(packages),
    )
}

fn missing(needs: &[&'static Need], root: &Path) -> Vec<&'static Need> {
    // What cannot be looked at is as good as missing: apt-get then says what is wrong with it.
    let there = |file: &&str| {
        let path = root.join(file.trim_start_matches('/'));
        matches!(path.try_exists(), Ok(true))
    };
    needs
        .iter()
        .copied()
        .filter(|need| !need.files.iter().any(there))
        .collect()
}

fn as_root<'a>(arguments: impl Iterator<Item = &'a str>) -> Result<()> {
    let tools = Tools::host();
    let root = tools.command(Tool::Id).arg("-u").run()? == b"0\n";
    let command = if root {
        tools.command(Tool::AptGet)
    } else if tools.require(&Tool::Sudo).is_ok() {
        tools.command(Tool::Sudo).arg("apt-get")
    } else {
        bail!("installing packages takes root: run this as root, or install sudo");
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // sudo may ask for a password.
        .stdin(std::process::Stdio::inherit())
        .stdout(std::io::stdout())
        .stderr(std::io::stderr())
        .run()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NEEDS, missing};

    #[test]
    fn one_of_the_files_is_enough() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            acl_host::file::scratch(path, b"").unwrap();
        };
        let names = || {
            missing(&NEEDS.iter().collect::<Vec<_>>(), root.path())
                .iter()
                .map(|need| need.package)
                .collect::<Vec<_>>()
        };
        let all = ["gcc", "libc6-dev", "debian-archive-keyring", "gpgv"];
        assert_eq!(names(), all);
        make("usr/bin/cc");
        make("usr/share/keyrings/debian-archive-trixie-automatic.pgp");
        make("usr/bin/sqv");
        assert_eq!(names(), ["libc6-dev"]);
    }
}
