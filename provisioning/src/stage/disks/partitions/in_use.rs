//! Which partitions of a disk are in use and so must not change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acl_host::file;

use super::fate::Fate;
use super::plan::Plan;
use crate::stage::disks::device::Device;
use crate::stage::disks::machine::Machine;
use crate::{Error, Result};

/// What is in use of a disk, and by whom: `mounted at /`, `held by dm-0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// By whom the disk is in use as a whole.
    pub disk: Option<String>,
    /// By whom its partitions are, by number.
    pub partitions: BTreeMap<u32, String>,
}

impl InUse {
    /// Asks the kernel: `/sys/class/block/<name>/holders`, `/proc/self/mountinfo`, `/proc/swaps`.
    ///
    /// # Errors
    /// [`Error::Host`] when the kernel's lists cannot be read; a list that is not there is empty (a disk in a file).
    pub fn look(device: &Device, machine: &Machine) -> Result<Self> {
        let name = device.kernel_name();
        let directory = machine.path("/sys/class/block").join(&name);
        let busy = Busy::read(machine)?;
        let mut partitions = BTreeMap::new();
        for partition in names(&directory)? {
            let number = directory.join(&partition).join("partition");
            if !file::exists(&number)? {
                continue;
            }
            let number = file::read_to_string(&number)?.trim().parse::<u32>();
            let user = busy.user(&directory.join(&partition))?;
            if let (Ok(number), Some(user)) = (number, user) {
                partitions.insert(number, user);
            }
        }
        Ok(Self {
            disk: busy.user(&directory)?,
            partitions,
        })
    }

    /// Refuses a plan that changes what is in use.
    pub(super) fn allows(&self, disk: &str, plan: &Plan) -> Result<()> {
        let refuse = |reason: String| {
            Err(Error::Disk {
                name: disk.to_owned(),
                reason,
            })
        };
        if let (Some(user), true) = (&self.disk, plan.is_change()) {
            return refuse(format!(
                "it is in use, {user}, and its partitions would change"
            ));
        }
        if let (Some((number, user)), true) = (self.partitions.first_key_value(), plan.wiped) {
            return refuse(format!(
                "its table cannot be wiped: partition {number} is in use, {user}"
            ));
        }
        for change in &plan.changes {
            let changed = !matches!(change.fate, Fate::Absent | Fate::Matched);
            if let (Some(user), true) = (self.partitions.get(&change.number), changed) {
                return Err(Error::Partition {
                    disk: disk.to_owned(),
                    number: change.number,
                    reason: format!("it is in use, {user}, and would be changed"),
                });
            }
        }
        Ok(())
    }
}

/// Everything that is mounted or swapped to.
struct Busy {
    mounts: Vec<Mount>,
    swaps: Vec<String>,
}

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// The number of the device, `8:1`; btrfs has one of its own here.
    number: String,
    place: String,
    /// What was mounted: a device by any of its names, or a word.
    source: PathBuf,
}

impl Busy {
    fn read(machine: &Machine) -> Result<Self> {
        let read = |path: &str| {
            let path = machine.path(path);
            match file::exists(&path)? {
                true => file::read_to_string(path),
                false => Ok(String::new()),
            }
        };
        Ok(Self {
            mounts: mounts(&read("/proc/self/mountinfo")?)
                .into_iter()
                .map(|mount| Mount {
                    source: machine
                        .path(&mount.source)
                        .canonicalize()
                        .unwrap_or(mount.source),
                    ..mount
                })
                .collect(),
            swaps: swaps(&read("/proc/swaps")?),
        })
    }

    /// Who uses the device with this directory in sysfs.
    fn user(&self, directory: &Path) -> Result<Option<String>> {
        if let Some(holder) = names(&directory.join("holders"))?.first() {
            return Ok(Some(format!("held by {holder}")));
        }
        let number = directory.join("dev");
        let number = match file::exists(&number)? {
            true => file::read_to_string(number)?,
            false => String::new(),
        };
        let name = directory.file_name().unwrap_or_default();
        let mounted = |mount: &&Mount| {
            mount.number == number.trim() || mount.source.file_name() == Some(name)
        };
        if let Some(mount) = self.mounts.iter().find(mounted) {
            return Ok(Some(format!("mounted at {}", mount.place)));
        }
        let name = name.to_string_lossy();
        let swap = self.swaps.iter().any(|swap| *swap == name);
        Ok(swap.then(|| "as swap space".to_owned()))
    }
}

/// The mounts of devices in `/proc/self/mountinfo`.
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let mut words = mount.split(' ').skip(2);
        let (number, _, place) = (words.next()?, words.next()?, words.next()?);
        let source = source
            .split(' ')
            .nth(1)
            .filter(|source| source.starts_with("/dev/"))?;
        Some(Mount {
            number: number.to_owned(),
            place: place.to_owned(),
            source: source.into(),
        })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// The kernel's names of the devices in `/proc/swaps`.
fn swaps(swaps: &str) -> Vec<String> {
    let devices = swaps.lines().filter_map(|line| line.strip_prefix("/dev/"));
    devices
        .filter_map(|line| Some(line.split([' ', '\t']).next()?.to_owned()))
        .collect()
}

/// The names in a directory, sorted; none where it is not there.
fn names(directory: &Path) -> Result<Vec<String>> {
    let failed = |source| acl_host::Error::ListDirectory {
        path: directory.to_owned(),
        source,
    };
    if !file::exists(directory)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.push(
            entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{Mount, mounts, swaps};

    #[test]
    fn lists_of_the_kernel() {
        let text = "24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n\
                    25 24 0:5 / /dev rw - devtmpfs devtmpfs rw\n\
                    30 24 0:31 / /boot rw - btrfs /dev/disk/by-label/b rw\nshort\n";
        let expected = [
            ("8:2", "/", "/dev/sda2"),
            ("0:31", "/boot", "/dev/disk/by-label/b"),
        ];
        let expected = expected.map(|(number, place, source)| Mount {
            number: number.into(),
            place: place.into(),
            source: source.into(),
        });
        assert_eq!(mounts(text), expected);
        let text = "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb3 partition\t8\t0\t-2\n/swapfile file\t1\t0\t-3\n";
        assert_eq!(swaps(text), ["sdb3"]);
        assert_eq!(swaps(""), [""; 0]);
    }
}
