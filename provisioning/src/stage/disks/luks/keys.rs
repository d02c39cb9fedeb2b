//! The key files of volumes.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use acl_host::file;
use ring::rand::{SecureRandom, SystemRandom};

use super::clevis::has_advertisement;
use super::present;
use super::volume::refused;
use crate::Result;
use crate::config::spec::{Luks, Resource};
use crate::fetch::Fetcher;
use crate::stage::disks::machine::Machine;

/// Where key files lie in the initrd: in memory, for the stages of this boot (the place that Ignition uses).
pub const DIRECTORY: &str = "/run/ignition/luks-keyfiles";

/// Random bytes in a key that is made here. It is written as hexadecimal digits, since clevis cannot take any byte.
const RANDOM_BYTES: usize = 4096;

/// The key files that a config gives, by the names of their volumes.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Keys {
    /// Fetches the key files of all volumes, and asks the tang servers that will be needed whether they are there: what
    /// the network does not give fails here, before a disk is touched.
    ///
    /// # Errors
    /// Those of [`Fetcher::fetch_to`].
    pub async fn fetch(volumes: &[Luks], fetcher: &Fetcher) -> Result<Self> {
        let mut keys = Self::default();
        for wanted in volumes {
            if let Some(resource) = given(wanted) {
                let mut bytes = Vec::new();
                fetcher.fetch_to(resource, &mut bytes).await?;
                keys.insert(&wanted.name, bytes);
            }
            for resource in advertisements(wanted) {
                fetcher.fetch_to(&resource, &mut std::io::sink()).await?;
            }
        }
        Ok(keys)
    }

    /// Adds the key of a volume.
    pub fn insert(&mut self, volume: &str, bytes: Vec<u8>) {
        self.0.insert(volume.to_owned(), bytes);
    }
}

/// The key file that the config gives.
pub(super) fn given(wanted: &Luks) -> Option<&Resource> {
    let source = |key: &&Resource| {
        key.source
            .as_deref()
            .is_some_and(|source| !source.is_empty())
    };
    wanted.key_file.as_ref().filter(source)
}

/// What the volume's tang servers are asked for by clevis when it binds.
pub fn advertisements(wanted: &Luks) -> Vec<Resource> {
    let clevis = present(wanted).into_iter();
    let servers = clevis.flat_map(|clevis| clevis.tang.as_deref().unwrap_or_default());
    servers
        .filter(|tang| !has_advertisement(tang))
        .filter_map(|tang| tang.url.as_deref())
        .map(|url| Resource {
            source: Some(format!("{}/adv", url.trim_end_matches('/'))),
            ..Resource::default()
        })
        .collect()
}

/// The key file of a volume, in [`DIRECTORY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was made here, since the config gives none.
    pub generated: bool,
}

impl KeyFile {
    /// Writes the key file of a volume, for its owner only.
    ///
    /// # Errors
    /// [`crate::Error::Luks`] for a key that was not fetched, [`crate::Error::Host`] when it cannot be written.
    pub(super) fn write(wanted: &Luks, keys: &Keys, machine: &Machine) -> Result<Self> {
        let directory = machine.path(DIRECTORY);
        private_directory(&directory)?;
        let path = directory.join(&wanted.name);
        let generated = given(wanted).is_none();
        let bytes = match (generated, keys.0.get(&wanted.name)) {
            (true, _) => generate(wanted)?,
            (false, Some(bytes)) => bytes.clone(),
            (false, None) => return Err(refused(wanted, "its key file was not fetched")),
        };
        file::write_private(&path, &bytes)?;
        Ok(Self { path, generated })
    }

    /// The path as an argument.
    pub(super) fn arg(&self) -> String {
        self.path.display().to_string()
    }
}

fn private_directory(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| {
        acl_host::Error::WriteFile {
            path: path.to_owned(),
            source,
        }
        .into()
    })
}

fn generate(wanted: &Luks) -> Result<Vec<u8>> {
    let mut bytes = vec![0; RANDOM_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| {
            refused(wanted, "the kernel gives no random numbers")
        })?;
    Ok(hex::encode(bytes).into_bytes())
}
