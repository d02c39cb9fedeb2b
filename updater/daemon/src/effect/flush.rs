//! Makes what was written to the slot durable, the device's own cache included.

use super::Error;
use crate::session::Session;

pub(super) async fn flush(session: &Session) -> Result<(), Error> {
    let slot = session.machine.other_slot()?;
    tokio::task::spawn_blocking(move || {
        slot.usr.flush()?;
        slot.verity.flush()?;
        slot.signature.flush()
    })
    .await?
    .map_err(|source| Error::WriteSlot { source })
}
