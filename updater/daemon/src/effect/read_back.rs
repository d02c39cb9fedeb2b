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
        compare(&slot, expected, proven, &cancel).map_err(|source| {
            // A read that failed says nothing about the release, even when the next one gives what was published.
            let differs = matches!(
                source,
                acl_host::Error::VerityMismatch { .. } | acl_host::Error::RootHashMismatch { .. }
            );
            let as_published = differs && is_as_published(&slot, &artifacts, &cancel);
            (source, as_published)
        })
    });
    compared
        .await?
        .map_err(|(source, is_as_published)| match is_as_published {
            true => Error::RefuseTree {
                version: found.manifest.version.to_string(),
                source,
            },
            false => Error::ReadBack { source },
        })
}

/// Whether the disk gave back every byte as the manifest says: then the disk is not at fault.
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

fn compare(
    slot: &OtherSlot,
    expected: verity::RootHash,
    proven: bool,
    cancel: &CancellationToken,
) -> acl_host::Result<()> {
    let [usr, tree] = [&slot.usr, &slot.verity].map(|r| Cancellable::new(r.clone(), cancel));
    if proven {
        verity::check_tree(&tree, &expected)?;
    } else {
        verity::check(&usr, &tree, &expected)?;
    }
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
