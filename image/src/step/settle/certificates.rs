//! The bundle of certificate authorities that TLS clients read.

use std::fs;
use std::path::{Path, PathBuf};

use acl_host::file;

use crate::Error;

/// Writes `/etc/ssl/certs/ca-certificates.crt` from all of `/usr/share/ca-certificates`, sorted by path.
pub(super) fn bundle(tree: &Path) -> Result<(), Error> {
    let folder = tree.join("usr/share/ca-certificates");
    let mut certificates = Vec::new();
    if folder.exists() {
        collect(&folder, &mut certificates)?;
    }
    certificates.sort();
    let mut bundle = Vec::new();
    for path in certificates {
        let pem = fs::read(&path).map_err(|source| Error::ReadInput {
            path: path.clone(),
            source,
        })?;
        bundle.extend_from_slice(&pem);
        if !pem.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    let target = tree.join("etc/ssl/certs/ca-certificates.crt");
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|source| Error::ChangeTree {
            path: parent.to_owned(),
            source,
        })?;
    }
    Ok(file::scratch(&target, &bundle)?)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let read_error = |source| Error::ReadInput {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "crt") {
            found.push(path);
        }
    }
    Ok(())
}
