//! Where thousands of files can be made and removed without a disk: some take milliseconds for each removal.

use std::path::{Path, PathBuf};

use acl_host::file;

/// The tmpfs that every Linux has.
const SHARED_MEMORY: &str = "/dev/shm";
/// A tree takes 400 MB; a machine with less memory to spare than this keeps it on disk.
const NEEDED: u64 = 4 << 30;
const PREFIX: &str = ".acl-image-";

/// A directory in memory that has room for a tree; `None` on a machine that has no memory to spare.
pub(crate) fn directory() -> Option<PathBuf> {
    let path = Path::new(SHARED_MEMORY);
    let disk = rustix::fs::statvfs(path).ok()?;
    let free = disk.f_bavail.checked_mul(disk.f_frsize)?;
    let spare = available(&file::read_to_string("/proc/meminfo").ok()?)?;
    (free >= NEEDED && spare >= NEEDED).then(|| path.to_owned())
}

/// The beginning of the names of this process's directories.
pub(crate) fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Removes what builds that were killed have left in `directory`: memory is not to be lost until the next reboot.
pub(crate) fn sweep(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let process = name.to_str().and_then(process_of);
        // Where nothing says so, the build may be running.
        let is_gone = |process| matches!(Path::new("/proc").join(process).try_exists(), Ok(false));
        if process.is_some_and(is_gone) {
            // Another user's, or another build was faster: nothing depends on it.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn process_of(name: &str) -> Option<&str> {
    let (process, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    process
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(process)
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{available, process_of};

    #[test]
    fn names_of_directories() {
        let cases = [
            (".acl-image-123-x7Kd", Some("123")),
            (".acl-image-x-1", None),
            (".acl-image-123", None),
            ("other", None),
        ];
        for (name, process) in cases {
            assert_eq!(process_of(name), process, "{name}");
        }
    }

    #[test]
    fn lines_of_meminfo() {
        let text = "MemTotal:       24624296 kB\nMemAvailable:   23995000 kB\n";
        assert_eq!(available(text), Some(23_995_000 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
