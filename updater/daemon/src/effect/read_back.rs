//! Reads the slot back from the device and compares it with the root hash that the manifest promises.

use acl_host::{signature::VeritySignature, verity};

use super::{Error, prepare};
use crate::{machine::OtherSlot, session::Session};

/// Longer than any signature document; the partition is padded.
const SIGNATURE: usize = 64 * 1024;

pub(super) async fn read_back(session: &Session) -> Result<(), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let expected = prepare::root_hash(found);
    let slot = session.machine.other_slot()?;
    tokio::task::spawn_blocking(move || compare(&slot, expected))
        .await?
        .map_err(|source| Error::ReadBack { source })
}

fn compare(slot: &OtherSlot, expected: verity::RootHash) -> acl_host::Result<()> {
    verity::check(&slot.usr, &slot.verity, &expected)?;
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
