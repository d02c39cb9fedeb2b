//! The machine that is mounted: its files, what was done to them, and what its disks refuse.

use std::{collections::BTreeMap, ffi::OsStr, ops::Range, time::UNIX_EPOCH};

use fuser::{Errno, FileAttr, FileType, INodeNo};

use super::{
    journal::{Deed, Ino, Medium, Record},
    volume::{Body, Volume},
};

/// A kind of call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    /// Of a file.
    Read,
    /// Of the names in a directory.
    List,
    Write,
    /// A new name, another name, one less.
    Name,
    Flush,
}

/// What a disk answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) medium: Medium,
    /// The calls of that kind before it succeed.
    pub(crate) after: usize,
    /// Only once, or from then on.
    pub(crate) once: bool,
    pub(crate) answer: Errno,
}

/// What is mounted, and what was done to it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) volume: Volume,
    pub(super) records: Vec<Record>,
    pub(super) by_firmware: bool,
    pub(super) calls: BTreeMap<(Call, Medium), usize>,
    pub(super) fault: Option<Fault>,
    /// The byte of the disk that it does not give back as it was written.
    pub(super) rotten: Option<usize>,
    /// What the fault was met at: the file, or the directory of a name.
    pub(super) met: Vec<String>,
}

impl Live {
    pub(super) fn new(volume: Volume) -> Self {
        Self {
            volume,
            records: Vec::new(),
            by_firmware: false,
            calls: BTreeMap::new(),
            fault: None,
            rotten: None,
            met: Vec::new(),
        }
    }

    /// Whether the disk does it at all.
    pub(super) fn ask(&mut self, call: Call, ino: Ino) -> Result<(), Errno> {
        let medium = self.volume.medium(ino);
        let made = self.calls.entry((call, medium)).or_default();
        *made += 1;
        let made = *made - 1;
        match self.fault {
            Some(fault) if (fault.call, fault.medium) == (call, medium) => {
                let hits = made == fault.after || !fault.once && made > fault.after;
                if !hits {
                    return Ok(());
                }
                self.met.push(self.volume.path(ino));
                Err(fault.answer)
            }
            _ => Ok(()),
        }
    }

    /// What is read of a file.
    pub(super) fn read(&self, ino: Ino, range: Range<usize>) -> Vec<u8> {
        let bytes = self.volume.bytes(ino);
        let clip = |at: usize| at.min(bytes.len());
        let mut read = bytes[clip(range.start)..clip(range.end)].to_vec();
        let rotten = self.rotten.filter(|at| range.contains(at));
        if let Some(at) = rotten
            && self.volume.medium(ino) == Medium::Disk
        {
            read[at - range.start] ^= 1;
        }
        read
    }

    pub(super) fn act(&mut self, call: Call, ino: Ino, deed: Deed) -> Result<(), Errno> {
        self.ask(call, ino)?;
        self.volume.apply(&deed);
        let medium = self.volume.medium(ino);
        self.records.push(Record { medium, deed });
        Ok(())
    }

    pub(super) fn child(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.volume.children(dir).get(name.to_str()?).copied()
    }

    pub(super) fn make(
        &mut self,
        dir: Ino,
        name: &OsStr,
        directory: bool,
    ) -> Result<FileAttr, Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?.to_owned();
        if self.volume.children(dir).contains_key(&name) {
            return Err(Errno::EEXIST);
        }
        let ino = self.volume.next();
        let deed = Deed::Create {
            dir,
            name,
            ino,
            directory,
        };
        self.act(Call::Name, dir, deed)?;
        Ok(self.attributes(ino))
    }

    pub(super) fn remove(&mut self, dir: Ino, name: &OsStr) -> Result<(), Errno> {
        let ino = self.child(dir, name).ok_or(Errno::ENOENT)?;
        if let Some(Body::Directory(children)) = self.volume.node(ino).map(|node| &node.body)
            && !children.is_empty()
        {
            return Err(Errno::ENOTEMPTY);
        }
        let name = name.to_string_lossy().into_owned();
        self.act(Call::Name, dir, Deed::Remove { dir, name })
    }

    pub(super) fn rename(
        &mut self,
        dir: Ino,
        name: &OsStr,
        to_dir: Ino,
        to: &OsStr,
    ) -> Result<(), Errno> {
        self.child(dir, name).ok_or(Errno::ENOENT)?;
        let name = name.to_string_lossy().into_owned();
        let to = to.to_string_lossy().into_owned();
        let deed = match self.by_firmware {
            true => Deed::FirmwareRename { dir, name, to },
            false => Deed::Rename {
                dir,
                name,
                to_dir,
                to,
            },
        };
        self.act(Call::Name, dir, deed)
    }

    pub(super) fn attributes(&self, ino: Ino) -> FileAttr {
        let (kind, size) = match self.volume.node(ino).map(|node| &node.body) {
            Some(Body::File(bytes)) => (FileType::RegularFile, bytes.len() as u64),
            _ => (FileType::Directory, 4096),
        };
        FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o755,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}
