//! The machine that was measured on.

use std::path::Path;

use acl_host::file;
use anyhow::Result;
use serde::Serialize;

/// What a reader must know to compare.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// The processor's model.
    processor: String,
    /// How many of them the programs may use.
    processors: usize,
    /// Of memory, in bytes.
    memory: u64,
    /// The kernel's release.
    kernel: String,
    /// The file system that was written to.
    filesystem: String,
}

impl Machine {
    /// This one, with the file system of a directory.
    pub(super) fn this(written: &Path) -> Result<Self> {
        let processors = file::read_to_string("/proc/cpuinfo")?;
        let memory = file::read_to_string("/proc/meminfo")?;
        let kernel = file::read_to_string("/proc/sys/kernel/osrelease")?;
        let mounts = file::read_to_string("/proc/self/mounts")?;
        let memory = field(&memory, "MemTotal").trim_end_matches("kB").trim();
        Ok(Self {
            processor: field(&processors, "model name").to_owned(),
            processors: std::thread::available_parallelism()?.get(),
            memory: memory.parse::<u64>().unwrap_or_default() * 1024,
            kernel: kernel.trim().to_owned(),
            filesystem: filesystem(&mounts, &std::fs::canonicalize(written)?).to_owned(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            processor,
            processors,
            memory,
            kernel,
            filesystem,
        } = self;
        let gib = memory >> 30;
        write!(
            f,
            "{processor}, {processors} processors, {gib} GiB, {filesystem}, Linux {kernel}"
        )
    }
}

/// The value after `name:`.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("", |(_, value)| value.trim())
}

/// The type of what is mounted nearest above the path; the last one mounted counts.
fn filesystem<'t>(mounts: &'t str, path: &Path) -> &'t str {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| path.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map_or("", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{field, filesystem};

    #[test]
    fn what_the_kernel_tells() {
        let text = "processor\t: 0\nmodel name\t: A: B\nprocessor\t: 1\nmodel name\t: C\n";
        assert_eq!(field(text, "model name"), "A: B");
        assert_eq!(field(text, "model"), "");
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpx xfs rw 0 0\n/dev/c /tmp btrfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), "btrfs");
        assert_eq!(filesystem(mounts, Path::new("/var")), "ext4");
    }
}
