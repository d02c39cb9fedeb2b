//! Whether an update has the memory and the space that it needs beside the slot and the ESP.

use acl_host::file;
use acl_release::manifest::Manifest;

use super::Error;
use crate::machine::Machine;

/// The most memory that an update takes: 48 MiB.
const MEMORY: u64 = 48 << 20;

/// Kept free beside what is staged: the state, and metadata of the repository.
const RESERVE: u64 = 4 << 20;

pub(super) fn check(machine: &Machine, manifest: &Manifest) -> Result<(), Error> {
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
    let needed = needed(manifest);
    if free < needed {
        return Err(Error::StateFull { path, needed, free });
    }
    Ok(())
}

/// The kernel image, and it and the running one unpacked.
fn needed(manifest: &Manifest) -> u64 {
    let uki = &manifest.artifacts.uki;
    let bases = manifest.patches.iter().map(|patch| &patch.uki.base);
    let base = bases.map(|base| base.unpacked_size()).max().unwrap_or(0);
    [uki.size, uki.comparable().1.size, base, RESERVE]
        .into_iter()
        .fold(0, u64::saturating_add)
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
    use super::available_in;

    #[test]
    fn memory_is_read_as_the_kernel_tells_it() {
        let text = "MemTotal:  24 kB\nMemAvailable:   2048 kB\nBuffers: 1 kB\n";
        assert_eq!(available_in(text), Some(2 << 20));
        assert_eq!(available_in("MemTotal: 24 kB\n"), None);
    }
}
