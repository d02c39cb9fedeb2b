//! A tree that packages are unpacked into. Nothing is ever written outside of it, whatever an archive holds.
//!
//! Owners are not kept (everything is root's once it is in an image), modes are. Symbolic links in the middle of a path are
//! followed inside the tree, as dpkg does; a link's target `/x` is `x` in the tree.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

/// More links than this in one path are a circle.
const LINKS: usize = 40;
/// Directories that are links into `/usr` in Debian since trixie; some packages still name the old places.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// A tree under construction.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// Directories that are known to be real ones, relative to the root.
    directories: HashSet<PathBuf>,
    /// Which package each file came from.
    owners: HashMap<PathBuf, String>,
}

impl Tree {
    /// The tree at `root`, an empty directory.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            directories: HashSet::new(),
            owners: HashMap::new(),
        }
    }

    /// Unpacks the entries of `tar` for which `wanted` is true.
    ///
    /// Returns the wanted paths that were unpacked.
    ///
    /// # Errors
    /// What is wrong, and with which path.
    pub fn unpack(
        &mut self,
        package: &str,
        tar: &[u8],
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<Vec<PathBuf>, String> {
        let mut archive = tar::Archive::new(tar);
        let mut done = Vec::new();
        for entry in archive.entries().map_err(|error| error.to_string())? {
            let mut entry = entry.map_err(|error| error.to_string())?;
            let path = entry
                .path()
                .map_err(|error| error.to_string())?
                .into_owned();
            let path = plain(&path)
                .ok_or_else(|| format!("the path {} leaves the tree", path.display()))?;
            let directory = entry.header().entry_type() == EntryType::Directory;
            if directory && MERGED.iter().any(|name| path == Path::new(name)) {
                // Its place is a link, which the package base-files brings.
                continue;
            }
            if path.as_os_str().is_empty() || !wanted(&path) {
                continue;
            }
            let fail = |error: io::Error| format!("{}: {error}", path.display());
            self.put(package, &merged(&path), &mut entry)
                .map_err(fail)?;
            done.push(path);
        }
        Ok(done)
    }

    fn put(
        &mut self,
        package: &str,
        path: &Path,
        entry: &mut tar::Entry<'_, &[u8]>,
    ) -> io::Result<()> {
        let parent = self.directory(path.parent().unwrap_or(Path::new("")))?;
        let relative = parent.join(
            path.file_name()
                .ok_or_else(|| io::Error::other("it has no name"))?,
        );
        let place = self.root.join(&relative);
        let mode = entry.header().mode()? & 0o7777;
        if entry.header().entry_type() == EntryType::Directory {
            return self.put_directory(&relative, &place, mode);
        }
        self.own(package, &relative)?;
        match entry.header().entry_type() {
            EntryType::Regular => put_file(&place, mode, entry),
            EntryType::Symlink => {
                let target = entry
                    .link_name()?
                    .ok_or_else(|| io::Error::other("a link without a target"))?;
                symlink(target, &place)
            }
            EntryType::Link => {
                let target = entry
                    .link_name()?
                    .ok_or_else(|| io::Error::other("a link without a target"))?;
                self.put_hard_link(&target, &place)
            }
            other => Err(io::Error::other(format!(
                "entries of the type {other:?} do not belong into an image"
            ))),
        }
    }

    fn put_directory(&mut self, relative: &Path, place: &Path, mode: u32) -> io::Result<()> {
        match fs::symlink_metadata(place) {
            // Another package brought it; or it is a link that the merged /usr has in its place.
            Ok(there) if there.is_dir() || there.is_symlink() => return Ok(()),
            Ok(_) => {
                return Err(io::Error::other(
                    "a file stands where a directory should be",
                ));
            }
            Err(_) => fs::create_dir(place)?,
        }
        self.directories.insert(relative.to_owned());
        fs::set_permissions(place, fs::Permissions::from_mode(mode | 0o700))
    }

    fn put_hard_link(&mut self, target: &Path, place: &Path) -> io::Result<()> {
        let target =
            plain(target).ok_or_else(|| io::Error::other("a link to outside of the tree"))?;
        let target = merged(&target);
        let parent = self.directory(target.parent().unwrap_or(Path::new("")))?;
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::other("a link without a target"))?;
        let target = self.root.join(parent).join(name);
        if !fs::symlink_metadata(&target)?.is_file() {
            return Err(io::Error::other("a hard link to something that is no file"));
        }
        fs::hard_link(target, place)
    }

    /// Notes that `package` brings `path`; two packages with the same file cannot both be right.
    fn own(&mut self, package: &str, path: &Path) -> io::Result<()> {
        match self.owners.insert(path.to_owned(), package.to_owned()) {
            None => Ok(()),
            Some(first) => Err(io::Error::other(format!(
                "the package {first} brought it already"
            ))),
        }
    }

    /// The real directory for `path`, made where it is missing; links on the way are followed inside the tree.
    fn directory(&mut self, path: &Path) -> io::Result<PathBuf> {
        if self.directories.contains(path) {
            return Ok(path.to_owned());
        }
        let mut left: VecDeque<OsString> = path
            .components()
            .map(|part| part.as_os_str().to_owned())
            .collect();
        let mut real = PathBuf::new();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                if !real.pop() {
                    return Err(io::Error::other("a link on the way leaves the tree"));
                }
                continue;
            }
            let next = real.join(&name);
            if self.directories.contains(&next) {
                real = next;
                continue;
            }
            let place = self.root.join(&next);
            match fs::symlink_metadata(&place) {
                Ok(there) if there.is_symlink() => {
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::other("links on the way go in a circle"));
                    }
                    let target = fs::read_link(&place)?;
                    if target.is_absolute() {
                        real = PathBuf::new();
                    }
                    let names = target
                        .components()
                        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
                    for name in names.rev() {
                        left.push_front(name.as_os_str().to_owned());
                    }
                    continue;
                }
                Ok(there) if there.is_dir() => {}
                Ok(_) => {
                    return Err(io::Error::other(
                        "a file stands where a directory should be",
                    ));
                }
                Err(_) => fs::create_dir(&place)?,
            }
            self.directories.insert(next.clone());
            real = next;
        }
        Ok(real)
    }
}

