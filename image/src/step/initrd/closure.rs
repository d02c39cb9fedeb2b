//! Programs with the libraries that they are linked with, and those with theirs.

use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, elf};

use super::archive::Archive;
use crate::Error;

/// Where libraries of the tree are; the second is in the run path of systemd's own programs.
const LIBRARIES: [&str; 3] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/systemd",
    "usr/lib64",
];

/// Adds the `programs` of `tree`, with everything that they need to be loaded.
pub(super) fn add(archive: &mut Archive, tree: &Path, programs: &[String]) -> Result<(), Error> {
    let mut queue: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
    while let Some(path) = queue.pop() {
        if archive.contains(&path) {
            continue;
        }
        archive.add(tree, &path)?;
        let needs = needs(&tree.join(&path))?;
        queue.extend(
            needs
                .loader
                .map(|loader| Path::new("usr").join(loader.trim_start_matches('/'))),
        );
        for name in needs.libraries {
            queue.push(library(tree, &name, &path)?);
        }
    }
    Ok(())
}

fn library(tree: &Path, name: &str, wanted_by: &Path) -> Result<PathBuf, Error> {
    LIBRARIES
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| tree.join(path).symlink_metadata().is_ok())
        .ok_or_else(|| Error::NoLibrary {
            name: name.to_owned(),
            wanted_by: wanted_by.to_owned(),
        })
}

/// What an ELF file needs to be started; nothing where it is no ELF file.
#[derive(Debug, Default)]
struct Needs {
    /// The program that loads it, such as `/lib64/ld-linux-x86-64.so.2`; a library names none.
    loader: Option<String>,
    /// Libraries by name.
    libraries: Vec<String>,
}

fn needs(path: &Path) -> Result<Needs, Error> {
    let bytes = fs::read(path).map_err(|source| Error::ReadInput {
        path: path.to_owned(),
        source,
    })?;
    if !bytes.starts_with(&elf::ELFMAG) {
        return Ok(Needs::default());
    }
    parse(&bytes).map_err(|source| Error::ReadElf {
        path: path.to_owned(),
        source,
    })
}

fn parse(bytes: &[u8]) -> Result<Needs, object::read::Error> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let mut needs = Needs::default();
    for segment in header.program_headers(endian, bytes)? {
        if let Some(loader) = segment.interpreter(endian, bytes)? {
            needs.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
    }
    let sections = header.sections(endian, bytes)?;
    if let Some((entries, strings)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, strings)?;
        for entry in entries
            .iter()
            .filter(|entry| entry.tag(endian) == DT_NEEDED)
        {
            needs
                .libraries
                .push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
        }
    }
    Ok(needs)
}
