//! The chain of roots: each is signed by the keys of the one before it (TUF 1.0 §5.3). Pure.
//!
//! A root that an image ships begins a chain, or is a member of one that is known. A known chain is used from its newest
//! root on, so that its version never decreases: the keys that a newer root revoked stay revoked, also after a rollback to
//! an image that ships an older root.

use std::collections::{BTreeMap, BTreeSet};

use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{RoleType, Root, Signed};

use super::metadata::{MetadataProblem, check_version, parse, signed};

/// Reads a root that must be signed by its own keys.
pub(crate) fn self_signed(bytes: &[u8]) -> Result<Signed<Root>, MetadataProblem> {
    let root: Signed<Root> = parse("root", bytes)?;
    signed(root.signed.verify_role(&root))?;
    Ok(root)
}

/// Reads the root that follows `newest`: signed by the keys of both, and the next version (TUF §5.3.4, §5.3.5).
pub(crate) fn following(newest: &Root, bytes: &[u8]) -> Result<Signed<Root>, MetadataProblem> {
    let root: Signed<Root> = parse("root", bytes)?;
    signed(newest.verify_role(&root))?;
    signed(root.signed.verify_role(&root))?;
    check_version(
        root.signed.version.get(),
        newest.version.get().saturating_add(1),
    )?;
    Ok(root)
}

/// The roots of one publisher that a node has verified, by their versions.
#[derive(Debug, Default)]
pub(crate) struct Chain(BTreeMap<u64, Signed<Root>>);

impl Chain {
    /// A chain of roots that are signed by their own keys.
    ///
    /// # Errors
    /// The version of a root that the one before it did not sign.
    pub(crate) fn new(roots: impl IntoIterator<Item = Signed<Root>>) -> Result<Self, u64> {
        let roots = roots.into_iter();
        let roots: BTreeMap<_, _> = roots
            .map(|root| (root.signed.version.get(), root))
            .collect();
        for (version, root) in &roots {
            // A shipped root may be some versions ahead of the chain.
            let before = version.checked_sub(1).and_then(|before| roots.get(&before));
            if before.is_some_and(|before| before.signed.verify_role(root).is_err()) {
                return Err(*version);
            }
        }
        Ok(Self(roots))
    }

    /// The newest root.
    pub(crate) fn newest(&self) -> Option<&Signed<Root>> {
        self.0.values().next_back()
    }

    /// The root of a version.
    pub(crate) fn get(&self, version: u64) -> Option<&Signed<Root>> {
        self.0.get(&version)
    }

    /// Whether a root that the operator trusts is of this publisher: it is in the chain, signs one of its later roots, or
    /// is signed by its newest.
    pub(crate) fn knows(&self, shipped: &Signed<Root>) -> bool {
        let version = shipped.signed.version.get();
        let same = self
            .get(version)
            .is_some_and(|root| root.signed == shipped.signed);
        let mut later = self.0.range(version.saturating_add(1)..);
        let signs = later.any(|(_, root)| shipped.signed.verify_role(root).is_ok());
        let newest = self.newest();
        let follows = newest.is_some_and(|newest| {
            version > newest.signed.version.get() && newest.signed.verify_role(shipped).is_ok()
        });
        same || signs || follows
    }

    /// Whether the keys of timestamp or snapshot changed after the root of this version (TUF §5.3.11).
    pub(crate) fn has_rotated_since(&self, version: u64) -> bool {
        let roots: Vec<&Root> = self
            .0
            .range(version..)
            .map(|(_, root)| &root.signed)
            .collect();
        roots.windows(2).any(|pair| {
            [RoleType::Timestamp, RoleType::Snapshot]
                .iter()
                .any(|role| keys(pair[0], *role) != keys(pair[1], *role))
        })
    }
}

/// Whose signatures count, and how many of them it takes: a raised threshold, too, takes trust from what one of them signed.
fn keys(root: &Root, role: RoleType) -> Option<(u64, BTreeSet<&Decoded<Hex>>)> {
    let role = root.roles.get(&role)?;
    Some((role.threshold.get(), role.keyids.iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A root with a key and a threshold for each of the two roles.
    fn root(version: u64, timestamp: (&str, u64), snapshot: (&str, u64)) -> (u64, Signed<Root>) {
        let role = |(key, threshold)| json!({"keyids": [key], "threshold": threshold});
        let signed = json!({
            "_type": "root", "spec_version": "1.0.0", "consistent_snapshot": true, "version": version,
            "expires": "2027-01-01T00:00:00Z", "keys": {},
            "roles": {"timestamp": role(timestamp), "snapshot": role(snapshot)},
        });
        let root = json!({"signed": signed, "signatures": []});
        (version, serde_json::from_value(root).unwrap())
    }

    #[test]
    fn keys_and_thresholds_that_change_are_a_rotation() {
        let first = ("aa", 1);
        for (timestamp, snapshot, expected) in [
            (first, first, false),
            (("bb", 1), first, true),
            (first, ("bb", 1), true),
            (("aa", 2), first, true),
            (first, ("aa", 2), true),
        ] {
            // One later root changes nothing more.
            let later = root(3, timestamp, snapshot);
            let roots = [root(1, first, first), root(2, timestamp, snapshot), later];
            let chain = Chain(BTreeMap::from(roots));
            let case = format!("{timestamp:?} {snapshot:?}");
            assert_eq!(chain.has_rotated_since(1), expected, "{case}");
            assert!(!chain.has_rotated_since(2), "{case}");
        }
    }
}
