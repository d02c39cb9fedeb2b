//! The stage that decides what the machine shall be: from all places to one config that is whole and valid.
//!
//! In Ignition's order: the system's base configs (`base.d`, `base.platform.d/<platform>`), over them what the platform
//! says of the machine, over them the operator's config: of the kernel command line (`ignition.config.url`, else
//! `ignition.config.device` with `ignition.config.path`), else of `user.ign` of the system, else of the platform.

mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acl_host::file;
use ring::digest::{SHA512, digest};

use crate::config::report::Findings;
use crate::config::{self, check, kernel_arguments, merge, resolve, spec};
use crate::fetch::{Fetcher, short};
use crate::platform::cmdline::Arguments;
use crate::platform::{Machine, Platform};
use crate::status::Origin;
use crate::{Error, Result};

/// The config that was decided on, and where it is from.
#[derive(Debug)]
pub struct Decided {
    /// Whole and valid: it names no other configs.
    pub config: spec::Config,
    /// Every document that went into it, the last word first.
    pub origins: Vec<Origin>,
}

/// Where configs are looked for.
#[derive(Debug)]
pub struct Sources<'m> {
    /// The machine.
    pub machine: &'m Machine,
    /// What it runs on.
    pub platform: Platform,
    /// Where the system's configs lie, the directory that counts most first: `/run/ignition`, `/etc/ignition`,
    /// `/usr/lib/ignition`.
    pub directories: &'m [PathBuf],
}

/// A document with its place.
struct Given {
    bytes: Vec<u8>,
    place: String,
}

