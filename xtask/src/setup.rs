//! The Debian packages that a fresh machine lacks.
//!
//! Few: QEMU, firmware, mkfs and all other tools come in the tools tree, which the image builder makes without root.

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

/// Installs what is missing; asks nothing.
pub(crate) fn run() -> Result<()> {
    Tools::host()
        .require(&Tool::AptGet)
        .context("this works on Debian 12 or newer")?;
    let missing = missing(Path::new("/"));
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

fn missing(root: &Path) -> Vec<&'static Need> {
    let there = |file: &&str| root.join(file.trim_start_matches('/')).exists();
    NEEDS
        .iter()
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
    use super::missing;

    #[test]
    fn one_of_the_files_is_enough() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            acl_host::file::scratch(path, b"").unwrap();
        };
        let names = || {
            missing(root.path())
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
