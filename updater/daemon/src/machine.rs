//! Where the things of a machine are: the one that runs, or one whose disk is a file.

use std::path::PathBuf;

use acl_host::{
    cmdline::Cmdline,
    disk::{self, Disk, Region},
    esp::Esp,
    file,
    gpt::{Partition, Table},
    slot::Slots,
    verity::{self, RootHash},
};
use acl_updater_core::Version;

/// Where the things of a machine are. The default is the machine that runs.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its root directory.
    pub root: PathBuf,
    /// Its disk, when it is not to be found through the kernel command line: an image file.
    pub disk: Option<PathBuf>,
    /// The directory that is its EFI system partition, when it is not mounted at the usual place.
    pub esp: Option<PathBuf>,
    /// The size in bytes of the EFI system partition, when `esp` is a directory that is no file system.
    pub esp_size: Option<u64>,
}

/// What os-release says about the running release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `IMAGE_ID`
    pub id: String,
    /// `IMAGE_VERSION`
    pub version: Version,
}

/// The slot that the next release goes to.
#[derive(Clone, Debug)]
pub struct OtherSlot {
    /// The file system.
    pub usr: Region,
    /// The tree over it.
    pub verity: Region,
    /// The signature of the tree's root hash.
    pub signature: Region,
}

/// Why the machine could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    #[error("cannot read what runs here")]
    ReadRelease { source: acl_host::Error },
    #[error(
        "{} has no {key}: the agent works only on an ACL image", path.display()
    )]
    NoImage { path: PathBuf, key: &'static str },
    #[error("cannot find the slots")]
    FindSlots { source: acl_host::Error },
    #[error("cannot read the boot entries")]
    ReadEntries { source: acl_host::Error },
}

impl Error {
    /// Who must act.
    #[must_use]
    pub fn who(&self) -> acl_host::Who {
        match self {
            Self::NoImage { .. } => acl_host::Who::Environment,
            Self::ReadRelease { source }
            | Self::FindSlots { source }
            | Self::ReadEntries { source } => source.who(),
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            root: "/".into(),
            disk: None,
            esp: None,
            esp_size: None,
        }
    }
}

impl Machine {
    /// Whether this is the machine that runs, and may be rebooted.
    #[must_use]
    pub fn is_this_one(&self) -> bool {
        self.disk.is_none()
    }

    /// The directory of what the agent keeps.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("var/lib/acl/updater")
    }

    /// The running release.
    ///
    /// # Errors
    /// [`Error::ReadRelease`], [`Error::NoImage`].
    pub fn image(&self) -> Result<Image, Error> {
        let path = self.root.join("usr/lib/os-release");
        let text = file::read_to_string(&path).map_err(|source| Error::ReadRelease { source })?;
        parse_image(&text).map_err(|key| Error::NoImage { path, key })
    }

    /// The partition table of the disk that holds the running release, and the slots on it.
    ///
    /// # Errors
    /// [`Error::FindSlots`].
    pub fn slots(&self) -> Result<(Table, Slots), Error> {
        let found = || {
            let cmdline = Cmdline::read(&self.root)?;
            let running = cmdline.usrhash().ok_or(acl_host::Error::NoUsrHash)?;
            let path = match &self.disk {
                Some(path) => path.clone(),
                None => disk::find(&self.root, running.usr_guid())?,
            };
            let table = Table::read(path)?;
            let slots = Slots::find(&table, &cmdline)?;
            Ok((table, slots))
        };
        found().map_err(|source| Error::FindSlots { source })
    }

    /// The partitions of the slot that is not in use, as regions of the disk.
    ///
    /// # Errors
    /// [`Error::FindSlots`].
    pub fn other_slot(&self) -> Result<OtherSlot, Error> {
        let (table, Slots { other, .. }) = self.slots()?;
        let open = || {
            let disk = Disk::open(table.path())?;
            Ok(OtherSlot {
                usr: region(&disk, &other.usr)?,
                verity: region(&disk, &other.verity)?,
                signature: region(&disk, &other.signature)?,
            })
        };
        open().map_err(|source| Error::FindSlots { source })
    }

    /// The root hash of the running release, as the kernel was told.
    ///
    /// # Errors
    /// [`Error::FindSlots`].
    pub fn root_hash(&self) -> Result<RootHash, Error> {
        let found = Cmdline::read(&self.root).map(|cmdline| cmdline.usrhash());
        let found = found.and_then(|hash| hash.ok_or(acl_host::Error::NoUsrHash));
        found.map_err(|source| Error::FindSlots { source })
    }

    /// The file system of the running release, to be read only.
    ///
    /// # Errors
    /// [`Error::FindSlots`].
    pub fn running_usr(&self) -> Result<Region, Error> {
        let (table, Slots { running, .. }) = self.slots()?;
        let open = || {
            let disk = Disk::open_read_only(table.path())?;
            let length = verity::data_length(&region(&disk, &running.verity)?)?;
            Ok(region(&disk, &running.usr)?.first(length))
        };
        open().map_err(|source| Error::FindSlots { source })
    }

    /// The EFI system partition.
    ///
    /// # Errors
    /// [`Error::ReadEntries`].
    pub fn esp(&self) -> Result<Esp, Error> {
        match &self.esp {
            Some(path) => Ok(Esp::at(path)),
            None => Esp::find(&self.root).map_err(|source| Error::ReadEntries { source }),
        }
    }
}

fn region(disk: &Disk, partition: &Partition) -> acl_host::Result<Region> {
    disk.region(format!("partition {}", partition.index), partition.range())
}

fn parse_image(text: &str) -> Result<Image, &'static str> {
    Ok(Image {
        id: value(text, "IMAGE_ID").ok_or("IMAGE_ID")?,
        version: Version::new(value(text, "IMAGE_VERSION").ok_or("IMAGE_VERSION")?),
    })
}

/// A value of os-release(5); quotes are dropped, escapes do not occur in what is asked for here.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let value = line.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_os_release() {
        let text = "ID=acl\nIMAGE_ID=\"acl\"\nIMAGE_VERSION=2026.11.1\nIMAGE_VERSION_X=3\n";
        let image = Image {
            id: "acl".into(),
            version: Version::new("2026.11.1"),
        };
        assert_eq!(parse_image(text), Ok(image));
        assert_eq!(parse_image("IMAGE_ID=acl\n"), Err("IMAGE_VERSION"));
        assert_eq!(parse_image("IMAGE_VERSION=1\nIMAGE_ID=\n"), Err("IMAGE_ID"));
    }
}
