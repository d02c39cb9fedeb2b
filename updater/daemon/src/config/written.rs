//! Configuration as it is written in files.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use acl_host::file;
use serde::Deserialize;

use super::Error;

/// Where fragments are looked for; later ones win.
const DIRECTORIES: [&str; 3] = [
    "usr/lib/acl/updater.d",
    "etc/acl/updater.d",
    "run/acl/updater.d",
];

/// One fragment and where it came from.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) path: PathBuf,
    pub(super) written: Written,
}

/// The keys of a fragment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) server: Option<String>,
    pub(super) mirrors: Option<Vec<String>>,
    pub(super) proxy: Option<String>,
    pub(super) no_proxy: Option<Vec<String>>,
    pub(super) ca: Option<PathBuf>,
    pub(super) bandwidth: Option<String>,
    pub(super) min_throughput: Option<String>,
    pub(super) root: Option<PathBuf>,
    pub(super) channel: Option<String>,
    pub(super) check_interval: Option<String>,
    pub(super) time_sync_wait: Option<String>,
    pub(super) automatic: Option<Automatic>,
    #[serde(default)]
    pub(super) reboot: Reboot,
    #[serde(default)]
    pub(super) health: Health,
}

/// `[reboot]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reboot {
    pub(super) strategy: Option<Strategy>,
    pub(super) unreachable: Option<Unreachable>,
    pub(super) wait_limit: Option<String>,
}

/// `[health]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    pub(super) exempt_units: Option<Vec<String>>,
    pub(super) check_timeout: Option<String>,
    pub(super) runtime_socket: Option<PathBuf>,
    pub(super) runtime_timeout: Option<String>,
}

/// What the agent does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automatic {
    /// Check, stage and arm; the default.
    Stage,
    /// Only check.
    Check,
    /// Nothing.
    Off,
}

/// When the agent reboots by itself into an armed release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Never; the default.
    Manual,
    /// At once.
    Immediate,
}

/// What becomes of a reboot into an armed release while the repository cannot be asked whether it may be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// It waits; the default.
    Wait,
    /// It is done.
    Go,
}

/// The fragments under `root` in the order in which they apply.
pub(super) fn read(root: &Path) -> Result<Vec<Fragment>, Error> {
    let mut fragments = Vec::new();
    for path in paths(root)? {
        let text = file::read_to_string(&path).map_err(|source| Error::ReadFragment { source })?;
        let written = toml::from_str(&text).map_err(|source| Error::ParseFragment {
            path: path.clone(),
            source: Box::new(source),
        })?;
        fragments.push(Fragment { path, written });
    }
    Ok(fragments)
}

fn paths(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<BTreeMap<_, PathBuf>> = Vec::new();
    for directory in DIRECTORIES {
        let mut here = BTreeMap::new();
        for path in list(&root.join(directory))? {
            if path.extension().is_some_and(|e| e == "toml") {
                here.insert(path.file_name().map(ToOwned::to_owned), path);
            }
        }
        for earlier in &mut found {
            earlier.retain(|name, _| !here.contains_key(name));
        }
        found.push(here);
    }
    Ok(found.into_iter().flat_map(BTreeMap::into_values).collect())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::ListFragments {
        path: directory.to_owned(),
        source,
    };
    match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(failed)?.path()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
    }
}
