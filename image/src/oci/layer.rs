//! The layer: the files of a container's root as a tar archive.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use tar::{Builder, EntryType};

use crate::tar_entry;

/// A file of a container's root.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path, without a leading slash.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The archive of `files`, which are root's, and of the directories above them.
pub(super) fn tar(files: &[File]) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for directory in directories(files) {
        let mut head = tar_entry::head(EntryType::Directory, 0o755);
        archive.append_data(&mut head, directory, io::empty())?;
    }
    for file in files {
        let mut head = tar_entry::head(EntryType::Regular, file.mode);
        head.set_size(file.bytes.len() as u64);
        archive.append_data(&mut head, &file.path, file.bytes.as_slice())?;
    }
    archive.into_inner()
}

/// Each directory once, the upper ones first.
fn directories(files: &[File]) -> BTreeSet<&Path> {
    let above = files
        .iter()
        .flat_map(|file| Path::new(&file.path).ancestors().skip(1));
    above.filter(|path| *path != Path::new("")).collect()
}
