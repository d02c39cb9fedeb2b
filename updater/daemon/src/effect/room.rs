//! Whether an update has the memory and the space that it needs beside the slot and the ESP.

use std::{os::unix::fs::MetadataExt, path::Path};

use acl_host::file;
use acl_release::manifest::Part;

use super::{Error, staged_files::StagedFiles};
use crate::{machine::Machine, session::Found};

/// The most memory that an update takes: 48 MiB.
const MEMORY: u64 = 48 << 20;

/// Kept free beside what is staged: the state, and metadata of the repository.
const RESERVE: u64 = 4 << 20;

pub(super) fn check(machine: &Machine, found: &Found) -> Result<(), Error> {
    let memory = file::read_to_string(machine.root.join("proc/meminfo")).ok();
    // A kernel that does not tell is one that has enough, or fails an allocation.
    let available = memory.as_deref().and_then(available_in);
    if let Some(available) = available.filter(|available| *available < MEMORY) {
        return Err(Error::LowMemory {
            available,
            needed: MEMORY,
        });
    }
    let path = machine.state_dir();
    let free = file::free(&path).map_err(|source| Error::KeepState { source })?;
    let needed = needed(found, &StagedFiles::new(&path));
    if free < needed {
        return Err(Error::StateFull { path, needed, free });
    }
    Ok(())
}

/// The kernel image, with a patch also it and the running one unpacked; less what an earlier try has left of them.
fn needed(found: &Found, files: &StagedFiles) -> u64 {
    let uki = &found.manifest.artifacts.uki;
    let missing = |path: &Path, size: u64| size.saturating_sub(held(path));
    let image = missing(&files.path(Part::Uki), uki.size);
    let unpacked = found.patch().map_or(0, |patch| {
        let size = uki.comparable().1.size;
        let new = missing(&files.unpacked(), size);
        new.saturating_add(patch.uki.base.unpacked_size())
    });
    image.saturating_add(unpacked).saturating_add(RESERVE)
}

/// What a file takes of its file system, in bytes: it may have holes. One that is not there takes nothing.
fn held(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

/// `MemAvailable` of /proc/meminfo (proc(5)), in bytes.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::{available_in, held};

    #[test]
    fn a_hole_takes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sparse");
        assert_eq!(held(&path), 0);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(held(&path), 0);
        file.write_all_at(&[1; 8192], 4096).unwrap();
        file.sync_all().unwrap();
        assert_eq!(held(&path), 8192);
    }

    #[test]
    fn memory_is_read_as_the_kernel_tells_it() {
        let text = "MemTotal:  24 kB\nMemAvailable:   2048 kB\nBuffers: 1 kB\n";
        assert_eq!(available_in(text), Some(2 << 20));
        assert_eq!(available_in("MemTotal: 24 kB\n"), None);
    }
}
