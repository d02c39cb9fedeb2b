//! The files of an initrd, collected by path and written as one reproducible cpio archive.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::Error;

const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

/// A file, its type and mode as in `st_mode`, and what it holds (for a link: where it leads).
#[derive(Debug)]
struct Node {
    mode: u32,
    content: Vec<u8>,
}

/// Files by path; a later file replaces an earlier one, and folders on the way are made.
#[derive(Debug, Default)]
pub(super) struct Archive {
    nodes: BTreeMap<PathBuf, Node>,
}

impl Archive {
    pub(super) fn folder(&mut self, path: &Path) {
        for ancestor in path
            .ancestors()
            .filter(|ancestor| !ancestor.as_os_str().is_empty())
        {
            self.nodes.entry(ancestor.to_owned()).or_insert(Node {
                mode: FOLDER,
                content: Vec::new(),
            });
        }
    }

    pub(super) fn link(&mut self, path: &Path, target: &Path) {
        self.put(path, LINK, target.as_os_str().as_encoded_bytes().to_vec());
    }

    pub(super) fn bytes(&mut self, path: &Path, content: Vec<u8>) {
        self.put(path, FILE | 0o644, content);
    }

    /// Adds `path` of `tree`, and, where it is a link, everything that it leads to.
    ///
    /// # Errors
    /// When the tree has no such file.
    pub(super) fn add(&mut self, tree: &Path, path: &Path) -> Result<(), Error> {
        if self.nodes.contains_key(path) {
            return Ok(());
        }
        let source = tree.join(path);
        let metadata = fs::symlink_metadata(&source).map_err(lacks(&source))?;
        if metadata.is_symlink() {
            let target = fs::read_link(&source).map_err(lacks(&source))?;
            self.link(path, &target);
            return self.add(tree, &resolve(path, &target));
        }
        self.copy(tree, path, path)
    }

    /// Adds the file `from` of `tree` as `to`.
    ///
    /// # Errors
    /// When the tree has no such file.
    pub(super) fn copy(&mut self, tree: &Path, from: &Path, to: &Path) -> Result<(), Error> {
        let source = tree.join(from);
        let mode = fs::metadata(&source)
            .map_err(lacks(&source))?
            .permissions()
            .mode()
            & 0o755;
        let content = fs::read(&source).map_err(lacks(&source))?;
        self.put(to, FILE | mode, content);
        Ok(())
    }

    /// Adds everything below `folder`, links as links.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn overlay(&mut self, folder: &Path) -> Result<(), Error> {
        self.overlay_at(folder, Path::new(""))
    }

    fn overlay_at(&mut self, root: &Path, path: &Path) -> Result<(), Error> {
        let folder = root.join(path);
        for entry in fs::read_dir(&folder).map_err(lacks(&folder))? {
            let entry = entry.map_err(lacks(&folder))?;
            let path = path.join(entry.file_name());
            let kind = entry.file_type().map_err(lacks(&folder))?;
            if kind.is_dir() {
                self.folder(&path);
                self.overlay_at(root, &path)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(lacks(&folder))?;
                self.link(&path, &target);
            } else {
                self.copy(root, &path, &path)?;
            }
        }
        Ok(())
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.nodes.contains_key(path)
    }

    fn put(&mut self, path: &Path, mode: u32, content: Vec<u8>) {
        if let Some(parent) = path.parent() {
            self.folder(parent);
        }
        self.nodes.insert(path.to_owned(), Node { mode, content });
    }

    /// The archive in the kernel's newc format (Documentation/driver-api/early-userspace/buffer-format.rst).
    ///
    /// # Errors
    /// When a file is larger than the format's 4 GiB.
    pub(super) fn write(&self) -> Result<Vec<u8>, Error> {
        let mut archive = Vec::new();
        for (number, (path, node)) in (1u32..).zip(&self.nodes) {
            let name = path.to_string_lossy();
            let size = u32::try_from(node.content.len()).map_err(|_too_large| {
                Error::InitrdFileTooLarge {
                    path: path.clone(),
                    size: node.content.len(),
                }
            })?;
            let mut writer = cpio::newc::Builder::new(&name)
                .ino(number)
                .mode(node.mode)
                .nlink(1)
                .write(archive, size);
            std::io::Write::write_all(&mut writer, &node.content)
                .map_err(|source| Error::CompressInitrd { source })?;
            archive = writer
                .finish()
                .map_err(|source| Error::CompressInitrd { source })?;
        }
        cpio::newc::trailer(archive).map_err(|source| Error::CompressInitrd { source })
    }
}

fn lacks(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::TreeLacks {
        path,
        needed_for: "the initrd (see [initrd] in the recipe)",
        source,
    }
}

/// Where `target`, the content of the link `path`, leads; relative to the tree, with the merged `/usr` followed.
fn resolve(path: &Path, target: &Path) -> PathBuf {
    let mut resolved = if target.is_absolute() {
        PathBuf::new()
    } else {
        path.parent().unwrap_or(Path::new("")).to_owned()
    };
    for component in target.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if ["bin", "lib", "lib64", "sbin"]
        .iter()
        .any(|merged| resolved.starts_with(merged))
    {
        return Path::new("usr").join(resolved);
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_links_inside_the_tree() {
        for (path, target, expected) in [
            ("usr/lib/libz.so.1", "libz.so.1.3", "usr/lib/libz.so.1.3"),
            ("usr/lib64/ld.so", "../lib/x/ld.so", "usr/lib/x/ld.so"),
            ("usr/bin/a", "/lib/b", "usr/lib/b"),
            ("usr/bin/a", "/usr/bin/c", "usr/bin/c"),
            ("a", "../../../etc/passwd", "etc/passwd"),
        ] {
            assert_eq!(
                resolve(Path::new(path), Path::new(target)),
                Path::new(expected),
                "{path} -> {target}"
            );
        }
    }

    #[test]
    fn same_files_in_any_order_give_the_same_bytes() {
        let mut one = Archive::default();
        one.bytes(Path::new("b/c"), b"1".to_vec());
        one.link(Path::new("a"), Path::new("b"));
        let mut other = Archive::default();
        other.link(Path::new("a"), Path::new("b"));
        other.bytes(Path::new("b/c"), b"1".to_vec());
        assert_eq!(one.write().unwrap(), other.write().unwrap());
    }
}
