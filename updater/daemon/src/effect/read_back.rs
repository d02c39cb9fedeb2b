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
        tree(&slot, expected, proven, &cancel).map_err(|source| {
            let is_releases =
                !proven && is_wrong_as_published(&slot, expected, &artifacts, &cancel);
            (source, is_releases)
        })?;
        // The document had this root hash when it was fetched.
        signature(&slot, expected).map_err(|source| (source, false))
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
