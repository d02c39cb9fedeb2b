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
use crate::server_text::ServerText;
use crate::version::Version;

/// The longest document of a channel that is read, in bytes: [`channel::MOST_RELEASES`] and their conditions.
pub(crate) const LONGEST_CHANNEL: u64 = 512 * 1024;

/// The longest manifest that is read, in bytes; a package takes some 100.
pub(crate) const LONGEST_MANIFEST: u64 = 1024 * 1024;

/// The longest name of an image or architecture that is read, in bytes.
pub(crate) const LONGEST_NAME: usize = 64;

/// The file of a target in a repository with consistent snapshots: `DIR/<digest>.NAME` (TUF 1.0 §6.2).
pub(crate) fn consistent(target: &str, digest: &Digest) -> String {
    match target.rsplit_once('/') {
        Some((dir, name)) => format!("{dir}/{digest}.{name}"),
        None => format!("{digest}.{target}"),
    }
}

/// Refuses to publish what no node would read. `advice` says what to do.
pub(crate) fn check_length(
    document: &str,
    bytes: &[u8],
    limit: u64,
    advice: &'static str,
) -> Result<()> {
    let length = bytes.len();
    match length as u64 > limit {
        false => Ok(()),
        true => Err(Error::DocumentTooLong {
            document: document.to_owned(),
            length,
            limit,
            advice,
        }),
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
    /// Fetches a target of at most `longest` bytes from the first address that has what its metadata says.
    pub(crate) async fn fetch(
        http: &Http,
        sources: &Sources,
        name: &str,
        target: &Target,
        longest: u64,
    ) -> Result<Self> {
        let ask = async |base: &Url| Self::fetch_from(http, base, name, target, longest).await;
        sources.first(http.patience(), ask).await
    }

    async fn fetch_from(
        http: &Http,
        base: &Url,
        name: &str,
        target: &Target,
        longest: u64,
    ) -> Result<Self> {
        let document = name.to_owned();
        let expected = digest_of(target).unwrap_or_else(|| [0; 32].into());
        let url = join(base, &format!("targets/{}", consistent(name, &expected)))?;
        let bytes = http.document(&url, target.length.min(longest)).await?;
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
        let mut channel: Channel = self.parse::<channel::Reading>(channel::SCHEMA)?.into();
        if channel.name != *name {
            return Err(self.wrong(&format!("channel {}", channel.name)));
        }
        let found = channel.releases.len() + channel.unclear.len();
        if found > channel::MOST_RELEASES {
            return Err(Error::TooManyReleases {
                document: self.name,
                url: self.url.into(),
                found,
                limit: channel::MOST_RELEASES,
            });
        }
        for reason in channel
            .releases
            .iter_mut()
            .flat_map(|offer| &mut offer.withdrawn)
        {
            *reason = ServerText::new(reason).to_string();
        }
        Ok(channel)
    }

    /// The release's manifest.
    pub(crate) fn manifest(self, version: &Version, arch: &str) -> Result<Manifest> {
        let manifest: Manifest = self.parse(manifest::SCHEMA)?;
        if manifest.version != *version || manifest.arch != arch {
            let found = format!("release {} for {}", manifest.version, manifest.arch);
            return Err(self.wrong(&found));
        }
        if manifest.image_id.len() > LONGEST_NAME {
            return Err(self.wrong(&format!("of the image {}", manifest.image_id)));
        }
        Ok(manifest)
    }

    /// The schema is looked at first: a document of another form need not parse.
    fn parse<T: DeserializeOwned>(&self, known: u32) -> Result<T> {
        #[derive(serde::Deserialize)]
        struct Form {
            schema: u32,
        }
        let unclear = |source: serde_json::Error| Error::ParseDocument {
            document: self.name.clone(),
            url: self.url.clone().into(),
            source: source.into(),
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

    fn wrong(self, found: &str) -> Error {
        Error::WrongDocument {
            document: self.name,
            url: self.url.into(),
            found: ServerText::new(found),
        }
    }
}
