//! The files of a machine in memory.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use acl_host::file;

use super::journal::{Deed, Ino, Medium};

/// The number of the topmost directory; FUSE wants this one.
pub(crate) const TOP: Ino = 1;

/// Files and directories. A copy shares the bytes until they are changed.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    nodes: BTreeMap<Ino, Node>,
    next: Ino,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) medium: Medium,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    File(Arc<Vec<u8>>),
    Directory(BTreeMap<String, Ino>),
}

impl Volume {
    /// What is in a directory: `disk.raw` is the disk, `root/efi` the ESP, all else is on ROOT.
    pub(crate) fn read(directory: &Path) -> Self {
        let mut volume = Self {
            nodes: BTreeMap::new(),
            next: TOP + 1,
        };
        let top = Node {
            medium: Medium::Root,
            body: Body::Directory(BTreeMap::new()),
        };
        volume.nodes.insert(TOP, top);
        volume.read_into(TOP, directory);
        volume
    }

    fn read_into(&mut self, dir: Ino, directory: &Path) {
        for path in file::list(directory).unwrap() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let ino = self.create(dir, &name, path.is_dir());
            if path.is_dir() {
                self.read_into(ino, &path);
            } else {
                let bytes = Arc::new(file::read(&path).unwrap());
                self.nodes.get_mut(&ino).unwrap().body = Body::File(bytes);
            }
        }
    }

    /// Writes all of it into an empty directory.
    pub(crate) fn write(&self, directory: &Path) {
        self.write_from(TOP, directory);
    }

    fn write_from(&self, dir: Ino, directory: &Path) {
        for (name, ino) in self.children(dir) {
            let path = directory.join(name);
            match &self.nodes[ino].body {
                Body::File(bytes) => write_sparse(&path, bytes),
                Body::Directory(_) => {
                    std::fs::create_dir(&path).unwrap();
                    self.write_from(*ino, &path);
                }
            }
        }
    }

    pub(crate) fn node(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino)
    }

    pub(crate) fn medium(&self, ino: Ino) -> Medium {
        self.nodes[&ino].medium
    }

    pub(crate) fn children(&self, dir: Ino) -> &BTreeMap<String, Ino> {
        match &self.nodes[&dir].body {
            Body::Directory(children) => children,
            Body::File(_) => panic!("{dir} is no directory"),
        }
    }

    pub(crate) fn bytes(&self, ino: Ino) -> &[u8] {
        match &self.nodes[&ino].body {
            Body::File(bytes) => bytes,
            Body::Directory(_) => panic!("{ino} is no file"),
        }
    }

    pub(crate) fn put(&mut self, ino: Ino, bytes: Vec<u8>) {
        self.nodes.get_mut(&ino).unwrap().body = Body::File(Arc::new(bytes));
    }

    pub(crate) fn find(&self, path: &str) -> Option<Ino> {
        path.split('/')
            .try_fold(TOP, |dir, name| self.children(dir).get(name).copied())
    }

    /// The path of a file or a directory; empty for one without a name.
    pub(crate) fn path(&self, ino: Ino) -> String {
        let named = self.nodes.iter().find_map(|(dir, node)| match &node.body {
            Body::Directory(children) => {
                let name = children.iter().find(|(_, child)| **child == ino)?.0;
                Some((*dir, name))
            }
            Body::File(_) => None,
        });
        named.map_or_else(String::new, |(dir, name)| {
            format!("{}/{name}", self.path(dir))
        })
    }

    /// The number that the next file gets.
    pub(crate) fn next(&self) -> Ino {
        self.next
    }

    /// A new, empty file or directory.
    pub(crate) fn create(&mut self, dir: Ino, name: &str, directory: bool) -> Ino {
        let ino = self.next;
        self.create_as(dir, name, ino, directory);
        ino
    }

    fn create_as(&mut self, dir: Ino, name: &str, ino: Ino, directory: bool) {
        let medium = match (dir, name, self.medium(dir)) {
            (TOP, "disk.raw", _) => Medium::Disk,
            (_, "efi", Medium::Root) => Medium::Esp,
            (_, _, medium) => medium,
        };
        let body = match directory {
            true => Body::Directory(BTreeMap::new()),
            false => Body::File(Arc::default()),
        };
        self.next = self.next.max(ino + 1);
        self.nodes.insert(ino, Node { medium, body });
        self.link(dir, name, ino);
    }

    /// Does it, as a file system that is not cut does.
    pub(crate) fn apply(&mut self, deed: &Deed) {
        match deed {
            Deed::Create {
                dir,
                name,
                ino,
                directory,
            } => self.create_as(*dir, name, *ino, *directory),
            Deed::Write { ino, at, bytes } => self.overwrite(*ino, *at, bytes),
            Deed::Resize { ino, size } => {
                if let Some(file) = self.file(*ino) {
                    file.resize(*size, 0);
                }
            }
            Deed::Rename {
                dir,
                name,
                to_dir,
                to,
            } => {
                if let Some(ino) = self.unlink(*dir, name) {
                    self.link(*to_dir, to, ino);
                }
            }
            Deed::Remove { dir, name } => {
                self.unlink(*dir, name);
            }
            Deed::FirmwareRename { dir, name, to } => {
                if let Some(ino) = self.unlink(*dir, name) {
                    self.link(*dir, to, ino);
                }
            }
            Deed::SyncFile { .. } | Deed::SyncDir { .. } | Deed::SyncAll => {}
        }
    }

    /// Writes to a file, which grows where it is too short. Nothing for a file that is not there.
    pub(crate) fn overwrite(&mut self, ino: Ino, at: usize, bytes: &[u8]) {
        if let Some(file) = self.file(ino) {
            let end = at + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[at..end].copy_from_slice(bytes);
        }
    }

    fn file(&mut self, ino: Ino) -> Option<&mut Vec<u8>> {
        match &mut self.nodes.get_mut(&ino)?.body {
            Body::File(bytes) => Some(Arc::make_mut(bytes)),
            Body::Directory(_) => None,
        }
    }

    fn link(&mut self, dir: Ino, name: &str, ino: Ino) {
        if let Body::Directory(children) = &mut self.nodes.get_mut(&dir).unwrap().body {
            children.insert(name.to_owned(), ino);
        }
    }

    fn unlink(&mut self, dir: Ino, name: &str) -> Option<Ino> {
        match &mut self.nodes.get_mut(&dir)?.body {
            Body::Directory(children) => children.remove(name),
            Body::File(_) => None,
        }
    }

    /// Forgets what a directory holds.
    pub(crate) fn clear(&mut self, dir: Ino) {
        self.nodes.get_mut(&dir).unwrap().body = Body::Directory(BTreeMap::new());
    }
}

/// Only what is not zero takes time and memory.
fn write_sparse(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    const PIECE: usize = 4096;
    let file = std::fs::File::create_new(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, (number * PIECE) as u64).unwrap();
        }
    }
}
