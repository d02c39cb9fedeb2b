//! One file of TUF metadata: how long it may be, what it must say that it is, and why it is refused.
//!
//! Pure. The checks of each role are its neighbours: [`root_chain`](super::root_chain), [`timestamp`](super::timestamp),
//! [`snapshot`](super::snapshot), [`targets`](super::targets). They check what tough's types hold; the order of the
//! checks is that of the client workflow, TUF 1.0 §5.3 to §5.6. Expiry is left to whoever has a clock.

use serde::de::DeserializeOwned;
use tough::schema::{Metafile, Signed};

use crate::digest::Digest;
use crate::server_text::ServerText;

const KIB: u64 = 1024;

/// The longest file of metadata of a role that is read or published, in bytes: 64 KiB for root, timestamp, snapshot and
/// the role of a channel, which lists one document; 4 MiB for targets, which has some 300 bytes for each release.
pub fn longest(role: &str) -> u64 {
    match role {
        "targets" => 4 * KIB * KIB,
        _ => 64 * KIB,
    }
}

/// Why metadata is refused.
#[derive(Debug, thiserror::Error)]
pub enum MetadataProblem {
    /// It is damaged, or no metadata at all.
    #[error("it is not TUF metadata: {0}")]
    Parse(ServerText),
    /// Its `_type` is another role's.
    #[error("it says that it is of type '{0}'")]
    Type(ServerText),
    /// It follows another major version of the specification.
    #[error("it follows version '{0}' of the TUF specification, this program knows 1.0")]
    Specification(ServerText),
    /// Too few keys of the role have signed it.
    #[error("{0}")]
    Signature(ServerText),
    /// It is another version than the one that is listed, or that must follow.
    #[error("it is version {found}, version {expected} is expected")]
    Version {
        /// What it says.
        found: u64,
        /// What it must be.
        expected: u64,
    },
    /// A newer one was seen before (a rollback attack).
    #[error("it is version {found}, and version {known} was seen before")]
    Older {
        /// What it says.
        found: u64,
        /// What was seen.
        known: u64,
    },
    /// It lists an older version of a file than was listed before (a rollback attack).
    #[error("it lists version {found} of {file}, and version {known} was listed before")]
    ListsOlder {
        /// The file.
        file: ServerText,
        /// The version that it lists.
        found: u64,
        /// The version that was seen.
        known: u64,
    },
    /// It does not list a file that it must.
    #[error("it does not list {0}")]
    Unlisted(ServerText),
    /// A timestamp that lists more than the snapshot.
    #[error("it lists {0} files, and must list snapshot.json alone")]
    Lists(usize),
    /// It is of another length than is listed.
    #[error("it is {found} bytes long, its signed metadata says {expected}")]
    Length {
        /// Its length in bytes.
        found: u64,
        /// The length that is listed.
        expected: u64,
    },
    /// Its bytes are others than are listed.
    #[error("it has SHA-256 {found}, its signed metadata says {expected}")]
    Digest {
        /// Its digest.
        found: Digest,
        /// The digest that is listed.
        expected: Digest,
    },
    /// A role is named twice, so that it is not clear which keys sign it.
    #[error("it names the role {0} twice")]
    NamedTwice(ServerText),
    /// A role lists a target that it may not sign.
    #[error("it lists {0}, which it may not sign")]
    MayNotSign(ServerText),
}

/// Reads metadata whose `_type` must be `kind`.
///
/// tough ignores what is written in `_type` and puts in what it expects, so that a changed type would be the one change
/// that no signature shows.
pub(crate) fn parse<T: DeserializeOwned>(
    kind: &str,
    bytes: &[u8],
) -> Result<Signed<T>, MetadataProblem> {
    #[derive(serde::Deserialize)]
    struct Document {
        signed: Head,
    }
    #[derive(serde::Deserialize)]
    struct Head {
        _type: String,
        spec_version: String,
    }
    let unclear = |error: serde_json::Error| MetadataProblem::Parse(error.into());
    let Document { signed: head } = serde_json::from_slice(bytes).map_err(unclear)?;
    if head._type != kind {
        return Err(MetadataProblem::Type(ServerText::new(&head._type)));
    }
    if head.spec_version.split('.').next() != Some("1") {
        let version = ServerText::new(&head.spec_version);
        return Err(MetadataProblem::Specification(version));
    }
    serde_json::from_slice(bytes).map_err(unclear)
}

/// What the check of signatures found.
pub(crate) fn signed(checked: Result<(), tough::schema::Error>) -> Result<(), MetadataProblem> {
    checked.map_err(|error| MetadataProblem::Signature(error.into()))
}

/// Compares a file with its length and digest where it is listed; both are optional there (TUF §4.4).
pub(crate) fn check_listed(listed: &Metafile, bytes: &[u8]) -> Result<(), MetadataProblem> {
    let (found, expected) = (bytes.len() as u64, listed.length);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(MetadataProblem::Length { found, expected });
    }
    let Some(hashes) = &listed.hashes else {
        return Ok(());
    };
    let expected: Option<[u8; 32]> = hashes.sha256.as_ref().try_into().ok();
    let (found, expected) = (Digest::of(bytes), expected.unwrap_or_default().into());
    if found == expected {
        Ok(())
    } else {
        Err(MetadataProblem::Digest { found, expected })
    }
}

/// How many bytes of a listed file are read at most: what is listed, and never more than the role may have.
pub(crate) fn limit(role: &str, listed: &Metafile) -> u64 {
    let longest = longest(role);
    listed.length.map_or(longest, |listed| listed.min(longest))
}

/// A version must be the one that is listed.
pub(crate) fn check_version(found: u64, expected: u64) -> Result<(), MetadataProblem> {
    if found == expected {
        Ok(())
    } else {
        Err(MetadataProblem::Version { found, expected })
    }
}

/// A version must not be older than one that was seen.
pub(crate) fn check_not_older(found: u64, known: u64) -> Result<(), MetadataProblem> {
    if found >= known {
        Ok(())
    } else {
        Err(MetadataProblem::Older { found, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tough::schema::Timestamp;

    fn refused(text: &str) -> String {
        parse::<Timestamp>("timestamp", text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_not_the_metadata_of_the_role() {
        let wrong_type = r#"{"signed":{"_type":"snapshot","spec_version":"1.0.0"}}"#;
        let newer = r#"{"signed":{"_type":"timestamp","spec_version":"2.0.0"}}"#;
        let no_number = r#"{"signed":{"_type":"timestamp","spec_version":"10"}}"#;
        for (text, problem) in [
            (
                "{}",
                "it is not TUF metadata: missing field `signed` at line 1 column 2",
            ),
            (wrong_type, "it says that it is of type 'snapshot'"),
            (
                newer,
                "it follows version '2.0.0' of the TUF specification, this program knows 1.0",
            ),
            (
                no_number,
                "it follows version '10' of the TUF specification, this program knows 1.0",
            ),
        ] {
            assert_eq!(refused(text), problem);
        }
    }

    #[test]
    fn a_type_without_end_is_cut() {
        let text = format!(
            r#"{{"signed":{{"_type":"{}","spec_version":"1"}}}}"#,
            "\u{80}".repeat(20_000)
        );
        let told = refused(&text);
        assert_eq!(
            told,
            format!("it says that it is of type '{}…'", r"\u{80}".repeat(32))
        );
    }
}
