//! The tree that is provisioned: a directory that nothing leaves.
//!
//! Owns how a path of a config becomes an entry on disk: every path is resolved by the kernel inside the root
//! (`openat2` with `RESOLVE_IN_ROOT`: absolute link targets start at the root, `..` stops at it), once, to a
//! [`Place`]: an open directory and a name in it. What is then done at a place is done relative to that directory and
//! without following a link, so that neither a config nor what an earlier system left on the disk can reach outside.
//! Leaves to the stages what is to be made, and who owns it.

mod batch;
mod fresh;
mod make;
mod node;
mod place;
mod tree;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub use batch::Batch;
pub use fresh::Fresh;
pub use node::{Kind, Node, Owner};
pub use place::Place;
pub(crate) use tree::{copy, hand_over};

use crate::{Error, Result};

/// The mode of a directory that nobody described, as Ignition makes parents.
pub const DIRECTORY_MODE: u32 = 0o755;
/// The mode of a file that nobody described (Ignition spec, `storage.files.mode`).
pub const FILE_MODE: u32 = 0o644;

/// How many links one path may go through, as in the kernel.
const LINKS: u32 = 40;

/// A directory that no path leads out of.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
}

impl Root {
    /// The root at `path`, a directory of the running system.
    ///
    /// # Errors
    /// [`Error::ResolvePath`] where it is not a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        rustix::fs::open(path, place::DIRECTORY, Mode::empty())
            .map(|directory| Self { directory })
            .map_err(|source| resolve_error(path, source))
    }

    /// The place of `path`; directories on the way that are missing are made, 0755. The last part of the path is not
    /// followed, links before it are, also where they lead to something that does not exist yet.
    ///
    /// # Errors
    /// [`Error::ResolvePath`], [`Error::MakeDirectory`].
    pub fn place(&self, path: impl AsRef<Path>) -> Result<Place> {
        let path = path.as_ref();
        let (parent, name) = split(path)?;
        let parent = self.make_directory(parent, LINKS)?;
        Ok(Place::new(parent, name, path))
    }

    /// The place of `path`, or nothing where a directory on the way is missing.
    ///
    /// # Errors
    /// [`Error::ResolvePath`].
    pub fn find(&self, path: impl AsRef<Path>) -> Result<Option<Place>> {
        let path = path.as_ref();
        let (parent, name) = split(path)?;
        let parent = self.directory(parent)?;
        Ok(parent.map(|parent| Place::new(parent, name, path)))
    }

    /// The directory at `path`, links followed inside the root; nothing where there is none.
    ///
    /// # Errors
    /// [`Error::ResolvePath`], also where something else than a directory is there.
    pub fn directory(&self, path: impl AsRef<Path>) -> Result<Option<OwnedFd>> {
        let path = path.as_ref();
        match self.resolve_at(path, place::DIRECTORY) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT) => Ok(None),
            Err(source) => Err(resolve_error(path, source)),
        }
    }

    /// The bytes of the file at `path`, links followed inside the root; nothing where there is none.
    ///
    /// # Errors
    /// [`acl_host::Error::ReadFile`], also for a directory, a device or a FIFO: those are never opened.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        self.read_at_most(path, u64::MAX)
    }

    /// As [`Root::read`], and no more than `most` bytes of it, whatever the file says of its length.
    ///
    /// # Errors
    /// As [`Root::read`].
    pub(crate) fn read_at_most(
        &self,
        path: impl AsRef<Path>,
        most: u64,
    ) -> Result<Option<Vec<u8>>> {
        let path = path.as_ref();
        let read = self.open_regular(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(place::read_error(path, source)),
        }
    }

    /// As [`Root::read`], for text.
    ///
    /// # Errors
    /// As [`Root::read`], also where the bytes are not UTF-8.
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let path = path.as_ref();
        let Some(bytes) = self.read(path)? else {
            return Ok(None);
        };
        String::from_utf8(bytes).map(Some).map_err(|error| {
            place::read_error(path, io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// Writes a file of root's, durably, in the place of whatever file or link is there.
    ///
    /// # Errors
    /// As [`Root::place`] and [`Place::write`].
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
        self.place(path)?.write(bytes, mode, Owner::default())
    }

    /// Makes everything durable that was written so far, on this filesystem and on those mounted in it.
    pub fn sync(&self) {
        rustix::fs::sync();
    }

    /// The names in the directory at `path`, sorted; none where it does not exist.
    ///
    /// # Errors
    /// [`Error::ResolvePath`], [`acl_host::Error::ListDirectory`].
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<OsString>> {
        let path = path.as_ref();
        let Some(directory) = self.directory(path)? else {
            return Ok(Vec::new());
        };
        tree::list(&directory).map_err(|source| {
            Error::Host(acl_host::Error::ListDirectory {
                path: path.to_owned(),
                source,
            })
        })
    }

    /// Where `path` leads to: the same entry without links on the way. Parts that do not exist are taken as they are.
    ///
    /// For comparing and ordering paths only; what is done on disk goes through a [`Place`].
    ///
    /// # Errors
    /// [`Error::ResolvePath`] for loops.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let (parent, last) = split(path)?;
        let mut ahead: Vec<OsString> = parts(parent);
        let mut resolved = PathBuf::from("/");
        let mut links = LINKS;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                resolved.pop();
                continue;
            }
            resolved.push(&part);
            let Some(target) = self.link_target(&resolved)? else {
                continue;
            };
            links = links
                .checked_sub(1)
                .ok_or_else(|| resolve_error(path, Errno::LOOP))?;
            resolved.pop();
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
            ahead.extend(parts(&target));
        }
        if last != "." {
            resolved.push(last);
        }
        Ok(resolved)
    }

    fn link_target(&self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(place) = self.find(path)? else {
            return Ok(None);
        };
        match place.node()? {
            Some(node) if node.kind == Kind::Link => place.target().map(Some),
            _ => Ok(None),
        }
    }

    fn open_regular(&self, path: &Path) -> io::Result<File> {
        // Looked at before it is opened: to open a device can already do something, and a FIFO waits for ever.
        let seen = self.resolve_at(path, OFlags::PATH | OFlags::CLOEXEC)?;
        node::regular(&seen)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = self.resolve_at(path, flags)?;
        node::regular(&opened)?;
        Ok(File::from(opened))
    }

    fn make_directory(&self, path: &Path, links: u32) -> Result<OwnedFd> {
        match self.resolve_at(path, place::DIRECTORY) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) => {}
            Err(source) => return Err(resolve_error(path, source)),
        }
        let mut components = path.components();
        let last = components.next_back();
        let parent = components.as_path();
        let directory = self.make_directory(parent, links)?;
        if let Some(Component::Normal(name)) = last {
            let place = Place::new(directory, name, path);
            match place.node()? {
                None => return place.make_directory(DIRECTORY_MODE, Owner::default()),
                Some(node) if node.kind == Kind::Link => {
                    let links = links
                        .checked_sub(1)
                        .ok_or_else(|| resolve_error(path, Errno::LOOP))?;
                    // The kernel resolves the joined text from the root again, `..` of the target included.
                    return self.make_directory(&parent.join(place.target()?), links);
                }
                Some(_) => {}
            }
        }
        self.resolve_at(path, place::DIRECTORY)
            .map_err(|source| resolve_error(path, source))
    }

    fn resolve_at(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // EAGAIN: something was renamed while `..` was resolved; the manual page says to try again.
        for _ in 0..16 {
            match rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), inside) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }
}

/// A path as its directory and the name in it; "/" is "." in itself.
fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    let mut components = path.components();
    match components.next_back() {
        Some(Component::Normal(name)) => Ok((components.as_path(), name)),
        Some(Component::RootDir) => Ok((path, OsStr::new("."))),
        _ => Err(resolve_error(path, Errno::INVAL)),
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

fn resolve_error(path: &Path, source: Errno) -> Error {
    Error::ResolvePath {
        path: path.to_owned(),
        source: source.into(),
    }
}
