//! Directories, files and links of `storage`, in the order in which they can be made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{directory, file, link};
use crate::config::spec::{Directory, File, Link, Storage};
use crate::fetch::Fetcher;
use crate::root::{Batch, Root};
use crate::stage::disks::Done;
use crate::{Error, Result};

enum Entry<'a> {
    Directory(&'a Directory),
    File(&'a File),
    Link(&'a Link),
}

pub(super) async fn apply(storage: &Storage, root: &Root, fetcher: &Fetcher) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    let mut batch = Batch::default();
    for entry in ordered(storage, root)? {
        let path = entry.path().display().to_string();
        if entry.is_hard_link() {
            // What it is a link to may wait for its name.
            batch.commit()?;
        }
        let what = match entry {
            Entry::Directory(directory) => directory::make(directory, root)?,
            Entry::File(file) => file::make(file, root, fetcher, &mut batch).await?,
            Entry::Link(link) => link::make(link, root)?,
        };
        done.push(Done::new(path, what));
    }
    batch.commit()?;
    Ok(done)
}

/// Parents before children, by where the paths lead; hard links last, because their targets may lie deeper.
fn ordered<'a>(storage: &'a Storage, root: &Root) -> Result<Vec<Entry<'a>>> {
    let mut entries: Vec<(usize, Entry<'a>)> = Vec::new();
    let mut seen: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for entry in listed(storage) {
        let place = root.resolve(entry.path())?;
        let depth = match entry.is_hard_link() {
            true => usize::MAX,
            false => place.components().count(),
        };
        if let Some(first) = seen.insert(place.clone(), entry.path()) {
            return Err(Error::SamePlace {
                first: first.to_owned(),
                second: entry.path().to_owned(),
                place,
            });
        }
        entries.push((depth, entry));
    }
    entries.sort_by_key(|(depth, _)| *depth);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn listed(storage: &Storage) -> impl Iterator<Item = Entry<'_>> {
    let directories = storage.directories.iter().flatten().map(Entry::Directory);
    let files = storage.files.iter().flatten().map(Entry::File);
    let links = storage.links.iter().flatten().map(Entry::Link);
    directories.chain(files).chain(links)
}

impl<'a> Entry<'a> {
    fn path(&self) -> &'a Path {
        Path::new(match self {
            Self::Directory(directory) => &directory.path,
            Self::File(file) => &file.path,
            Self::Link(link) => &link.path,
        })
    }

    fn is_hard_link(&self) -> bool {
        matches!(self, Self::Link(link) if link.hard == Some(true))
    }
}
