//! The documents that TUF targets are: fetched, compared with their signed digest, parsed, checked for what they say
//! they are.

use serde::de::DeserializeOwned;
use tough::TargetName;
use tough::schema::{Target, Targets};
use url::Url;

use crate::channel::{self, Channel, ChannelName};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{self, Manifest};
use crate::repository::http::Http;
use crate::repository::sources::{Sources, join};
use crate::version::Version;

/// No document is longer, whatever its metadata says.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The file of a target in a repository with consistent snapshots: `DIR/<digest>.NAME` (TUF 1.0 §6.2).
pub(crate) fn consistent(target: &str, digest: &Digest) -> String {
    match target.rsplit_once('/') {
        Some((dir, name)) => format!("{dir}/{digest}.{name}"),
        None => format!("{digest}.{target}"),
    }
}

/// A target that this very role lists; what other roles say about the name does not count.
pub(crate) fn listed<'a>(role: &'a Targets, target: &str) -> Option<&'a Target> {
    role.targets.get(&TargetName::new(target).ok()?)
}

/// The digest in a target's metadata.
pub(crate) fn digest_of(target: &Target) -> Option<Digest> {
    let bytes: [u8; 32] = target.hashes.sha256.as_ref().try_into().ok()?;
    Some(bytes.into())
}

/// Where a target's document was found, for its errors.
pub(crate) struct Document {
    name: String,
    url: Url,
    bytes: bytes::Bytes,
}

impl Document {
    /// Fetches a target from the first address that has what its metadata says.
    pub(crate) async fn fetch(
        http: &Http,
        sources: &Sources,
        name: &str,
        target: &Target,
    ) -> Result<Self> {
        let ask = async |base: &Url| Self::fetch_from(http, base, name, target).await;
        sources.first(http.patience(), ask).await
    }

    async fn fetch_from(http: &Http, base: &Url, name: &str, target: &Target) -> Result<Self> {
        let document = name.to_owned();
        let expected = digest_of(target).unwrap_or_else(|| [0; 32].into());
        let url = join(base, &format!("targets/{}", consistent(name, &expected)))?;
        let bytes = http.document(&url, target.length.min(LARGEST)).await?;
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(Error::DocumentDigest {
                document,
                url: url.into(),
                found,
                expected,
            });
        }
        Ok(Self {
            name: document,
            url,
            bytes,
        })
    }

    /// The channel's document.
    pub(crate) fn channel(self, name: &ChannelName) -> Result<Channel> {
        let channel: Channel = self.parse::<channel::Reading>(channel::SCHEMA)?.into();
        if channel.name != *name {
            return Err(self.wrong(format!("channel {}", channel.name)));
        }
        Ok(channel)
    }

    /// The release's manifest.
    pub(crate) fn manifest(self, version: &Version, arch: &str) -> Result<Manifest> {
        let manifest: Manifest = self.parse(manifest::SCHEMA)?;
        if manifest.version != *version || manifest.arch != arch {
            return Err(self.wrong(format!(
                "release {} for {}",
                manifest.version, manifest.arch
            )));
        }
        Ok(manifest)
    }

    /// The schema is looked at first: a document of another form need not parse.
    fn parse<T: DeserializeOwned>(&self, known: u32) -> Result<T> {
        #[derive(serde::Deserialize)]
        struct Form {
            schema: u32,
        }
        let unclear = |source| Error::ParseDocument {
            document: self.name.clone(),
            url: self.url.clone().into(),
            source,
        };
        let Form { schema } = serde_json::from_slice(&self.bytes).map_err(unclear)?;
        if schema != known {
            return Err(Error::Schema {
                document: self.name.clone(),
                url: self.url.clone().into(),
                schema,
            });
        }
        serde_json::from_slice(&self.bytes).map_err(unclear)
    }

    fn wrong(self, found: String) -> Error {
        Error::WrongDocument {
            document: self.name,
            url: self.url.into(),
            found,
        }
    }
}
