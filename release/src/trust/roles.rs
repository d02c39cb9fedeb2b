//! TUF roles as they are written and signed (TUF 1.0 §4).

use std::collections::HashMap;
use std::num::NonZeroU64;

use jiff::{Span, Timestamp, tz::TimeZone};
use olpc_cjson::CanonicalFormatter;
use serde::Serialize;
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{
    DelegatedRole, Delegations, Hashes, Metafile, PathPattern, PathSet, RoleKeys, RoleType, Root,
    Signature, Signed, Target, Targets,
};

use crate::channel::ChannelName;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::trust::keys::Key;
use crate::trust::metadata::longest;

/// The version of the specification that the metadata follows; tough reads no other.
pub const SPEC: &str = "1.0.0";

/// How long the signatures of each role hold from the day of signing.
#[derive(Debug, Clone)]
pub struct Lifetimes {
    /// root: 1 year.
    pub root: Span,
    /// targets: 1 year; what it says about a release never changes.
    pub targets: Span,
    /// The channels: 90 days.
    pub channel: Span,
    /// snapshot: 30 days.
    pub snapshot: Span,
    /// timestamp: 7 days; how long a server can keep back news.
    pub timestamp: Span,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            root: Span::new().days(365),
            targets: Span::new().days(365),
            channel: Span::new().days(90),
            snapshot: Span::new().days(30),
            timestamp: Span::new().days(7),
        }
    }
}

/// The time `life` after `now`, in whole seconds as TUF has it.
///
/// # Errors
/// [`Error::Expiry`] beyond the year 9999.
pub fn expiry(now: Timestamp, life: &Span) -> Result<Timestamp> {
    let end = now
        .to_zoned(TimeZone::UTC)
        .checked_add(*life)
        .map(|end| end.timestamp().as_second());
    end.and_then(Timestamp::from_second)
        .map_err(|_overflow| Error::Expiry {
            now,
            after: format!("{life:#}"),
        })
}

/// Signs a role; the bytes are what is published.
///
/// # Errors
/// [`Error::Sign`], also for one that is longer than readers take; [`Error::KeyCommand`].
pub fn sign<T: Serialize>(name: &str, role: T, keys: &[&Key]) -> Result<(Signed<T>, Vec<u8>)> {
    let fault = |problem: String| Error::Sign {
        role: name.to_owned(),
        problem,
    };
    let mut message = Vec::new();
    let mut canonical =
        serde_json::Serializer::with_formatter(&mut message, CanonicalFormatter::new());
    role.serialize(&mut canonical)
        .map_err(|source| fault(source.to_string()))?;
    let mut signatures = Vec::new();
    for key in keys {
        let sig = key.sign(name, &message)?.into();
        signatures.push(Signature {
            keyid: key_id(name, key)?,
            sig,
        });
    }
    let signed = Signed {
        signed: role,
        signatures,
    };
    let mut bytes =
        serde_json::to_vec_pretty(&signed).map_err(|source| fault(source.to_string()))?;
    bytes.push(b'\n');
    let (length, longest) = (bytes.len() as u64, longest(name));
    if length > longest {
        return Err(fault(format!(
            "it is {length} bytes long, and readers take {longest} at most"
        )));
    }
    Ok((signed, bytes))
}

/// The identifier of a key in metadata.
///
/// # Errors
/// [`Error::Sign`] never in practice: it is a digest of JSON.
pub fn key_id(role: &str, key: &Key) -> Result<Decoded<Hex>> {
    key.public().key_id().map_err(|source| Error::Sign {
        role: role.to_owned(),
        problem: source.to_string(),
    })
}

/// The first root: one key for each top-level role.
///
/// # Errors
/// As [`key_id`].
pub fn first_root(expires: Timestamp, keys: &[(RoleType, &Key)]) -> Result<Root> {
    let mut root = Root {
        spec_version: SPEC.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires,
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    for (role, key) in keys {
        let id = key_id(&role.to_string(), key)?;
        root.keys.insert(id.clone(), key.public());
        let keys = RoleKeys {
            keyids: vec![id],
            threshold: NonZeroU64::MIN,
            _extra: HashMap::new(),
        };
        root.roles.insert(*role, keys);
    }
    Ok(root)
}

/// Lets a channel's role sign the channel's document, and nothing else.
///
/// # Errors
/// As [`key_id`].
pub fn delegate(delegations: &mut Delegations, channel: &ChannelName, key: &Key) -> Result<()> {
    let name = channel.role();
    let fault = |problem: String| Error::Sign {
        role: channel.role(),
        problem,
    };
    let path = PathPattern::new(channel.target()).map_err(|source| fault(source.to_string()))?;
    let id = key_id(&name, key)?;
    delegations.keys.insert(id.clone(), key.public());
    delegations.roles.push(DelegatedRole {
        name,
        keyids: vec![id],
        threshold: NonZeroU64::MIN,
        paths: PathSet::Paths(vec![path]),
        terminating: true,
        targets: None,
    });
    Ok(())
}

/// Lists a document in a role.
///
/// # Errors
/// [`Error::Sign`] for a name that cannot be a target's.
pub fn list(role: &mut Targets, name: &str, document: &[u8]) -> Result<()> {
    let fault = |source: tough::error::Error| Error::Sign {
        role: "targets".to_owned(),
        problem: source.to_string(),
    };
    let target = Target {
        length: document.len() as u64,
        hashes: hashes(document),
        custom: HashMap::new(),
        _extra: HashMap::new(),
    };
    role.targets
        .insert(TargetName::new(name).map_err(fault)?, target);
    Ok(())
}

/// How a file of metadata is listed in another.
pub fn metafile(version: NonZeroU64, bytes: &[u8]) -> Metafile {
    Metafile {
        length: Some(bytes.len() as u64),
        hashes: Some(hashes(bytes)),
        version,
        _extra: HashMap::new(),
    }
}

fn hashes(bytes: &[u8]) -> Hashes {
    Hashes {
        sha256: Digest::of(bytes).bytes().to_vec().into(),
        _extra: HashMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_reader_would_take_is_not_signed() {
        let role = |length| sign("snapshot", "x".repeat(length), &[]);
        // The quotes, what is around them, and the line's end.
        let around = role(0).unwrap().1.len();
        assert_eq!(role(65_536 - around).unwrap().1.len(), 65_536);
        assert_eq!(
            role(65_537 - around).unwrap_err().to_string(),
            "the TUF metadata of role snapshot cannot be signed: it is 65537 bytes long, and readers take 65536 at most"
        );
        assert_eq!(longest("targets"), 4 * 1024 * 1024);
    }

    #[test]
    fn expiries_are_whole_seconds() {
        let now: Timestamp = "2026-11-21T10:00:00.75Z".parse().unwrap();
        let cases = [
            ("1h", "2026-11-21T11:00:00Z"),
            ("7d", "2026-11-28T10:00:00Z"),
            ("1y", "2027-11-21T10:00:00Z"),
            ("0s", "2026-11-21T10:00:00Z"),
        ];
        for (life, end) in cases {
            assert_eq!(
                expiry(now, &life.parse().unwrap()).unwrap().to_string(),
                end
            );
        }
        assert!(matches!(
            expiry(now, &Span::new().years(9000)),
            Err(Error::Expiry { .. })
        ));
    }
}
