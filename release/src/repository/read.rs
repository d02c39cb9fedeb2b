//! A node's view of a repository: nothing that comes out of here is unverified, expired or older than what was
//! seen before.
//!
//! tough checks signatures, thresholds, digests and versions (TUF 1.0 §5). Expiry is checked here, right behind it
//! and before anything is handed out or remembered, against the clock that was passed in; and a channel that this
//! node does not follow may expire without harm.

use std::path::Path;
use std::sync::Arc;

use acl_host::clock::Clock;
use jiff::Timestamp;
use tough::{ExpirationEnforcement, RepositoryLoader};
use url::Url;

use crate::channel::{Channel, ChannelName};
use crate::error::{Error, Result};
use crate::manifest::{ArtifactPatch, Form, Manifest, Part};
use crate::repository::documents::{Document, listed};
use crate::repository::fetch::Fetch;
use crate::repository::http::Http;
use crate::repository::kept::Kept;
use crate::repository::sources::{Sources, join};
use crate::repository::transport::{Recorder, role_of};
use crate::version::Version;

/// A repository whose metadata was found good.
#[derive(Debug)]
pub struct Repository {
    sources: Arc<Sources>,
    http: Http,
    clock: Arc<dyn Clock>,
    kept: Kept,
    tuf: tough::Repository,
}

impl Repository {
    /// Reads and checks a repository's metadata.
    ///
    /// It is read from one of the addresses, whole: the first that has good metadata. `trusted_root` is the root.json
    /// that the operator trusts; `datastore` a directory of this node that belongs to this repository alone, made when
    /// missing.
    ///
    /// # Errors
    /// [`Error::TrustedRoot`] and [`Error::KeepMetadata`] before anything is fetched; [`Error::Connect`],
    /// [`Error::Status`] and their like when the server cannot be read; [`Error::Metadata`] when a role is not signed
    /// as it must be, damaged, or older than one seen before; [`Error::Expired`]; [`Error::Everywhere`] with all of
    /// them when there are several addresses.
    pub async fn open(
        sources: Sources,
        trusted_root: &[u8],
        datastore: &Path,
        http: Http,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let kept = Kept::open(datastore, trusted_root)?;
        let tuf = load(&sources, &kept, &http, clock.as_ref()).await?;
        Ok(Self {
            sources: Arc::new(sources),
            http,
            clock,
            kept,
            tuf,
        })
    }

    /// Reads the metadata again: what was good a while ago may have expired or been replaced.
    ///
    /// # Errors
    /// As [`Repository::open`]; what was known before stays.
    pub async fn refresh(&mut self) -> Result<()> {
        self.tuf = load(&self.sources, &self.kept, &self.http, self.clock.as_ref()).await?;
        Ok(())
    }

    /// A channel's document, as signed by the channel's own role.
    ///
    /// # Errors
    /// [`Error::NoChannel`]; [`Error::Expired`] for the channel's role; [`Error::DocumentDigest`] and its
    /// neighbours when the document is not the signed one.
    pub async fn channel(&self, name: &ChannelName) -> Result<Channel> {
        let missing = || Error::NoChannel {
            base: self.sources.current().clone().into(),
            channel: name.to_string(),
        };
        let role = self
            .tuf
            .targets()
            .signed
            .delegated_targets(&name.role())
            .map_err(|_not_found| missing())?;
        self.fresh(&name.role(), role.signed.version.get(), role.signed.expires)?;
        let target = listed(&role.signed, &name.target()).ok_or_else(missing)?;
        Document::fetch(&self.http, &self.sources, &name.target(), target)
            .await?
            .channel(name)
    }

