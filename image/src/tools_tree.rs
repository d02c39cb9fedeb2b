//! The tools tree: the programs that a build uses, from Debian packages, so that they do not depend on the host.
//!
//! It is made once for a list of packages and kept; [`acl_host::tool::Tools::tree`] says how its programs run without
//! chroot and root.

use std::path::{Path, PathBuf};

use acl_host::tool::Tools;

use crate::Error;
use crate::archive::package::Package;
use crate::archive::store::Store;
use crate::digest;
use crate::step::compose;

/// The directory of the tools tree of `packages`, below `cache`; made if it is not there.
///
/// The packages must be in `store`.
///
/// # Errors
/// Those of unpacking, [`Error::MakeDirectory`].
pub fn directory(packages: &[Package], store: &Store, cache: &Path) -> Result<PathBuf, Error> {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.sha256.as_str())
        .collect();
    let key = digest::sha256(names.join("\n").as_bytes());
    let trees = cache.join("tools");
    let done = trees.join(&key[..16]);
    if acl_host::file::exists(&done)? {
        return Ok(done);
    }
    let fail = |source| Error::MakeDirectory {
        path: done.clone(),
        source,
    };
    std::fs::create_dir_all(&trees).map_err(fail)?;
    let new = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(&trees)
        .map_err(fail)?;
    compose::unpack(packages, store, new.path())?;
    match std::fs::rename(new.keep(), &done) {
        // Another build has made the same tree meanwhile.
        Err(_) if acl_host::file::exists(&done)? => Ok(done),
        Err(error) => Err(fail(error)),
        Ok(()) => Ok(done),
    }
}

/// The tools of `packages`, as [`directory`] makes them; the host's where a recipe names none.
///
/// # Errors
/// Those of [`directory`].
pub fn tools(packages: &[Package], store: &Store, cache: &Path) -> Result<Tools, Error> {
    match packages {
        [] => Ok(Tools::host()),
        packages => Ok(Tools::tree(
            std::path::absolute(directory(packages, store, cache)?).map_err(|source| {
                Error::MakeDirectory {
                    path: cache.to_owned(),
                    source,
                }
            })?,
        )),
    }
}
