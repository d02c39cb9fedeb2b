//! A file system in memory, mounted through FUSE, that records each change and each flush in order.
//!
//! The kernel passes `fsync`, `fdatasync` and `fsync` of a directory on. It does not pass `syncfs` on, but writes back what
//! it still holds of other files: with [`Cache::WriteBack`] those bytes arrive then. [`Mounted::put`] changes a file where
//! the kernel cannot see it, as a device does that does not give back what was written: a reader who sees the change has
//! read from the device, one who does not has read from the page cache.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tempfile::TempDir;

/// When the kernel passes written bytes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// At once.
    WriteThrough,
    /// When it is told to flush, or later.
    WriteBack,
}

/// The mounted file system. Unmounted when it is dropped.
pub(crate) struct Mounted {
    tree: Arc<Mutex<Tree>>,
    // Before the directory that it is mounted on.
    _session: BackgroundSession,
    at: TempDir,
}

impl Mounted {
    /// With these directories, each after its parent.
    pub(crate) fn new(cache: Cache, directories: &[&str]) -> Self {
        let at = tempfile::tempdir().unwrap();
        let tree = Arc::new(Mutex::new(Tree::new()));
        let served = Served {
            tree: tree.clone(),
            cache,
        };
        let session = fuser::spawn_mount(served, at.path(), &Config::default())
            .expect("FUSE is needed: /dev/fuse, and root or Debian's fuse3");
        for directory in directories {
            std::fs::create_dir(at.path().join(directory)).unwrap();
        }
        let mounted = Self {
            tree,
            _session: session,
            at,
        };
        mounted.take();
        mounted
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    /// What was done since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.tree).records)
    }

    /// What was done since the last time but for writes: how many there are is the kernel's choice.
    pub(crate) fn take_order(&self) -> Vec<String> {
        let mut records = self.take();
        records.retain(|record| !record.starts_with("write "));
        records
    }

    /// The bytes of a file as they have arrived.
    pub(crate) fn arrived(&self, path: &str) -> Vec<u8> {
        let tree = lock(&self.tree);
        let ino = tree.find(path);
        tree.nodes[&ino.0].bytes.clone()
    }

    /// Changes bytes of a file, and does not let the kernel know.
    pub(crate) fn put(&self, path: &str, at: usize, bytes: &[u8]) {
        let mut tree = lock(&self.tree);
        let ino = tree.find(path);
        tree.node(ino).bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Lets every flush that is recorded with these words fail from now on.
    pub(crate) fn fail(&self, flush: &str) {
        lock(&self.tree).failing = Some(flush.to_owned());
    }
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file or a directory.
#[derive(Default)]
struct Node {
    path: String,
    directory: bool,
    bytes: Vec<u8>,
}

/// Everything that is mounted; a directory's entries are the nodes whose paths lie in it.
struct Tree {
    nodes: BTreeMap<u64, Node>,
    records: Vec<String>,
    failing: Option<String>,
}

impl Tree {
    fn new() -> Self {
        let root = Node {
            directory: true,
            ..Node::default()
        };
        Self {
            nodes: BTreeMap::from([(1, root)]),
            records: Vec::new(),
            failing: None,
        }
    }

    fn node(&mut self, ino: INodeNo) -> &mut Node {
        self.nodes.get_mut(&ino.0).unwrap()
    }

    fn find(&self, path: &str) -> INodeNo {
        let found = self.nodes.iter().find(|(_, node)| node.path == path);
        INodeNo(*found.unwrap().0)
    }

    fn below(&self, parent: INodeNo, name: &OsStr) -> String {
        let parent = &self.nodes[&parent.0].path;
        let name = name.to_str().unwrap();
        if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}/{name}")
        }
    }

    fn lookup(&self, parent: INodeNo, name: &OsStr) -> Result<INodeNo, Errno> {
        let path = self.below(parent, name);
        let found = self.nodes.iter().find(|(_, node)| node.path == path);
        found.map(|(ino, _)| INodeNo(*ino)).ok_or(Errno::ENOENT)
    }

    fn make(&mut self, parent: INodeNo, name: &OsStr, directory: bool) -> FileAttr {
        let path = self.below(parent, name);
        let verb = if directory { "mkdir" } else { "create" };
        self.records.push(format!("{verb} {path}"));
        let ino = self.nodes.keys().max().unwrap() + 1;
        let node = Node {
            path,
            directory,
            bytes: Vec::new(),
        };
        self.nodes.insert(ino, node);
        self.attributes(INodeNo(ino))
    }

