//! Where private keys may lie: outside of every git work tree, whose files end up in commits.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::environment::variable;
use crate::error::{Error, Result};

/// The directory for keys that nobody named: `acl/<name>` in `XDG_DATA_HOME`, else in `~/.local/share` (XDG Base
/// Directory Specification 0.8).
///
/// # Errors
/// [`Error::NoDataDirectory`] when neither `XDG_DATA_HOME` nor `HOME` is set.
pub fn usual_directory(name: &str) -> Result<PathBuf> {
    let data = data_directory(variable("XDG_DATA_HOME"), variable("HOME"));
    Ok(data.ok_or(Error::NoDataDirectory)?.join("acl").join(name))
}

/// Refuses a directory for private keys that lies in a git work tree, whether it exists already or not.
///
/// Whether git ignores the directory does not count: one changed line of `.gitignore` later it does not.
///
/// # Errors
/// [`Error::KeysInWorkTree`]; [`Error::ReadFile`] when that cannot be found out.
pub fn refuse_work_tree(directory: &Path) -> Result<()> {
    let resolved = resolve(directory)?;
    for above in resolved.ancestors() {
        // A file in work trees that `git worktree add` made, and in submodules.
        let git = above.join(".git");
        let found = git.try_exists().or_else(|error| match error.kind() {
            io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        });
        if found.map_err(|source| Error::ReadFile { path: git, source })? {
            return Err(Error::KeysInWorkTree {
                path: directory.to_owned(),
                work_tree: above.to_owned(),
            });
        }
    }
    Ok(())
}

/// The absolute path without symbolic links; what does not exist yet is taken as it is written.
///
/// # Errors
/// [`Error::ReadFile`].
pub fn resolve(path: &Path) -> Result<PathBuf> {
    let failed = |source| Error::ReadFile {
        path: path.to_owned(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut missing = Vec::new();
    for existing in absolute.ancestors() {
        match existing.canonicalize() {
            Ok(mut resolved) => {
                for part in missing.into_iter().rev() {
                    match part {
                        Component::ParentDir => drop(resolved.pop()),
                        part => resolved.push(part),
                    }
                }
                return Ok(resolved);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.extend(existing.components().next_back());
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(absolute)
}

/// A relative path in `XDG_DATA_HOME` is ignored, as the specification says.
fn data_directory(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| Some(PathBuf::from(home?).join(".local/share")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_data_directory() {
        let path = |text: &str| Some(OsString::from(text));
        for (xdg, home, expected) in [
            (path("/data"), path("/home/a"), Some("/data")),
            (path("data"), path("/home/a"), Some("/home/a/.local/share")),
            (None, path("/home/a"), Some("/home/a/.local/share")),
            (None, None, None),
        ] {
            assert_eq!(data_directory(xdg, home), expected.map(PathBuf::from));
        }
    }

    #[test]
    fn keys_in_a_work_tree_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("checkout/.git")).unwrap();
        std::fs::create_dir_all(at("checkout/target")).unwrap();
        std::fs::create_dir_all(at("outside")).unwrap();
        symlink(at("checkout/target"), at("link")).unwrap();
        symlink(at("outside"), at("checkout/out")).unwrap();
        let checkout = at("checkout").canonicalize().unwrap();
        for inside in [
            "checkout",
            "checkout/target/new/keys",
            "link/keys",
            "outside/new/../../checkout/keys",
        ] {
            let path = at(inside);
            let expected = format!(
                "{} lies in the git work tree {}, from where private keys get into commits: choose a directory outside \
                 of it, or say --in-work-tree",
                path.display(),
                checkout.display()
            );
            let refused = refuse_work_tree(&path).unwrap_err();
            assert_eq!(refused.to_string(), expected);
            assert_eq!(refused.who(), crate::Who::Operator);
        }
        for outside in ["outside", "outside/new/keys", "checkout/out/keys", "new"] {
            refuse_work_tree(&at(outside)).unwrap();
        }
    }

    #[test]
    fn a_work_tree_with_a_file_for_its_repository_is_one() {
        let dir = tempfile::tempdir().unwrap();
        crate::file::scratch(dir.path().join(".git"), b"gitdir: elsewhere").unwrap();
        let refused = refuse_work_tree(&dir.path().join("keys")).unwrap_err();
        assert!(matches!(refused, Error::KeysInWorkTree { .. }), "{refused}");
    }
}
