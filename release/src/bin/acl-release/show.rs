//! `acl-release show`

use std::path::PathBuf;

use acl_release::channel::{Channel, Offer};
use acl_release::digest::Digest;
use acl_release::repository::store::{Metadata, Store};
use acl_release::version::Version;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::say;

/// Shows what a repository holds: roles and when they expire, releases, channels
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The repository's directory
    repository: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
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
        let report = report(&store)?;
        if self.json {
            return say(format_args!("{}", serde_json::to_string_pretty(&report)?));
        }
        for Role {
            name,
            version,
            expires,
        } in &report.roles
        {
            say(format_args!(
                "role     {name:<16} version {version:<6} expires {expires}"
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
            let offers: Vec<String> = channel.releases.iter().map(describe).collect();
            say(format_args!(
                "channel  {:<16} {}",
                channel.name,
                offers.join(", ")
            ))?;
        }
        Ok(())
    }
}

fn report(store: &Store) -> acl_release::Result<Report> {
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
        roles: roles(&metadata),
        releases: releases.collect(),
        channels: channels.collect::<Result<_, _>>()?,
    })
}

fn roles(metadata: &Metadata) -> Vec<Role> {
    let role = |name: String, version: std::num::NonZeroU64, expires| Role {
        name,
        version: version.get(),
        expires,
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
