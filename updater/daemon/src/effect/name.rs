//! Gives the slot's partitions the GUIDs by which the release finds them, and their labels.

use super::{Error, prepare};
use crate::session::Session;

pub(super) async fn name(session: &Session) -> Result<(), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let root = prepare::root_hash(found);
    let (mut table, slots) = session.machine.slots()?;
    tokio::task::spawn_blocking(move || {
        slots.other.name_for(&mut table, &root)?;
        table.write()
    })
    .await?
    .map_err(|source| Error::NameSlot { source })
}