impl Sources<'_> {
    /// Decides on the config. `None`, before anything was asked of it: that needs the network, and it is not there yet.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], [`Error::InvalidWhole`], and those of the platform, of fetching and of
    /// [`resolve::resolve`].
    pub async fn decide(&self, fetcher: &Fetcher, online: bool) -> Result<Option<Decided>> {
        if online {
            return self.look(fetcher).await.map(Some);
        }
        if self.platform == Platform::Azure {
            return Ok(None);
        }
        match self.look(&fetcher.offline()).await {
            Ok(decided) if network::is_needed(&decided.config) => Ok(None),
            Ok(decided) => Ok(Some(decided)),
            Err(error) if error.needs_network() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All places, in their order.
    async fn look(&self, fetcher: &Fetcher) -> Result<Decided> {
        let arguments = Arguments::parse(&self.machine.cmdline)?;
        let mut origins = Vec::new();
        let mut whole = self.base(&mut origins)?;
        if let Some(defaults) = self.platform.defaults(self.machine).await? {
            whole = merge::merge(whole, defaults)?;
        }
        if let Some(given) = self.operators(&arguments, fetcher).await? {
            let user = parse(&given.bytes, &given.place)?;
            origins.push(Origin::of("user", &given.place, &given.bytes));
            let resolved = resolve::resolve(user, &given.place, fetcher, &parse).await?;
            origins.extend(resolved.fetched.into_iter().map(|fetched| Origin {
                kind: "referenced".to_owned(),
                place: fetched.url,
                sha512: fetched.sha512,
            }));
            whole = merge::merge(whole, resolved.config)?;
        }
        check_whole(&whole, &self.machine.cmdline)?;
        network::check_schemes(&whole)?;
        origins.reverse();
        Ok(Decided {
            config: whole,
            origins,
        })
    }

    /// What the system itself says.
    fn base(&self, origins: &mut Vec<Origin>) -> Result<spec::Config> {
        let mut base = spec::Config::default();
        let of_platform = Path::new("base.platform.d").join(self.platform.id());
        for below in [Path::new("base.d"), &of_platform] {
            for path in self.configs(below)? {
                let place = path.display().to_string();
                let bytes = file::read(&path)?;
                let mut config = parse(&bytes, &place)?;
                if config.ignition.config.take().is_some_and(names_any) {
                    // As Ignition (2.24, `fetchProviderConfig` renders the operator's only).
                    tracing::warn!(
                        "{place}: it names other configs, which are not fetched: only the config of the operator may name others"
                    );
                }
                base = merge::merge(base, config)?;
                origins.push(Origin::of("base", &place, &bytes));
            }
        }
        Ok(base)
    }

    /// What the operator says: the first place that has anything.
    async fn operators(&self, arguments: &Arguments, fetcher: &Fetcher) -> Result<Option<Given>> {
        if let Some(url) = &arguments.config_url {
            let resource = spec::Resource {
                source: Some(url.to_string()),
                ..spec::Resource::default()
            };
            let bytes = fetcher.fetch_config(&resource).await?;
            let place = short(url.as_str());
            return Ok(Some(Given { bytes, place }));
        }
        let found = match &arguments.labelled {
            Some(labelled) => labelled.config(self.machine).await?,
            None => match self.user()? {
                Some(given) => return Ok(Some(given)),
                None => self.platform.config(self.machine).await?,
            },
        };
        match found.config {
            Some(bytes) => Ok(Some(Given {
                bytes,
                place: found.place,
            })),
            None => {
                tracing::info!("no config: {}", found.place);
                Ok(None)
            }
        }
    }

    /// `user.ign` of the first directory that has one.
    fn user(&self) -> Result<Option<Given>> {
        for directory in self.directories {
            let path = directory.join("user.ign");
            if file::exists(&path)? {
                let bytes = file::read(&path)?;
                let place = path.display().to_string();
                return Ok(Some(Given { bytes, place }));
            }
        }
        Ok(None)
    }

    /// The configs of all directories, by name; of several with one name that of the directory that counts most
    /// (Ignition's distributor notes, "System Configuration Directories").
    fn configs(&self, below: &Path) -> Result<Vec<PathBuf>> {
        let mut by_name = BTreeMap::new();
        for directory in self.directories {
            let directory = directory.join(below);
            if !file::exists(&directory)? {
                continue;
            }
            for path in file::list(&directory)? {
                if path.extension().is_some_and(|suffix| suffix == "ign") {
                    let name = path.file_name().unwrap_or_default().to_owned();
                    by_name.entry(name).or_insert(path);
                }
            }
        }
        Ok(by_name.into_values().collect())
    }
}

fn names_any(configs: spec::IgnitionConfig) -> bool {
    let replaced = configs.replace.is_some_and(|named| named.source.is_some());
    replaced || configs.merge.is_some_and(|named| !named.is_empty())
}

impl Origin {
    fn of(kind: &str, place: &str, bytes: &[u8]) -> Self {
        Self {
            kind: kind.to_owned(),
            place: place.to_owned(),
            sha512: hex::encode(digest(&SHA512, bytes)),
        }
    }
}

/// A valid config; what is wrong with it, else. Warnings go to the log.
fn parse(bytes: &[u8], place: &str) -> Result<spec::Config> {
    let parsed = config::parse(bytes);
    let lines = || {
        parsed
            .report
            .entries
            .iter()
            .map(|entry| format!("{place}:{entry}"))
    };
    let Some(config) = parsed.config else {
        return Err(Error::InvalidConfig {
            place: place.to_owned(),
            report: lines().collect::<Vec<_>>().join("\n"),
        });
    };
    lines().for_each(|line| tracing::warn!("{line}"));
    Ok(config)
}

/// Two valid configs can make one that is not, and only the machine knows its command line.
fn check_whole(config: &spec::Config, cmdline: &str) -> Result<()> {
    let mut findings = Findings::default();
    check::check(config, &mut findings);
    let mut errors: Vec<_> = findings
        .errors()
        .map(|(path, message)| format!("{path}: {message}"))
        .collect();
    errors.extend(kernel_arguments::unmet(config, cmdline));
    if errors.is_empty() {
        return Ok(());
    }
    Err(Error::InvalidWhole {
        report: errors.join("\n"),
    })
}
