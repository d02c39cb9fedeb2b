//! Which units are enabled: systemd's presets, applied once, in the build.

use std::path::Path;

use acl_host::tool::{Tool, Tools};

use crate::Error;

/// Applies the presets of the tree, so that a new release changes what is enabled where the machine did not.
pub(super) fn preset(tree: &Path, tools: &Tools) -> Result<(), Error> {
    tools
        .command(Tool::Systemctl)
        .arg(format!("--root={}", tree.display()))
        .arg("preset-all")
        .run()?;
    Ok(())
}