    /// A release's manifest, as signed by the targets role.
    ///
    /// # Errors
    /// [`Error::NoRelease`]; [`Error::DocumentDigest`] and its neighbours when the document is not the signed one.
    pub async fn manifest(&self, version: &Version, arch: &str) -> Result<Manifest> {
        let name = Manifest::target(version, arch);
        let target = listed(&self.tuf.targets().signed, &name).ok_or_else(|| Error::NoRelease {
            base: self.sources.current().clone().into(),
            version: version.clone(),
            arch: arch.to_owned(),
        })?;
        Document::fetch(&self.http, &self.sources, &name, target)
            .await?
            .manifest(version, arch)
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

    fn fresh(&self, role: &str, version: u64, expires: Timestamp) -> Result<()> {
        check_fresh(
            self.sources.current(),
            role,
            &format!("{version}.{role}.json"),
            expires,
            self.clock.now(),
        )
    }
}

/// The metadata of the first address where it is good.
async fn load(
    sources: &Sources,
    kept: &Kept,
    http: &Http,
    clock: &dyn Clock,
) -> Result<tough::Repository> {
    let ask = async |base: &Url| load_from(base, kept, http, clock).await;
    sources.first(http.patience(), ask).await
}

/// One whole reading of the metadata. What one address gave is remembered only when all of it is good.
async fn load_from(
    base: &Url,
    kept: &Kept,
    http: &Http,
    clock: &dyn Clock,
) -> Result<tough::Repository> {
    let recorder = Recorder::new(http.clone());
    let copy = kept.copy()?;
    let root = kept.root();
    let metadata = join(base, "metadata/")?;
    let tuf = RepositoryLoader::new(&root, metadata.clone(), join(base, "targets/")?)
        .transport(recorder.clone())
        .datastore(copy.path())
        // tough would ask the system's clock; `check_all_fresh` asks ours.
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .map_err(|error| explain(error, &recorder, metadata))?;
    check_all_fresh(base, &tuf, clock.now())?;
    kept.keep(copy)?;
    Ok(tuf)
}

/// The four top-level roles must not have expired.
fn check_all_fresh(base: &Url, tuf: &tough::Repository, now: Timestamp) -> Result<()> {
    let (root, snapshot, targets) = (
        &tuf.root().signed,
        &tuf.snapshot().signed,
        &tuf.targets().signed,
    );
    check_fresh(
        base,
        "root",
        &format!("{}.root.json", root.version),
        root.expires,
        now,
    )?;
    check_fresh(
        base,
        "timestamp",
        "timestamp.json",
        tuf.timestamp().signed.expires,
        now,
    )?;
    check_fresh(
        base,
        "snapshot",
        &format!("{}.snapshot.json", snapshot.version),
        snapshot.expires,
        now,
    )?;
    check_fresh(
        base,
        "targets",
        &format!("{}.targets.json", targets.version),
        targets.expires,
        now,
    )
}

fn check_fresh(
    base: &Url,
    role: &str,
    file: &str,
    expired: Timestamp,
    now: Timestamp,
) -> Result<()> {
    if now <= expired {
        return Ok(());
    }
    Err(Error::Expired {
        role: role.to_owned(),
        url: join(base, &format!("metadata/{file}"))?.into(),
        expired,
        now,
    })
}

/// tough's error as one of ours: which role, at which address, and whose fault.
fn explain(error: tough::error::Error, recorder: &Recorder, metadata: Url) -> Error {
    let last = recorder.take();
    match (error, last.failure) {
        (tough::error::Error::Transport { .. }, Some(failure)) => failure,
        (
            tough::error::Error::SystemTimeSteppedBackward {
                sys_time,
                latest_known_time,
            },
            _,
        ) => Error::ClockWentBack {
            now: sys_time,
            before: latest_known_time,
        },
        (
            tough::error::Error::DatastoreCreate { path, source, .. }
            | tough::error::Error::DatastoreOpen { path, source, .. }
            | tough::error::Error::DatastoreRemove { path, source, .. },
            _,
        ) => Error::KeepMetadata { path, source },
        (error, _) => {
            let url = last.url.unwrap_or(metadata);
            Error::Metadata {
                role: role_of(&url),
                url: url.into(),
                source: Box::new(error),
            }
        }
    }
}
