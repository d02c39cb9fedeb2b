//! A node's view of a repository: nothing that comes out of here is unverified, expired or older than what was
//! seen before.
//!
//! [`update`](super::update) verifies the metadata, [`kept`](super::kept) remembers it. Expiry is
//! compared at each look with the clock that was passed in, and with nothing else: with its time at
//! the start of the look (TUF 1.0 §5.1). A channel that this node does not follow may be expired or
//! bad without harm.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use acl_host::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::channel::{Channel, ChannelName};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{ArtifactPatch, Form, Manifest, Part};
use crate::repository::documents::{
    Document, LONGEST_CHANNEL, LONGEST_MANIFEST, digest_of, listed,
};
use crate::repository::fetch::Fetch;
use crate::repository::http::Http;
use crate::repository::kept::{Kept, blocking};
use crate::repository::sources::Sources;
use crate::repository::update::{Update, Verified};
use crate::version::Version;

/// How far a clock may be behind a time that was right: clocks are set by small steps, too.
const STEP: SignedDuration = SignedDuration::from_mins(1);

/// A repository whose metadata was found good.
#[derive(Debug)]
pub struct Repository {
    sources: Arc<Sources>,
    http: Http,
    clock: Arc<dyn Clock>,
    kept: Kept,
    verified: Verified,
}

impl Repository {
    /// Reads and checks a repository's metadata.
    ///
    /// It is read from one of the addresses, whole: the first that has good metadata. `trusted_root` is the root.json
    /// that the operator trusts; `datastore` a directory of this node for what it remembers of repositories, made when
    /// missing. `clock` is asked for every rule about freshness.
    ///
    /// # Errors
    /// [`Error::TrustedRoot`], [`Error::KeepMetadata`], [`Error::KeptMetadata`] and [`Error::ClockWentBack`] before anything
    /// is fetched; [`Error::Connect`], [`Error::Status`] and their like when the server cannot be read;
    /// [`Error::Metadata`] when a role is not signed as it must be, damaged, or older than one seen before;
    /// [`Error::Expired`]; [`Error::Everywhere`] with all of them when there are several addresses.
    pub async fn open(
        sources: Sources,
        trusted_root: &[u8],
        datastore: &Path,
        http: Http,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let (dir, shipped) = (datastore.to_owned(), trusted_root.to_owned());
        let kept = open_kept(dir, shipped).await?;
        let verified = load(&sources, &kept, &http, clock.as_ref()).await?;
        Ok(Self {
            sources: Arc::new(sources),
            http,
            clock,
            kept,
            verified,
        })
    }

    /// Reads the metadata again: what was good a while ago may have expired or been replaced.
    ///
    /// When that fails, what was read before can still be read, until it expires: a staging goes on through a lost network.
    /// Whoever arms a release has to refresh first, and must not arm when that fails. So does the agent, whose check opens
    /// the repository anew and whose step before arming is a refresh.
    ///
    /// # Errors
    /// As [`Repository::open`]; what was read before stays, but for what a newer root has revoked.
    pub async fn refresh(&mut self) -> Result<()> {
        self.verified = load(&self.sources, &self.kept, &self.http, self.clock.as_ref()).await?;
        Ok(())
    }

    /// Whether the metadata that was read still holds now. Asks no server.
    ///
    /// # Errors
    /// [`Error::Expired`] for one of the top-level roles; [`Error::ClockWentBack`], [`Error::KeptMetadata`].
    pub fn check_fresh(&self) -> Result<()> {
        self.look().map(drop)
    }

    /// The time at which a look begins, if the metadata still holds then.
    fn look(&self) -> Result<Timestamp> {
        let now = self.clock.now();
        check_clock(&self.kept, now)?;
        self.at(self.sources.current(), now)
            .check_all_fresh(&self.verified)?;
        Ok(now)
    }

    /// Remembers the time of the clock, for a caller that knows it to be right, such as one whose clock is synchronised: a
    /// clock that is set to an earlier time afterwards is refused ([`Error::ClockWentBack`]). Only a time at which the
    /// metadata holds is remembered, so at most the expiry of the timestamp. Without this call no time is remembered.
    ///
    /// # Errors
    /// As [`Repository::check_fresh`]; [`Error::KeepMetadata`], [`Error::Host`].
    pub async fn remember_time(&self) -> Result<()> {
        let now = self.look()?;
        blocking(&self.kept, move |kept| kept.keep_time(now)).await
    }

