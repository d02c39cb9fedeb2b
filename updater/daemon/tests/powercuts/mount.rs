//! A machine's files in memory, mounted through FUSE, so that every write, flush and change of a name is heard in order.
//!
//! FUSE tells of `fsync`, `fdatasync` and `fsync` of a directory. Of `syncfs` it does not (the kernel sends FUSE_SYNCFS to
//! virtiofs and to FUSE on block devices only), so what relies on `syncfs` alone counts as not flushed here. Files are
//! opened for direct I/O: no call is answered from the page cache.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileHandle, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use tempfile::TempDir;

use super::{
    cut::Episode,
    journal::{Deed, Medium, Record},
    live::{Call, Fault, Live},
    volume::Volume,
};
use crate::hold::Hold;

/// A mounted machine. Unmounted when it is dropped.
pub(crate) struct Mounted {
    live: Arc<Mutex<Live>>,
    hold: Arc<Hold>,
    // Before the directory that it is mounted on.
    _session: BackgroundSession,
    at: TempDir,
}

impl Mounted {
    pub(crate) fn new(volume: Volume) -> Self {
        let at = tempfile::tempdir().unwrap();
        let live = Arc::new(Mutex::new(Live::new(volume)));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("acl-powercuts".into())];
        let hold = Arc::new(Hold::default());
        let served = Served(live.clone(), hold.clone());
        let session = fuser::spawn_mount(served, at.path(), &config)
            .expect("FUSE is needed: /dev/fuse, and root or Debian's fuse3");
        Self {
            live,
            hold,
            _session: session,
            at,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    /// While it is shut, no call is answered.
    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// Everything as it is now.
    pub(crate) fn volume(&self) -> Volume {
        self.live().volume.clone()
    }

    /// Record what `act` does. What was done before is on the disks.
    pub(crate) fn record(&self, name: &'static str, act: impl FnOnce()) -> Episode {
        let before = {
            let mut live = self.live();
            live.records.clear();
            live.volume.clone()
        };
        act();
        let mut live = self.live();
        Episode {
            name,
            before,
            records: std::mem::take(&mut live.records),
            after: live.volume.clone(),
        }
    }

    /// Let firmware rename a boot entry, and be done.
    pub(crate) fn rename_by_firmware(&self, from: &Path, to: &Path) {
        self.live().by_firmware = true;
        std::fs::rename(from, to).unwrap();
        self.live().by_firmware = false;
        self.sync_all();
    }

    /// The `syncfs` of the ESP that FUSE does not tell of.
    pub(crate) fn sync_all(&self) {
        let record = Record {
            medium: Medium::Esp,
            deed: Deed::SyncAll,
        };
        self.live().records.push(record);
    }

    /// How often each kind of call was made since the last time it was asked.
    pub(crate) fn calls(&self) -> BTreeMap<(Call, Medium), usize> {
        std::mem::take(&mut self.live().calls)
    }

    /// Let the disk give back one byte wrong from now on, or none.
    pub(crate) fn rot(&self, at: Option<usize>) {
        self.live().rotten = at;
    }

    /// Let calls fail from now on. Where those failed that were to fail until now.
    pub(crate) fn fail(&self, fault: Option<Fault>) -> Vec<String> {
        let mut live = self.live();
        live.calls.clear();
        live.fault = fault;
        std::mem::take(&mut live.met)
    }
}

impl Drop for Mounted {
    /// Unmounting waits for whoever waits.
    fn drop(&mut self) {
        self.hold.open();
    }
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the kernel asks.
struct Served(Arc<Mutex<Live>>, Arc<Hold>);

/// The kernel remembers nothing.
const TTL: Duration = Duration::ZERO;

impl Served {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.1.pass();
        lock(&self.0)
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let live = self.live();
        match live.child(parent.0, name) {
            Some(ino) => reply.entry(&TTL, &live.attributes(ino), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.live().attributes(ino.0));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut live = self.live();
        let done = size.map_or(Ok(()), |size| {
            let size = usize::try_from(size).or(Err(Errno::EFBIG))?;
            let deed = Deed::Resize { ino: ino.0, size };
            live.act(Call::Write, ino.0, deed)
        });
        match done {
            Ok(()) => reply.attr(&TTL, &live.attributes(ino.0)),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, dir: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.live().make(dir.0, name, true) {
            Ok(made) => reply.entry(&TTL, &made, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        dir: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.live().make(dir.0, name, false) {
            Ok(made) => {
                let flags = FopenFlags::FOPEN_DIRECT_IO;
                reply.created(&TTL, &made, Generation(0), FileHandle(0), flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.live().remove(dir.0, name));
    }

    fn rmdir(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.live().remove(dir.0, name));
    }

    fn rename(
        &self,
        _: &Request,
        dir: INodeNo,
        name: &OsStr,
        to_dir: INodeNo,
        to: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(reply, self.live().rename(dir.0, name, to_dir.0, to));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut live = self.live();
        if let Err(error) = live.ask(Call::Read, ino.0) {
            return reply.error(error);
        }
        let from = usize::try_from(offset).unwrap();
        reply.data(&live.read(ino.0, from..from + size as usize));
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let deed = Deed::Write {
            ino: ino.0,
            at: usize::try_from(offset).unwrap_or(usize::MAX),
            bytes: data.to_vec(),
        };
        match self.live().act(Call::Write, ino.0, deed) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let deed = Deed::SyncFile { ino: ino.0 };
        answer(reply, self.live().act(Call::Flush, ino.0, deed));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let deed = Deed::SyncDir { ino: ino.0 };
        answer(reply, self.live().act(Call::Flush, ino.0, deed));
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut live = self.live();
        if let Err(error) = live.ask(Call::List, ino.0) {
            return reply.error(error);
        }
        let children = live.volume.children(ino.0).iter();
        for (number, (name, child)) in (1..).zip(children).skip(usize::try_from(offset).unwrap()) {
            let kind = live.attributes(*child).kind;
            if reply.add(INodeNo(*child), number, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096);
    }
}
