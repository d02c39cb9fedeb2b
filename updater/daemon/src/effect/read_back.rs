//! Reads the slot back from the device and compares it with the root hash that the manifest promises.

use std::io;

use acl_host::{
    disk::Region,
    signature::VeritySignature,
    verity::{self, ReadAt},
};
use acl_release::{
    digest::Digester,
    manifest::{Artifact, Artifacts},
};
use tokio_util::sync::CancellationToken;

use super::{Error, cancellable::Cancellable, kernel::PIECE, prepare};
use crate::{machine::OtherSlot, session::Session};

/// Longer than any signature document; the partition is padded.
const SIGNATURE: usize = 64 * 1024;

pub(super) async fn read_back(session: &Session) -> Result<(), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let expected = prepare::root_hash(found);
    let slot = session.machine.other_slot()?;
    // The data was read back as it was written, and had this root; then the tree alone is left to be read.
    let proven = session.proven == Some(expected);
    let cancel = session.cancel.clone();
    let artifacts = found.manifest.artifacts.clone();
    let compared = tokio::task::spawn_blocking(move || {
        compare(&slot, (expected, proven), &artifacts, &cancel)
    });
    compared
        .await?
        .map_err(|(source, is_releases)| match is_releases {
            true => Error::RefuseTree {
                version: found.manifest.version.to_string(),
                source,
            },
            false => Error::ReadBack { source },
        })
}

/// What the slot gives back must have the root hash. An error comes with whether it is the release's own; else it is the
/// disk's.
fn compare(
    slot: &OtherSlot,
    (expected, proven): (verity::RootHash, bool),
    artifacts: &Artifacts,
    cancel: &CancellationToken,
) -> Result<(), (acl_host::Error, bool)> {
    tree(slot, expected, proven, cancel).map_err(|source| {
        let is_releases = !proven && is_wrong_as_published(slot, expected, artifacts, cancel);
        (source, is_releases)
    })?;
    // The document had this root hash when it was fetched.
    signature(slot, expected).map_err(|source| (source, false))
}

/// Whether the disk gives back every byte as the manifest says, and the tree differs again: then the release is wrong. A
/// read that fails, or gives something else the next time, says nothing about the release.
fn is_wrong_as_published(
    slot: &OtherSlot,
    expected: verity::RootHash,
    artifacts: &Artifacts,
    cancel: &CancellationToken,
) -> bool {
    let is_wrong = || match tree(slot, expected, false, cancel) {
        Ok(()) | Err(acl_host::Error::ReadVerity { .. }) => false,
        Err(_) => true,
    };
    is_as_published(slot, artifacts, cancel) && is_wrong()
}

/// Whether the disk gives back every byte as the manifest says.
fn is_as_published(slot: &OtherSlot, artifacts: &Artifacts, cancel: &CancellationToken) -> bool {
    let has = |region: &Region, artifact: &Artifact| {
        let read = Cancellable::new(region.clone().first(artifact.size), cancel);
        holds(&read, artifact).unwrap_or(false)
    };
    has(&slot.usr, &artifacts.usr) && has(&slot.verity, &artifacts.verity)
}

fn holds(read: &impl ReadAt, artifact: &Artifact) -> io::Result<bool> {
    let mut digester = Digester::default();
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < artifact.size {
        let length = usize::try_from(artifact.size - at).unwrap_or(PIECE);
        let piece = &mut buffer[..length.min(PIECE)];
        read.read_exact_at(piece, at)?;
        digester.update(piece);
        at += piece.len() as u64;
    }
    Ok(digester.finish() == artifact.sha256)
}

fn tree(
    slot: &OtherSlot,
    expected: verity::RootHash,
    proven: bool,
    cancel: &CancellationToken,
) -> acl_host::Result<()> {
    let [usr, tree] = [&slot.usr, &slot.verity].map(|r| Cancellable::new(r.clone(), cancel));
    match proven {
        true => verity::check_tree(&tree, &expected),
        false => verity::check(&usr, &tree, &expected),
    }
}

