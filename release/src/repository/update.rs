//! Reads the metadata of a repository from one address: the client workflow of TUF 1.0, §5.3 to §5.6.
//!
//! Each file is fetched up to the limit of its role, checked, and remembered at once, before the next is looked at. So what
//! one address shows counts for the next address, for the next check and after a power cut, also when something later
//! fails: keys that a root revoked stay revoked.
//!
//! Roles of channels are read one by one, when they are asked for: a bad one harms no other channel.

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::StatusCode;
use tough::schema::{self, Metafile, Root, Signed, Snapshot, Targets};
use url::Url;

use crate::error::{Error, Result};
use crate::repository::http::Http;
use crate::repository::kept::{Kept, blocking};
use crate::repository::sources::join;
use crate::trust::metadata::{MetadataProblem, limit, longest};
use crate::trust::{root_chain, snapshot, targets, timestamp};

/// How many roots may follow in one reading (TUF §5.3.3); the next reading goes on from there.
const MOST_ROOTS: u32 = 256;

/// One reading from one address.
pub(crate) struct Update<'a> {
    pub(crate) base: &'a Url,
    pub(crate) http: &'a Http,
    pub(crate) kept: &'a Kept,
    /// The time at its start, with which expiry is compared (§5.1): that files come slowly lets nothing expire half-way.
    pub(crate) now: Timestamp,
}

/// The top-level metadata of a repository, verified.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) root: Signed<Root>,
    pub(crate) timestamp: Signed<schema::Timestamp>,
    pub(crate) snapshot: Signed<Snapshot>,
    pub(crate) targets: Signed<Targets>,
}

