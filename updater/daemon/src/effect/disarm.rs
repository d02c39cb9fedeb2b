//! Removes every boot entry but the running release's, durably: the slot they boot is about to be overwritten.

use super::Error;
use crate::session::Session;

pub(super) fn disarm(session: &Session) -> Result<(), Error> {
    let running = session.machine.image()?.version;
    let esp = session.machine.esp()?;
    let remove = || {
        for entry in esp.entries()? {
            if entry.version() != running.as_str() {
                esp.disarm(entry.version())?;
            }
        }
        Ok(())
    };
    remove().map_err(|source| Error::Disarm { source })
}
