//! A config on a filesystem that the kernel command line names by its label (Ignition 2.27, internal/providers/cmdline).

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use acl_host::{Tool, file};
use rustix::mount::{UnmountFlags, unmount};

use super::bounded::{CONFIG, too_large};
use super::{Found, Machine};
use crate::root::Root;
use crate::{Error, Result};

/// Nothing on it is run, nor taken for a device.
const OPTIONS: &str = "ro,nosuid,nodev,noexec";

/// `ignition.config.device=` and `ignition.config.path=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The label of the filesystem, as in `/dev/disk/by-label`.
    pub label: String,
    /// The config's path on it.
    pub path: String,
}

impl Labelled {
    /// The config, once the device is there; it is waited for as long as for Azure's medium ([`Machine::patience`]).
    ///
    /// # Errors
    /// [`Error::NoLabel`], [`Error::NoConfigOnDevice`], [`Error::Prepare`] when the device cannot be mounted,
    /// [`Error::TooLarge`], [`Error::Host`].
    pub async fn config(&self, machine: &Machine) -> Result<Found> {
        let device = machine.dev.join("disk/by-label").join(&self.label);
        wait(&device, machine).await?;
        let mounted = Mounted::new(&device, "auto", machine.scratch("config"), machine)?;
        self.read(&mounted.directory, &device)
    }

    /// Reads the config of the device that is mounted at `directory`; no link on it leads out of it.
    ///
    /// # Errors
    /// As [`Labelled::config`].
    pub fn read(&self, directory: &Path, device: &Path) -> Result<Found> {
        let place = format!("{} on {}", self.path, device.display());
        let bytes = Root::open(directory)?.read_at_most(&self.path, CONFIG + 1)?;
        let bytes = bytes.ok_or_else(|| Error::NoConfigOnDevice {
            device: device.to_owned(),
            path: self.path.clone(),
        })?;
        if bytes.len() as u64 > CONFIG {
            return Err(too_large(&place, CONFIG));
        }
        let config = Some(bytes).filter(|bytes| !bytes.is_empty());
        Ok(Found { config, place })
    }
}

async fn wait(device: &Path, machine: &Machine) -> Result<()> {
    let begun = Instant::now();
    let limit = machine.patience.medium;
    while !file::exists(device)? {
        if begun.elapsed() >= limit {
            return Err(Error::NoLabel {
                device: device.to_owned(),
                waited: limit,
            });
        }
        tokio::time::sleep(machine.patience.look).await;
    }
    Ok(())
}

/// A mounted device; unmounted when it is dropped, whatever happened meanwhile.
#[derive(Debug)]
struct Mounted {
    directory: PathBuf,
}

impl Mounted {
    /// Mounts a device whose filesystem is of the type `kind`; `auto` is whichever it has.
    fn new(device: &Path, kind: &str, directory: PathBuf, machine: &Machine) -> Result<Self> {
        // Passwords may be on it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|source| acl_host::Error::WriteFile {
                path: directory.clone(),
                source,
            })?;
        let command = machine.tools.command(Tool::Mount);
        let command = command.args(["-o", OPTIONS, "-t", kind]);
        match command.arg(device).arg(&directory).run() {
            Ok(_) => Ok(Self { directory }),
            Err(source) => {
                // Only an empty directory is removed; where that fails it is in nobody's way.
                let _ = std::fs::remove_dir(&directory);
                Err(Error::Prepare {
                    action: "mount".to_owned(),
                    name: format!("{} (any type, with options {OPTIONS})", device.display()),
                    source,
                })
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        match unmount(&self.directory, UnmountFlags::DETACH) {
            // As above.
            Ok(()) => drop(std::fs::remove_dir(&self.directory)),
            Err(error) => tracing::warn!(%error, "the device with the config stays mounted"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use acl_host::{Tool, Tools};

    use super::{Machine, Mounted};

    /// The options of the mount at `directory`; none where nothing is mounted.
    pub(in crate::platform) fn options(directory: &Path) -> Option<String> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let directory = directory.display().to_string();
        mounts.lines().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words.get(4) == Some(&directory.as_str())).then(|| words[5].to_owned())
        })
    }

    /// Whether this process may mount. When not, runs the test in namespaces in which it may, and expects it to pass.
    pub(in crate::platform) fn may_mount(test: &str) -> bool {
        if rustix::process::geteuid().is_root() {
            return true;
        }
        let own = std::env::current_exe().unwrap();
        let command = Tools::host().command(Tool::Unshare).arg("--map-root-user");
        let command = command.arg("--mount").arg(own).args(["--exact", test]);
        let said = String::from_utf8(command.run().unwrap()).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        false
    }

    /// By the same program and options as a device, with a type of filesystem that needs none.
    #[test]
    fn what_is_mounted_can_do_nothing_and_is_unmounted() {
        let name = "platform::labelled::tests::what_is_mounted_can_do_nothing_and_is_unmounted";
        if !may_mount(name) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().canonicalize().unwrap();
        let machine = Machine {
            run,
            ..Machine::this().unwrap()
        };
        let directory = machine.scratch("config");
        let mounted =
            Mounted::new(Path::new("none"), "tmpfs", directory.clone(), &machine).unwrap();
        let options_then = options(&directory).unwrap();
        let options_then: Vec<&str> = options_then.split(',').collect();
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(
                options_then.contains(&option),
                "{option} in {options_then:?}"
            );
        }
        drop(mounted);
        assert_eq!(options(&directory), None);
        assert!(!directory.exists());
    }
}
