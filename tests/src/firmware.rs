//! The machine's firmware: OVMF that enforces Secure Boot, with the keys of a key directory enrolled.

use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};

const CODE: &str = "usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const EMPTY_VARIABLES: &str = "usr/share/OVMF/OVMF_VARS_4M.fd";

/// The firmware's code: the same for every machine.
pub fn code(tools: &Tools) -> PathBuf {
    tools.data(CODE)
}

/// Writes the firmware's variables to `out`: Secure Boot on, the platform and exchange keys of `keys`, and two
/// certificates in db: the one that boot files are signed with, and the one that root hashes are signed with, which
/// the kernel takes over into its platform keyring.
///
/// # Errors
/// When a key is missing or virt-fw-vars refuses it.
pub fn enrol(tools: &Tools, keys: &Path, out: &Path) -> Result<()> {
    let owner = file::read_to_string(keys.join("owner.guid"))?;
    let owner = owner.trim();
    let certificate = |name: &str| keys.join(format!("{name}.crt"));
    let mut command = tools
        .command(Tool::VirtFwVars)
        .arg("--input")
        .arg(tools.data(EMPTY_VARIABLES))
        .arg("--output")
        .arg(out);
    for (option, name) in [
        ("--set-pk", "pk"),
        ("--add-kek", "kek"),
        ("--add-db", "db"),
        ("--add-db", "verity"),
    ] {
        command = command.args([option, owner]).arg(certificate(name));
    }
    command
        .arg("--secure-boot")
        .run()
        .with_context(|| format!("cannot enrol the keys of {}", keys.display()))?;
    Ok(())
}