fn put_file(place: &Path, mode: u32, content: &mut impl Read) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)?;
    io::copy(content, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// `./usr/bin/x` and `/usr/bin/x` as `usr/bin/x`; `None` for a path with `..`.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// The place in the merged `/usr` for what is below `bin`, `lib`, `lib64` or `sbin`.
fn merged(path: &Path) -> PathBuf {
    let mut parts = path.components();
    let first = parts.next();
    let below = parts.as_path();
    let aliased = first.is_some_and(|first| MERGED.iter().any(|name| first.as_os_str() == *name));
    match aliased && !below.as_os_str().is_empty() {
        true => Path::new("usr").join(path),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, merged, plain};
    use std::path::{Path, PathBuf};
    use tar::{Builder, EntryType, Header};

    #[test]
    fn paths() {
        assert_eq!(
            plain(Path::new("./usr/bin/x")),
            Some(PathBuf::from("usr/bin/x"))
        );
        assert_eq!(plain(Path::new("/usr")), Some(PathBuf::from("usr")));
        assert_eq!(plain(Path::new("./")), Some(PathBuf::new()));
        assert_eq!(plain(Path::new("usr/../../x")), None);
        assert_eq!(
            merged(Path::new("lib/modules/x")),
            Path::new("usr/lib/modules/x")
        );
        assert_eq!(merged(Path::new("lib")), Path::new("lib"));
        assert_eq!(merged(Path::new("libx/y")), Path::new("libx/y"));
    }

    /// Type, path (written as it is, however bad), link target or content.
    type Entry<'a> = (EntryType, &'a str, &'a str);

    fn tar_of(entries: &[Entry]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, text) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            let content = match kind {
                EntryType::Regular => text.as_bytes(),
                _ => {
                    header.as_mut_bytes()[157..157 + text.len()].copy_from_slice(text.as_bytes());
                    b""
                }
            };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn nothing_leaves_the_tree() {
        use EntryType::{Link, Regular, Symlink};
        let cases: [(&[Entry], &str); 6] = [
            (&[(Regular, "../x", "")], "the path ../x leaves the tree"),
            (
                &[(Regular, "a/../../x", "")],
                "the path a/../../x leaves the tree",
            ),
            (
                &[(Symlink, "a", "../.."), (Regular, "a/x", "")],
                "a/x: a link on the way leaves the tree",
            ),
            (
                &[
                    (Symlink, "a", "b"),
                    (Symlink, "b", "a"),
                    (Regular, "a/x", ""),
                ],
                "a/x: links on the way go in a circle",
            ),
            (
                &[(Link, "x", "../../etc/passwd")],
                "x: a link to outside of the tree",
            ),
            (
                &[(Symlink, "p", "/etc/passwd"), (Link, "x", "p")],
                "x: a hard link to something that is no file",
            ),
        ];
        for (entries, expected) in cases {
            let above = tempfile::tempdir().unwrap();
            let root = above.path().join("deep/tree");
            std::fs::create_dir_all(&root).unwrap();
            let error = Tree::new(&root)
                .unpack("p", &tar_of(entries), |_| true)
                .unwrap_err();
            assert_eq!(error, expected);
            assert_eq!(
                std::fs::read_dir(above.path()).unwrap().count(),
                1,
                "{expected}"
            );
            assert!(!above.path().join("deep/x").exists(), "{expected}");
        }
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let root = tempfile::tempdir().unwrap();
        let entries = [
            (EntryType::Symlink, "var/run", "/run"),
            (EntryType::Regular, "var/run/x", "hello"),
            (EntryType::Regular, "./sbin/tool", "tool"),
            (EntryType::Link, "usr/bin/other", "./sbin/tool"),
        ];
        let mut tree = Tree::new(root.path());
        tree.unpack("p", &tar_of(&entries), |_| true).unwrap();
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(
            [read("run/x"), read("usr/sbin/tool"), read("usr/bin/other")],
            ["hello", "tool", "tool"]
        );
        let again = tree
            .unpack("q", &tar_of(&entries[1..2]), |_| true)
            .unwrap_err();
        assert_eq!(again, "var/run/x: the package p brought it already");
    }
}
