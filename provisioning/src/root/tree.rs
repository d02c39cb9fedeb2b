//! Whole trees: removed, copied, given to another owner. Links are never followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::node::{Kind, Node, Owner};
use super::place::{DIRECTORY, chown, set};

/// How deep a tree may be: each level holds an open directory, and a process has 1024 of them.
const DEPTH: u32 = 256;

/// Removes an entry and all that is in it; an entry that is not there is fine.
pub(crate) fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    remove_below(parent, name, DEPTH)
}

fn remove_below(parent: &OwnedFd, name: &OsStr, depth: u32) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // A directory; POSIX says EPERM, Linux EISDIR.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let directory = open(parent, name)?;
    let deeper = below(depth)?;
    for entry in list(&directory)? {
        remove_below(&directory, &entry, deeper)?;
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Copies files, directories and links of one directory into another, with their modes, for `owner`. Device nodes, FIFOs
/// and sockets are left out: a skeleton has none.
pub(crate) fn copy(from: &OwnedFd, to: &OwnedFd, owner: Owner) -> io::Result<()> {
    copy_below(from, to, owner, DEPTH)
}

fn copy_below(from: &OwnedFd, to: &OwnedFd, owner: Owner, depth: u32) -> io::Result<()> {
    let deeper = below(depth)?;
    for name in list(from)? {
        let node = stat(from, &name)?;
        match node.kind {
            Kind::Directory => {
                rustix::fs::mkdirat(to, &*name, Mode::RWXU)?;
                let made = open(to, &name)?;
                copy_below(&open(from, &name)?, &made, owner, deeper)?;
                set(&made, node.mode, owner)?;
            }
            Kind::File => copy_file(from, to, &name, node.mode, owner)?,
            Kind::Link => {
                let target = rustix::fs::readlinkat(from, &*name, Vec::new())?;
                rustix::fs::symlinkat(target, to, &*name)?;
                chown(to, &name, owner)?;
            }
            Kind::Special => {}
        }
    }
    Ok(())
}

fn copy_file(
    from: &OwnedFd,
    to: &OwnedFd,
    name: &OsStr,
    mode: u32,
    owner: Owner,
) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut source = File::from(rustix::fs::openat(from, name, read, Mode::empty())?);
    let mut copy = File::from(rustix::fs::openat(
        to,
        name,
        write,
        Mode::RUSR | Mode::WUSR,
    )?);
    io::copy(&mut source, &mut copy)?;
    set(&copy, mode, owner)?;
    copy.sync_all()
}

/// Gives a directory and all in it that belongs to `from` to `to`, users and groups apart; what belongs to others stays.
pub(crate) fn hand_over(directory: &OwnedFd, from: Owner, to: Owner) -> io::Result<()> {
    let node = Node::of(directory)?;
    set(directory, node.mode, heir(&node, from, to))?;
    hand_over_below(directory, from, to, DEPTH)
}

fn hand_over_below(directory: &OwnedFd, from: Owner, to: Owner, depth: u32) -> io::Result<()> {
    let deeper = below(depth)?;
    for name in list(directory)? {
        let node = stat(directory, &name)?;
        chown(directory, &name, heir(&node, from, to))?;
        if node.kind == Kind::Directory {
            hand_over_below(&open(directory, &name)?, from, to, deeper)?;
        }
    }
    Ok(())
}

fn heir(node: &Node, from: Owner, to: Owner) -> Owner {
    Owner {
        uid: to.uid.filter(|_| from.uid == Some(node.uid)),
        gid: to.gid.filter(|_| from.gid == Some(node.gid)),
    }
}

/// The names in a directory, sorted.
pub(crate) fn list(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => names.push(OsStr::from_bytes(name).to_owned()),
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn stat(parent: impl AsFd, name: &OsStr) -> io::Result<Node> {
    Ok(rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.into())
}

fn open(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

fn below(depth: u32) -> io::Result<u32> {
    depth
        .checked_sub(1)
        .ok_or_else(|| io::Error::other(format!("the tree is deeper than {DEPTH} directories")))
}
