//! Reads the slot back from the device and compares it with the root hash that the manifest promises.

use acl_host::{signature::VeritySignature, verity};
use tokio_util::sync::CancellationToken;

use super::{Error, cancellable::Cancellable, prepare};
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
    tokio::task::spawn_blocking(move || compare(&slot, expected, proven, &cancel))
        .await?
        .map_err(|source| Error::ReadBack { source })
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