    fn flush(&mut self, verb: &str, ino: INodeNo) -> Result<(), Errno> {
        let path = &self.nodes[&ino.0].path;
        let record = format!("{verb} {path}").trim_end().to_owned();
        let fails = self.failing.as_ref() == Some(&record);
        self.records.push(record);
        if fails { Err(Errno::EIO) } else { Ok(()) }
    }

    fn rename(&mut self, from: INodeNo, to: String) {
        let replaced = self.nodes.iter().find(|(_, node)| node.path == to);
        if let Some(ino) = replaced.map(|(ino, _)| *ino) {
            self.lose(INodeNo(ino));
        }
        let node = self.node(from);
        let record = format!("rename {} {to}", node.path);
        node.path = to;
        self.records.push(record);
    }

    /// Takes the name away; the kernel may still ask for what had it.
    fn lose(&mut self, ino: INodeNo) {
        self.node(ino).path = format!("(no name)/{}", ino.0);
    }

    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let node = &self.nodes[&ino.0];
        FileAttr {
            ino,
            size: node.bytes.len() as u64,
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: kind(node),
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

fn kind(node: &Node) -> FileType {
    if node.directory {
        FileType::Directory
    } else {
        FileType::RegularFile
    }
}

/// What the kernel calls.
struct Served {
    tree: Arc<Mutex<Tree>>,
    cache: Cache,
}

/// The kernel remembers no names.
const TTL: Duration = Duration::ZERO;

impl Served {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        if self.cache == Cache::WriteBack {
            let added = config.add_capabilities(InitFlags::FUSE_WRITEBACK_CACHE);
            added.map_err(|_missing| io::ErrorKind::Unsupported)?;
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = self.tree();
        match tree.lookup(parent, name) {
            Ok(ino) => reply.entry(&TTL, &tree.attributes(ino), Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.tree().attributes(ino));
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
        let mut tree = self.tree();
        if let Some(size) = size {
            let size = usize::try_from(size).unwrap();
            tree.node(ino).bytes.resize(size, 0);
        }
        reply.attr(&TTL, &tree.attributes(ino));
    }

    fn mkdir(&self, _: &Request, dir: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let made = self.tree().make(dir, name, true);
        reply.entry(&TTL, &made, Generation(0));
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
        let made = self.tree().make(dir, name, false);
        let flags = FopenFlags::empty();
        reply.created(&TTL, &made, Generation(0), FileHandle(0), flags);
    }

    fn unlink(&self, _: &Request, dir: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut tree = self.tree();
        let done = tree.lookup(dir, name).map(|ino| {
            let record = format!("unlink {}", tree.nodes[&ino.0].path);
            tree.records.push(record);
            tree.lose(ino);
        });
        answer(reply, done);
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
        let mut tree = self.tree();
        let done = tree.lookup(dir, name).map(|ino| {
            let to = tree.below(to_dir, to);
            tree.rename(ino, to);
        });
        answer(reply, done);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Else the kernel drops what it holds of a file each time that it is opened.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
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
        let mut tree = self.tree();
        let bytes = &tree.node(ino).bytes;
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let end = (start + size as usize).min(bytes.len());
        reply.data(&bytes[start..end]);
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
        let mut tree = self.tree();
        let node = tree.node(ino);
        let start = usize::try_from(offset).unwrap();
        let end = start + data.len();
        if node.bytes.len() < end {
            node.bytes.resize(end, 0);
        }
        node.bytes[start..end].copy_from_slice(data);
        let record = format!("write {}", node.path);
        tree.records.push(record);
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, data: bool, reply: ReplyEmpty) {
        let verb = if data { "fdatasync" } else { "fsync" };
        answer(reply, self.tree().flush(verb, ino));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.tree().flush("fsyncdir", ino));
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let tree = self.tree();
        let parent = tree.nodes[&ino.0].path.clone();
        let children = tree.nodes.iter().filter_map(|(child, node)| {
            let path = Path::new(&node.path);
            let inside = *child != 1 && path.parent() == Some(Path::new(&parent));
            inside.then(|| (*child, kind(node), path.file_name().unwrap()))
        });
        let skipped = usize::try_from(offset).unwrap();
        for (number, (child, kind, name)) in (1..).zip(children).skip(skipped) {
            if reply.add(INodeNo(child), number, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096);
    }
}
