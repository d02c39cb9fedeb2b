//! Users and groups: Debian's fixed ones, then those that the packages declare in sysusers.d.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acl_host::tool::{Tool, Tools};

use crate::Error;

/// Writes `/etc/passwd`, `group`, `shadow` and `gshadow`.
pub(super) fn make(tree: &Path, tools: &Tools) -> Result<(), Error> {
    for name in ["passwd", "group"] {
        let master = tree.join(format!("usr/share/base-passwd/{name}.master"));
        let target = tree.join("etc").join(name);
        fs::copy(&master, &target).map_err(|source| Error::TreeLacks {
            path: master,
            needed_for: "the accounts of the image (package base-passwd)",
            source,
        })?;
    }
    tools
        .command(Tool::SystemdSysusers)
        .arg(format!("--root={}", tree.display()))
        .run()?;
    for name in ["shadow", "gshadow"] {
        readable_by_its_owner(&tree.join("etc").join(name))?;
    }
    for leftover in [".pwd.lock", "passwd-", "group-", "shadow-", "gshadow-"] {
        let path = tree.join("etc").join(leftover);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::ChangeTree { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// sysusers makes the shadow files with mode 0, which a builder that is not root could not read again.
fn readable_by_its_owner(path: &Path) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|source| Error::ChangeTree {
        path: path.to_owned(),
        source,
    })
}