    /// A channel's document, as signed by the channel's own role.
    ///
    /// # Errors
    /// [`Error::NoChannel`] for one that the top-level targets role does not delegate to; [`Error::Expired`],
    /// [`Error::Metadata`] for the channel's role; [`Error::DocumentDigest`] and its neighbours when the document
    /// is not the signed one.
    pub async fn channel(&self, name: &ChannelName) -> Result<Channel> {
        let now = self.look()?;
        let missing = || Error::NoChannel {
            base: self.sources.current().clone().into(),
            channel: name.to_string(),
        };
        let name_of_role = name.role();
        let ask = async |base: &Url| {
            let update = self.at(base, now);
            update.delegated(&self.verified, &name_of_role).await
        };
        let role = self.sources.first(self.http.patience(), ask).await?;
        let role = role.ok_or_else(missing)?;
        let target = listed(&role.signed, &name.target()).ok_or_else(missing)?;
        Document::fetch(
            &self.http,
            &self.sources,
            &name.target(),
            target,
            LONGEST_CHANNEL,
        )
        .await?
        .channel(name)
    }

    /// A release's manifest, as signed by the targets role.
    ///
    /// # Errors
    /// [`Error::NoRelease`]; [`Error::Expired`]; [`Error::DocumentDigest`] and its neighbours when the document is not the signed one.
    pub async fn manifest(&self, version: &Version, arch: &str) -> Result<Manifest> {
        self.check_fresh()?;
        let name = Manifest::target(version, arch);
        let target =
            listed(&self.verified.targets.signed, &name).ok_or_else(|| Error::NoRelease {
                base: self.sources.current().clone().into(),
                version: version.clone(),
                arch: arch.to_owned(),
            })?;
        Document::fetch(&self.http, &self.sources, &name, target, LONGEST_MANIFEST)
            .await?
            .manifest(version, arch)
    }

    /// The SHA-256 of a release's manifest, as the targets role has it; none of a release that it does not list. Asks no
    /// server.
    pub fn manifest_digest(&self, version: &Version, arch: &str) -> Option<Digest> {
        let name = Manifest::target(version, arch);
        digest_of(listed(&self.verified.targets.signed, &name)?)
    }

    /// Prepares to fetch an artifact in one of its forms: its index is fetched and checked, and that of the patch that fits what the machine
    /// has.
    ///
    /// # Errors
    /// [`Error::IndexDigest`], [`Error::Index`], and those of HTTP.
    pub async fn fetch(
        &self,
        part: Part,
        form: &Form,
        patch: Option<&ArtifactPatch>,
    ) -> Result<Fetch> {
        Fetch::open(self.http.clone(), self.sources.clone(), part, form, patch).await
    }

    fn at<'a>(&'a self, base: &'a Url, now: Timestamp) -> Update<'a> {
        Update {
            base,
            http: &self.http,
            kept: &self.kept,
            now,
        }
    }
}

async fn open_kept(dir: PathBuf, shipped: Vec<u8>) -> Result<Kept> {
    let path = dir.clone();
    let opened = tokio::task::spawn_blocking(move || Kept::open(&dir, &shipped)).await;
    opened.map_err(|error| Error::KeepMetadata {
        path,
        source: error.into(),
    })?
}

/// The metadata of the first address where it is good.
async fn load(sources: &Sources, kept: &Kept, http: &Http, clock: &dyn Clock) -> Result<Verified> {
    let now = clock.now();
    check_clock(kept, now)?;
    let ask = async |base: &Url| {
        let update = Update {
            base,
            http,
            kept,
            now,
        };
        update.run().await
    };
    sources.first(http.patience(), ask).await
}

/// A clock that is behind a time that was right would take what has expired.
fn check_clock(kept: &Kept, now: Timestamp) -> Result<()> {
    match kept.time()? {
        Some(before) if before.duration_since(now) > STEP => Err(Error::ClockWentBack {
            now,
            before,
            path: kept.time_path(),
        }),
        _ => Ok(()),
    }
}