fn signature(slot: &OtherSlot, expected: verity::RootHash) -> acl_host::Result<()> {
    let size = usize::try_from(slot.signature.size()).unwrap_or(SIGNATURE);
    let mut bytes = vec![0; size.min(SIGNATURE)];
    slot.signature.read_at(&mut bytes, 0)?;
    let signed = VeritySignature::parse(&bytes)?.root_hash;
    if signed == expected {
        return Ok(());
    }
    Err(acl_host::Error::RootHashMismatch {
        expected: expected.to_string(),
        found: signed.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use acl_host::{
        disk::Disk,
        verity::{Parameters, RootHash, Tree},
    };
    use acl_release::{digest::Digest, manifest::Blob};

    use super::*;

    const TREE: u64 = 1 << 20;
    const SIGNED: u64 = 2 << 20;

    fn data(byte: u8) -> Vec<u8> {
        vec![byte; 64 * 4096]
    }

    fn build(data: &[u8]) -> Tree {
        verity::build(data, &Parameters::from_data(data).unwrap()).unwrap()
    }

    fn artifact(bytes: &[u8]) -> Artifact {
        let nothing = || Blob {
            size: 0,
            sha256: Digest::of(b""),
        };
        Artifact {
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
            index: nothing(),
            pack: nothing(),
            unpacked: None,
        }
    }

    /// What the disk holds of a slot, and what was published for it.
    struct Slot {
        data: Vec<u8>,
        tree: Tree,
        signed: RootHash,
        published: Artifacts,
    }

    impl Slot {
        /// All as it should be.
        fn new() -> Self {
            let data = data(1);
            let tree = build(&data);
            Self {
                signed: tree.root,
                published: Artifacts {
                    usr: artifact(&data),
                    verity: artifact(&tree.bytes),
                    signature: artifact(b""),
                    uki: artifact(b""),
                },
                data,
                tree,
            }
        }

        /// What is found wrong, and whether it is the release's own.
        fn compare(&self, proven: bool) -> Result<(), (String, bool)> {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(3 << 20).unwrap();
            let disk = Disk::open(file.path()).unwrap();
            let region = |name: &str, from, to| disk.region(name, from..to).unwrap();
            let slot = OtherSlot {
                usr: region("usr", 0, TREE),
                verity: region("verity", TREE, SIGNED),
                signature: region("signature", SIGNED, 3 << 20),
            };
            let signature = VeritySignature {
                root_hash: self.signed,
                certificate_fingerprint: [7; 32],
                signature: vec![1],
            };
            slot.usr.write_at(&self.data, 0).unwrap();
            slot.verity.write_at(&self.tree.bytes, 0).unwrap();
            let document = signature.to_json();
            slot.signature.write_at(document.as_bytes(), 0).unwrap();
            let expected = (build(&data(1)).root, proven);
            let cancel = CancellationToken::new();
            compare(&slot, expected, &self.published, &cancel)
                .map_err(|(error, is_releases)| (error.to_string(), is_releases))
        }
    }

    #[test]
    fn what_is_right_is_nobodys_fault() {
        assert_eq!(Slot::new().compare(false), Ok(()));
        assert_eq!(Slot::new().compare(true), Ok(()));
    }

    /// The old release's signature is still there: a write was lost.
    #[test]
    fn a_signature_of_another_root_hash_is_the_disks_fault() {
        let mut slot = Slot::new();
        slot.signed = build(&data(2)).root;
        for proven in [false, true] {
            let (error, is_releases) = slot.compare(proven).unwrap_err();
            assert!(error.starts_with("the root hash is "), "{error}");
            assert!(!is_releases, "{error}");
        }
    }

    #[test]
    fn a_file_system_that_was_published_with_another_root_hash_is_the_releases_fault() {
        let mut slot = Slot::new();
        slot.data = data(2);
        slot.tree = build(&slot.data);
        // The disk does not hold what was published.
        assert!(!slot.compare(false).unwrap_err().1);
        slot.published.usr = artifact(&slot.data);
        slot.published.verity = artifact(&slot.tree.bytes);
        assert!(slot.compare(false).unwrap_err().1);
        // It had the right root hash when it was written.
        assert!(!slot.compare(true).unwrap_err().1);
    }
}
