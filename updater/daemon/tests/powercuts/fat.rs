//! The ESP: FAT as Linux' vfat and EDK2's FatPkg write it.
//!
//! A name is a row of slots in sectors of its directory; where the bytes of the file begin and how many there are is
//! written into the last slot, by Linux only when the inode is: vfat's rename adds the new name empty, takes the old one
//! away, and leaves the inode dirty, and `fsync` of the directory writes the names and not the inode
//! (`fs/fat/namei_vfat.c`, `vfat_rename`; `fs/fat/file.c`, `fat_file_fsync`). Any sector that is dirty in memory may be on
//! the disk at any moment after, in any of the states that it went through.

mod directory;
mod slots;

use std::collections::BTreeMap;

use self::directory::Directory;
use super::{
    fate::Fate,
    journal::{Deed, Ino},
    volume::{Body, Volume},
};

const SECTOR: usize = 512;
const CLUSTER: usize = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Fat {
    top: Ino,
    directories: BTreeMap<Ino, Directory>,
    files: BTreeMap<Ino, File>,
}

/// What memory knows of a file.
#[derive(Clone, Debug, Default)]
struct File {
    /// Directory and slot of its entry; none once it was removed.
    at: Option<(Ino, usize)>,
    /// Its bytes in memory.
    bytes: Vec<u8>,
    /// Its bytes on the disk.
    flushed: Vec<u8>,
    /// Where `bytes` was written since.
    written: Vec<std::ops::Range<usize>>,
    /// Its entry does not say yet where its bytes are.
    inode_is_dirty: bool,
    /// Its chain of clusters has grown, and the table on the disk does not know it.
    chain_is_dirty: bool,
    freed: bool,
}

