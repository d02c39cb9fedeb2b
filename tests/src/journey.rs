//! How far a machine has come on the way from one release to the next: disks that tests start from.
//!
//! Each stop is made once in a run of the tests, from the stop before it; a test works on a copy.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::handover::Handover;
use crate::machine::{Machine, Parts};
use crate::node::{Node, STAGE, Status, TRIAL};
use crate::releases::{self, Release};
use crate::repository::Repository;
use crate::site::Site;
use crate::transcript::Watcher;
use crate::{disk, firmware, workspace};

/// A machine that is switched off.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Its disk.
    pub disk: PathBuf,
    /// Its firmware's variables.
    pub variables: PathBuf,
    /// What its agent said last.
    pub status: Status,
}

/// The first release, booted once: its root file system is made, nothing was updated.
///
/// # Errors
/// When the machine does not get there.
pub fn settled() -> Result<Stop> {
    static MADE: Mutex<Option<Stop>> = Mutex::new(None);
    once(&MADE, || {
        let mut node = Fresh::copy("settled")?.boot(Handover::default())?;
        let status = node.wait_for_state("idle", TRIAL)?;
        stop("settled", node, status)
    })
}

/// The second release is staged and armed; the next boot tries it.
///
/// # Errors
/// When the machine does not get there.
pub fn armed() -> Result<Stop> {
    static MADE: Mutex<Option<Stop>> = Mutex::new(None);
    once(&MADE, || {
        let from = settled()?;
        let site = site("armed")?;
        let mut node = from.boot("armed", site.handover()?)?;
        let status = node.stage()?;
        stop("armed", node, status)
    })
}

/// The second release runs and has proved itself.
///
/// # Errors
/// When the machine does not get there.
pub fn committed() -> Result<Stop> {
    static MADE: Mutex<Option<Stop>> = Mutex::new(None);
    once(&MADE, || {
        let site = site("committed")?;
        let mut node = armed()?.boot("committed", site.handover()?)?;
        let status = node.wait_for_state("committed|rolled-back", STAGE)?;
        stop("committed", node, status)
    })
}

/// A server of a repository that is the caller's own, and offers the first two releases.
///
/// # Errors
/// When the repository cannot be made.
pub fn site(name: &str) -> Result<Site> {
    let place = workspace::scratch(name)?.join("site");
    Site::serve(Repository::of_all_releases(&place)?)
}

impl Stop {
    /// Boots a copy of it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(&self, name: &str, handover: Handover) -> Result<Node> {
        Node::wait_for(self.copy(name)?.switch_on(handover)?)
    }

    /// A copy of it that may be changed.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn copy(&self, name: &str) -> Result<Fresh> {
        Fresh::make(name, &self.disk, |variables| {
            std::fs::copy(&self.variables, variables)?;
            Ok(())
        })
    }
}

/// A copy of a machine, to be changed and switched on.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// What its logs are called.
    pub name: String,
    /// Its disk.
    pub disk: PathBuf,
    /// Further disks.
    pub extra: Vec<PathBuf>,
    /// Its firmware's variables.
    pub variables: PathBuf,
    /// As [`Parts::network`].
    pub network: Vec<String>,
    /// As [`Parts::hardware`].
    pub hardware: Vec<String>,
}

impl Fresh {
    /// The first release as it was built, in a machine that enforces Secure Boot with the builder's keys.
    ///
    /// # Errors
    /// When the release cannot be built or the keys cannot be enrolled.
    pub fn copy(name: &str) -> Result<Self> {
        Self::of(Release::First, name)
    }

    /// The same of another release.
    ///
    /// # Errors
    /// As [`Self::copy`].
    pub fn of(release: Release, name: &str) -> Result<Self> {
        let build = release.build()?;
        Self::make(name, &build.disk(), |variables| {
            firmware::enrol(&workspace::tools()?, &releases::keys()?, variables)
        })
    }

    /// Makes its disk so many MiB larger, as an operator does with a new machine's.
    ///
    /// # Errors
    /// When the file cannot be enlarged.
    pub fn enlarge(self, mib: u64) -> Result<Self> {
        let disk = std::fs::File::options().write(true).open(&self.disk)?;
        disk.set_len(disk.metadata()?.len() + (mib << 20))?;
        Ok(self)
    }

    /// Gives it a further disk of so many MiB, with nothing on it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn with_blank_disk(mut self, mib: u64) -> Result<Self> {
        let disk = self
            .disk
            .with_file_name(format!("extra{}.raw", self.extra.len()));
        std::fs::File::create(&disk)?.set_len(mib << 20)?;
        self.extra.push(disk);
        Ok(self)
    }

    /// Gives it a further disk that holds `bytes`, followed by zeros up to a whole MiB.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn with_disk_of(self, bytes: &[u8]) -> Result<Self> {
        let mib = (bytes.len() as u64).div_ceil(1 << 20);
        let fresh = self.with_blank_disk(mib)?;
        if let Some(disk) = fresh.extra.last() {
            std::fs::File::options()
                .write(true)
                .open(disk)?
                .write_all(bytes)?;
        }
        Ok(fresh)
    }

    /// Gives QEMU's user network a further option, as [`Parts::network`].
    #[must_use]
    pub fn with_network(mut self, option: impl Into<String>) -> Self {
        self.network.push(option.into());
        self
    }

    /// Gives QEMU further arguments, as [`Parts::hardware`].
    #[must_use]
    pub fn with_hardware<const N: usize>(mut self, arguments: [impl Into<String>; N]) -> Self {
        self.hardware.extend(arguments.map(Into::into));
        self
    }

    /// Switches it on.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on(self, handover: Handover) -> Result<Machine> {
        self.power(handover, None)
    }

    /// Switches it on; `watcher` sees each line of the console.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on_with(self, handover: Handover, watcher: Watcher) -> Result<Machine> {
        self.power(handover, Some(watcher))
    }

    fn power(self, handover: Handover, watcher: Option<Watcher>) -> Result<Machine> {
        Machine::switch_on(
            &workspace::tools()?,
            Parts {
                name: self.name,
                disk: self.disk.clone(),
                extra: self.extra,
                variables: self.variables,
                handover,
                network: self.network,
                hardware: self.hardware,
                discard: self.disk.parent().map(Path::to_owned),
                watcher,
            },
        )
    }

    /// Switches it on and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(self, handover: Handover) -> Result<Node> {
        Node::wait_for(self.switch_on(handover)?)
    }

    fn make(name: &str, from: &Path, variables: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let directory = workspace::directory("machines")?.join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let fresh = Self {
            name: name.to_owned(),
            disk: directory.join("disk.raw"),
            extra: Vec::new(),
            variables: directory.join("variables.fd"),
            network: Vec::new(),
            hardware: Vec::new(),
        };
        disk::copy(from, &fresh.disk)?;
        variables(&fresh.variables)?;
        Ok(fresh)
    }
}

fn stop(name: &str, mut node: Node, status: Status) -> Result<Stop> {
    // The next boot of a copy has a config of its own.
    node.aclctl_ok("provision reset --yes")?;
    node.shut_down()?;
    let directory = workspace::directory("machines")?.join(name);
    Ok(Stop {
        disk: directory.join("disk.raw"),
        variables: directory.join("variables.fd"),
        status,
    })
}

fn once(made: &Mutex<Option<Stop>>, make: impl FnOnce() -> Result<Stop>) -> Result<Stop> {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stop) = &*made {
        return Ok(stop.clone());
    }
    Ok(made.insert(make()?).clone())
}
