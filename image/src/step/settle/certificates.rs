//! The bundle of certificate authorities that TLS clients read.

use std::fs;
use std::path::{Path, PathBuf};

use acl_host::file;

use crate::Error;

/// Writes `/etc/ssl/certs/ca-certificates.crt` from all of `/usr/share/ca-certificates`, sorted by path.
pub(super) fn bundle(tree: &Path) -> Result<(), Error> {
    let folder = tree.join("usr/share/ca-certificates");
    let mut certificates = Vec::new();
    if acl_host::file::exists(&folder)? {
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
        // Followed: a link may lead to a directory. What cannot be looked at may hold authorities.
        let there = fs::metadata(&path).map_err(|source| Error::ReadInput {
            path: path.clone(),
            source,
        })?;
        if there.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "crt") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::bundle;

    /// A link that leads to itself stands for a disk that fails: a bundle without authorities would go unnoticed.
    #[test]
    fn certificates_that_cannot_be_looked_at_are_an_error() {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join("usr/share/ca-certificates");
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("ca-certificates", &folder).unwrap();
        let display = |path: &std::path::Path| {
            format!(
                "cannot read {}: Too many levels of symbolic links (os error 40)",
                path.display()
            )
        };
        let error = bundle(tree.path()).unwrap_err();
        assert_eq!(acl_host::error::chain(&error), display(&folder));
        // Nor is a directory in it left out.
        std::fs::remove_file(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("mozilla", folder.join("mozilla")).unwrap();
        let error = bundle(tree.path()).unwrap_err();
        assert_eq!(
            acl_host::error::chain(&error),
            display(&folder.join("mozilla"))
        );
    }
}