impl Update<'_> {
    /// Reads all top-level roles.
    pub(crate) async fn run(&self) -> Result<Verified> {
        let root = self.root().await?;
        let timestamp = self.timestamp(&root.signed).await?;
        let snapshot = self.snapshot(&root.signed, &timestamp.signed).await?;
        let targets = self.targets(&root.signed, &snapshot.signed).await?;
        Ok(Verified {
            root,
            timestamp,
            snapshot,
            targets,
        })
    }

    /// §5.3: follows the chain of roots to its end. Only then does expiry count.
    async fn root(&self) -> Result<Signed<Root>> {
        let mut root = blocking(self.kept, Kept::root).await?;
        for _ in 0..MOST_ROOTS {
            let version = root.signed.version.get().saturating_add(1);
            let name = format!("{version}.root.json");
            let bytes = match self.file(&name, longest("root")).await {
                // Any other answer could keep back that keys were revoked.
                Err(Error::Status { status, .. }) if status == StatusCode::NOT_FOUND => break,
                found => found?,
            };
            let next = root_chain::following(&root.signed, &bytes);
            root = next.map_err(|problem| self.refused("root", &name, problem))?;
            blocking(self.kept, move |kept| kept.keep_root(version, &bytes)).await?;
        }
        let name = format!("{}.root.json", root.signed.version);
        self.check_fresh("root", &name, root.signed.expires)?;
        Ok(root)
    }

    /// §5.4.
    async fn timestamp(&self, root: &Root) -> Result<Signed<schema::Timestamp>> {
        let name = "timestamp.json";
        let bytes = self.file(name, longest("timestamp")).await?;
        let trusted = blocking(self.kept, Kept::newest::<schema::Timestamp>).await?;
        let timestamp = timestamp::verify(root, &bytes, trusted)
            .map_err(|problem| self.refused("timestamp", name, problem))?;
        self.check_fresh("timestamp", name, timestamp.signed.expires)?;
        let (root, role) = (root.clone(), timestamp.clone());
        blocking(self.kept, move |kept| kept.keep(&root, &role)).await?;
        Ok(timestamp)
    }

    /// §5.5.
    async fn snapshot(
        &self,
        root: &Root,
        timestamp: &schema::Timestamp,
    ) -> Result<Signed<Snapshot>> {
        let listed = timestamp::snapshot(timestamp)
            .map_err(|problem| self.refused("timestamp", "timestamp.json", problem))?;
        let name = file_name(root, "snapshot", listed);
        let bytes = self.file(&name, limit("snapshot", listed)).await?;
        let trusted = blocking(self.kept, Kept::newest::<Snapshot>).await?;
        let trusted = trusted.as_ref().map(|trusted| &trusted.signed);
        let snapshot = snapshot::verify(root, listed, &bytes, trusted)
            .map_err(|problem| self.refused("snapshot", &name, problem))?;
        self.check_fresh("snapshot", &name, snapshot.signed.expires)?;
        let (root, role) = (root.clone(), snapshot.clone());
        blocking(self.kept, move |kept| kept.keep(&root, &role)).await?;
        Ok(snapshot)
    }

    /// §5.6. It is not remembered: its version and digest are in the snapshot, which is.
    async fn targets(&self, root: &Root, snapshot: &Snapshot) -> Result<Signed<Targets>> {
        let (name, listed) = self.listed(root, snapshot, "targets")?;
        let bytes = self.file(&name, limit("targets", listed)).await?;
        let targets = targets::verify(root, listed, &bytes)
            .map_err(|problem| self.refused("targets", &name, problem))?;
        self.check_fresh("targets", &name, targets.signed.expires)?;
        Ok(targets)
    }

    /// §5.6.7: a role that targets delegates to by itself; nothing when it does not.
    pub(crate) async fn delegated(
        &self,
        of: &Verified,
        role: &str,
    ) -> Result<Option<Signed<Targets>>> {
        let (root, snapshot, targets) = (&of.root.signed, &of.snapshot.signed, &of.targets.signed);
        let named = targets::delegated(targets, role).map_err(|problem| {
            let name = file_name_of(root, "targets", targets.version.get());
            self.refused("targets", &name, problem)
        })?;
        let Some(named) = named else {
            return Ok(None);
        };
        let (name, listed) = self.listed(root, snapshot, role)?;
        let bytes = self.file(&name, limit(role, listed)).await?;
        let verified = targets::verify_delegated(targets, named, listed, &bytes)
            .map_err(|problem| self.refused(role, &name, problem))?;
        self.check_fresh(role, &name, verified.signed.expires)?;
        Ok(Some(verified))
    }

    /// The top-level roles must not have expired.
    pub(crate) fn check_all_fresh(&self, verified: &Verified) -> Result<()> {
        let root = &verified.root.signed;
        let (snapshot, targets) = (&verified.snapshot.signed, &verified.targets.signed);
        for (role, version, expires) in [
            ("root", root.version, root.expires),
            ("snapshot", snapshot.version, snapshot.expires),
            ("targets", targets.version, targets.expires),
        ] {
            self.check_fresh(role, &file_name_of(root, role, version.get()), expires)?;
        }
        let expires = verified.timestamp.signed.expires;
        self.check_fresh("timestamp", "timestamp.json", expires)
    }

    fn listed<'s>(
        &self,
        root: &Root,
        snapshot: &'s Snapshot,
        role: &str,
    ) -> Result<(String, &'s Metafile)> {
        let listed = snapshot::role(snapshot, role).map_err(|problem| {
            let name = file_name_of(root, "snapshot", snapshot.version.get());
            self.refused("snapshot", &name, problem)
        })?;
        Ok((file_name(root, role, listed), listed))
    }

    async fn file(&self, name: &str, limit: u64) -> Result<Bytes> {
        self.http.document(&self.url(name)?, limit).await
    }

    fn url(&self, name: &str) -> Result<Url> {
        join(self.base, &format!("metadata/{name}"))
    }

    /// Metadata holds until the time at which it expires, and no longer (§5.3.10).
    fn check_fresh(&self, role: &str, name: &str, expired: Timestamp) -> Result<()> {
        let now = self.now;
        if now < expired {
            return Ok(());
        }
        Err(Error::Expired {
            role: role.to_owned(),
            url: self.url(name)?.into(),
            expired,
            now,
        })
    }

    fn refused(&self, role: &str, name: &str, problem: MetadataProblem) -> Error {
        match self.url(name) {
            Ok(url) => Error::Metadata {
                role: role.to_owned(),
                url: url.into(),
                source: problem.into(),
            },
            Err(error) => error,
        }
    }
}

/// The file of a role in the version that is listed.
fn file_name(root: &Root, role: &str, listed: &Metafile) -> String {
    file_name_of(root, role, listed.version.get())
}

/// The file of a version of a role (TUF §6.2).
fn file_name_of(root: &Root, role: &str, version: u64) -> String {
    if root.consistent_snapshot || role == "root" {
        format!("{version}.{role}.json")
    } else {
        format!("{role}.json")
    }
}