impl Fat {
    /// As it lies on the disk, with `others` slots of other files before those of each directory.
    pub(crate) fn new(volume: &Volume, top: Ino, others: usize) -> Self {
        let mut fat = Self {
            top,
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        fat.add_directory(volume, top, others);
        fat
    }

    fn add_directory(&mut self, volume: &Volume, dir: Ino, others: usize) {
        let mut directory = Directory::new();
        directory.occupy(others);
        self.directories.insert(dir, directory);
        for (name, ino) in volume.children(dir) {
            match volume.node(*ino).map(|node| &node.body) {
                Some(Body::File(bytes)) => {
                    self.create(dir, name, *ino, false);
                    self.files.get_mut(ino).unwrap().bytes = bytes.to_vec();
                    self.files.get_mut(ino).unwrap().inode_is_dirty = true;
                }
                _ => {
                    self.create(dir, name, *ino, true);
                    self.add_directory(volume, *ino, others);
                }
            }
        }
        self.sync();
    }

    pub(crate) fn apply(&mut self, deed: &Deed) {
        match deed {
            Deed::Create {
                dir,
                name,
                ino,
                directory,
            } => self.create(*dir, name, *ino, *directory),
            Deed::Write { ino, at, bytes } => self.write(*ino, *at, bytes),
            Deed::Resize { ino, size } => self.resize(*ino, *size),
            Deed::Rename {
                dir,
                name,
                to_dir,
                to,
            } => self.rename(*dir, name, *to_dir, to),
            Deed::Remove { dir, name } => self.remove(*dir, name),
            Deed::SyncFile { ino } => self.sync_file(*ino),
            Deed::SyncDir { ino } => self.sync_directory(*ino),
            Deed::SyncAll => self.sync(),
            Deed::FirmwareRename { dir, name, to } => self.rename_by_firmware(*dir, name, to),
        }
    }

    fn create(&mut self, dir: Ino, name: &str, ino: Ino, directory: bool) {
        // A directory gets its first cluster at once.
        let start = if directory { number(ino) } else { 0 };
        let at = self.add(dir, name, start, 0, directory);
        if directory {
            self.directories.insert(ino, Directory::new());
        } else {
            let at = Some((dir, at));
            self.files.insert(
                ino,
                File {
                    at,
                    ..File::default()
                },
            );
        }
    }

    /// The slot of the new entry.
    fn add(&mut self, dir: Ino, name: &str, start: u32, size: usize, directory: bool) -> usize {
        let of = self.directories.get_mut(&dir).unwrap();
        let edits = of.addition(name, start, u32::try_from(size).unwrap(), directory);
        of.change(&edits);
        edits.last().unwrap().0
    }

    fn write(&mut self, ino: Ino, at: usize, bytes: &[u8]) {
        let file = self.files.get_mut(&ino).unwrap();
        let end = at + bytes.len();
        if file.bytes.len() < end {
            file.bytes.resize(end, 0);
            file.chain_is_dirty = true;
        }
        file.bytes[at..end].copy_from_slice(bytes);
        file.written.push(at..end);
        file.inode_is_dirty = true;
    }

    fn resize(&mut self, ino: Ino, size: usize) {
        let file = self.files.get_mut(&ino).unwrap();
        file.bytes.resize(size, 0);
        file.inode_is_dirty = true;
        file.chain_is_dirty = true;
    }

    fn rename(&mut self, dir: Ino, name: &str, to_dir: Ino, to: &str) {
        let old = self.directories[&dir].entry(name).unwrap();
        let ino = self.file_at(dir, *old.slots.end());
        let at = match self.directories[&to_dir].entry(to) {
            // The slots of what is replaced are taken over, with what they say of the bytes.
            Some(replaced) => {
                let at = *replaced.slots.end();
                let replaced = self.file_at(to_dir, at);
                self.free(replaced);
                at
            }
            None => self.add(to_dir, to, 0, 0, false),
        };
        let file = self.files.get_mut(&ino).unwrap();
        file.at = Some((to_dir, at));
        file.inode_is_dirty = true;
        let of = self.directories.get_mut(&dir).unwrap();
        let edits = of.removal(&old);
        of.change(&edits);
    }

    fn remove(&mut self, dir: Ino, name: &str) {
        let of = self.directories.get_mut(&dir).unwrap();
        let entry = of.entry(name).unwrap();
        let edits = of.removal(&entry);
        of.change(&edits);
        if !entry.directory {
            let ino = self.file_at(dir, *entry.slots.end());
            self.free(ino);
        }
    }

    /// EDK2 writes whole entries, from a cache of its own, in the end: each sector is as before or as after.
    fn rename_by_firmware(&mut self, dir: Ino, name: &str, to: &str) {
        let of = self.directories.get_mut(&dir).unwrap();
        let old = of.entry(name).unwrap();
        let removal = of.removal(&old);
        let addition = of.addition(to, old.start, old.size, false);
        let at = addition.last().unwrap().0;
        of.change(&[removal, addition].concat());
        let ino = self.file_at(dir, *old.slots.end());
        self.files.get_mut(&ino).unwrap().at = Some((dir, at));
    }

    fn free(&mut self, ino: Ino) {
        let file = self.files.get_mut(&ino).unwrap();
        (file.at, file.freed) = (None, true);
    }

    fn file_at(&self, dir: Ino, slot: usize) -> Ino {
        let mut files = self.files.iter();
        *files
            .find(|(_, file)| file.at == Some((dir, slot)))
            .unwrap()
            .0
    }

    /// The data, the chains, and the sector that says where the data are: not the whole name, when that goes over two.
    fn sync_file(&mut self, ino: Ino) {
        self.write_inode(ino);
        let Some(file) = self.files.get_mut(&ino) else {
            return;
        };
        file.flushed.clone_from(&file.bytes);
        file.written.clear();
        if let Some((dir, slot)) = file.at {
            self.directories.get_mut(&dir).unwrap().sync_slot(slot);
        }
        self.sync_chains();
    }

    fn sync_directory(&mut self, ino: Ino) {
        self.directories.get_mut(&ino).unwrap().sync();
        self.sync_chains();
    }

    fn sync(&mut self) {
        let inos: Vec<Ino> = self.files.keys().copied().collect();
        for ino in inos {
            self.sync_file(ino);
        }
        for directory in self.directories.values_mut() {
            directory.sync();
        }
    }

    fn sync_chains(&mut self) {
        for file in self.files.values_mut() {
            file.chain_is_dirty = false;
        }
    }

    /// Writes into the entry, in memory, where the bytes are.
    fn write_inode(&mut self, ino: Ino) {
        let Some(file) = self.files.get_mut(&ino) else {
            return;
        };
        if !std::mem::take(&mut file.inode_is_dirty) {
            return;
        }
        let start = if file.bytes.is_empty() {
            0
        } else {
            number(ino)
        };
        let size = u32::try_from(file.bytes.len()).unwrap();
        if let Some((dir, at)) = file.at {
            let of = self.directories.get_mut(&dir).unwrap();
            let mut slot = of.slot(at);
            slots::locate(&mut slot, start, size);
            of.change(&[(at, slot)]);
        }
    }

    /// Puts into `volume` what firmware and kernel find after the cut.
    pub(crate) fn after_cut(mut self, volume: &mut Volume, fate: &mut Fate) {
        let inos: Vec<Ino> = self.files.keys().copied().collect();
        for ino in inos {
            // The kernel may have written an inode at any moment.
            if fate.keeps() && fate.random.one_in(8) {
                self.write_inode(ino);
            }
        }
        volume.clear(self.top);
        self.put(volume, self.top, self.top, fate);
    }

    fn put(&self, volume: &mut Volume, dir: Ino, of: Ino, fate: &mut Fate) {
        for entry in self.directories[&of].after_cut(fate) {
            if entry.name.starts_with("OTHER") || volume.children(dir).contains_key(&entry.name) {
                continue;
            }
            if entry.directory {
                let child = volume.create(dir, &entry.name, true);
                self.put(volume, child, u64::from(entry.start), fate);
            } else {
                let bytes = self.content(entry.start, entry.size as usize, fate);
                let child = volume.create(dir, &entry.name, false);
                volume.put(child, bytes);
            }
        }
    }

    fn content(&self, start: u32, size: usize, fate: &mut Fate) -> Vec<u8> {
        let Some(file) = self.files.get(&u64::from(start)) else {
            return Vec::new();
        };
        let mut bytes = file.flushed.clone();
        bytes.resize(size, 0);
        for written in &file.written {
            for sector in written.start / SECTOR..written.end.div_ceil(SECTOR) {
                let range =
                    sector * SECTOR..((sector + 1) * SECTOR).min(file.bytes.len()).min(size);
                if !range.is_empty() && fate.keeps() {
                    bytes[range.clone()].copy_from_slice(&file.bytes[range]);
                }
            }
        }
        // A chain that ends early, or clusters that are another file's by now.
        let is_broken = file.chain_is_dirty && !fate.keeps() || file.freed && fate.random.one_in(2);
        if is_broken && bytes.len() > CLUSTER {
            bytes[CLUSTER..].fill(0xdb);
        }
        bytes
    }
}

fn number(ino: Ino) -> u32 {
    u32::try_from(ino).unwrap()
}
