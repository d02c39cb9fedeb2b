//! The layer: the files of a container's root as a tar archive.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use tar::{Builder, EntryType};

use super::header;

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
        let mut header = header(0o755);
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, directory, io::empty())?;
    }
    for file in files {
        let mut header = header(file.mode);
        header.set_entry_type(EntryType::Regular);
        header.set_size(file.bytes.len() as u64);
        archive.append_data(&mut header, &file.path, file.bytes.as_slice())?;
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
