//! `acl-release show` and `check`

use std::path::PathBuf;

use acl_host::clock::{Clock, SystemClock};
use acl_release::Error;
use acl_release::channel::{Channel, Offer};
use acl_release::digest::Digest;
use acl_release::repository::store::{Metadata, Store};
use acl_release::trust::roles::expiry;
use acl_release::version::Version;
use clap::Args;
use jiff::{Span, Timestamp};
use serde::Serialize;

use crate::say;
use crate::settings::time_span;

/// Shows what a repository holds: roles and when they expire, releases, channels
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The repository's directory
    repository: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Checks the signatures, digests and expiry of what a repository holds; exit status 5 when something has expired
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The repository's directory
    repository: PathBuf,
    /// Also when something expires within this time, such as 2d
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time_span)]
    within: Span,
}

#[derive(Serialize)]
struct Report {
    roles: Vec<Role>,
    releases: Vec<Release>,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Role {
    name: String,
    version: u64,
    expires: Timestamp,
    expired: bool,
}

#[derive(Serialize)]
struct Release {
    version: Version,
    arch: String,
    root_hash: Digest,
    packages: usize,
    bytes_to_fetch: u64,
}

impl Show {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let store = Store::new(&self.repository);
        let report = report(&store, SystemClock.now())?;
        if self.json {
            return say(format_args!("{}", serde_json::to_string_pretty(&report)?));
        }
        for Role {
            name,
            version,
            expires,
            expired,
        } in &report.roles
        {
            let (state, mark) = match expired {
                true => ("expired", "  EXPIRED"),
                false => ("expires", ""),
            };
            say(format_args!(
                "role     {name:<16} version {version:<6} {state} {expires}{mark}"
            ))?;
        }
        for Release {
            version,
            arch,
            packages,
            bytes_to_fetch,
            ..
        } in &report.releases
        {
            say(format_args!(
                "release  {version:<16} {arch}, {packages} packages, {bytes_to_fetch} bytes to fetch"
            ))?;
        }
        for channel in &report.channels {
            let name = &channel.name;
            if channel.releases.is_empty() {
                say(format_args!("channel  {name:<16} offers nothing"))?;
            }
            for offer in &channel.releases {
                say(format_args!("channel  {name:<16} {}", describe(offer)))?;
            }
        }
        Ok(())
    }
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let now = expiry(SystemClock.now(), &self.within)?;
        let report = report(&Store::new(&self.repository), now)?;
        let expired = report.roles.iter().filter(|role| role.expired);
        let roles: Vec<String> = expired.map(|role| role.name.clone()).collect();
        if !roles.is_empty() {
            return Err(Error::RolesExpired { roles, now }.into());
        }
        let first = report.roles.iter().min_by_key(|role| role.expires);
        match first {
            Some(Role { name, expires, .. }) => say(format_args!(
                "nothing has expired at {now}; {name} is the first, at {expires}"
            )),
            None => Ok(()),
        }
    }
}

fn report(store: &Store, now: Timestamp) -> acl_release::Result<Report> {
    let metadata = Metadata::load(store)?;
    let releases = store
        .manifests(&metadata)?
        .into_iter()
        .map(|manifest| Release {
            bytes_to_fetch: manifest.download_size(),
            packages: manifest.packages.len(),
            version: manifest.version,
            arch: manifest.arch,
            root_hash: manifest.root_hash,
        });
    let channels = metadata
        .channels
        .keys()
        .map(|name| store.channel(&metadata, name));
    Ok(Report {
        roles: roles(&metadata, now),
        releases: releases.collect(),
        channels: channels.collect::<Result<_, _>>()?,
    })
}

fn roles(metadata: &Metadata, now: Timestamp) -> Vec<Role> {
    let role = |name: String, version: std::num::NonZeroU64, expires: Timestamp| Role {
        name,
        version: version.get(),
        expires,
        expired: expires <= now,
    };
    let (root, targets) = (&metadata.root.signed, &metadata.targets.signed);
    let (snapshot, timestamp) = (&metadata.snapshot.signed, &metadata.timestamp.signed);
    let mut roles = vec![
        role("root".to_owned(), root.version, root.expires),
        role("targets".to_owned(), targets.version, targets.expires),
        role("snapshot".to_owned(), snapshot.version, snapshot.expires),
        role("timestamp".to_owned(), timestamp.version, timestamp.expires),
    ];
    roles.extend(
        metadata
            .channels
            .iter()
            .map(|(name, signed)| role(name.role(), signed.signed.version, signed.signed.expires)),
    );
    roles
}

fn describe(offer: &Offer) -> String {
    let mut text = format!("{} from {}", offer.version, offer.starts);
    if let Some(floor) = &offer.floor {
        text.push_str(&format!(", floor {floor}"));
    }
    if offer.paused {
        text.push_str(", paused");
    }
    if let Some(why) = &offer.withdrawn {
        text.push_str(&format!(", withdrawn: {why}"));
    }
    text
}
