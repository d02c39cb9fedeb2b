//! Removes boot entries, durably: of a slot that is about to be overwritten, and of a release that must not be booted.

use acl_updater_core::Version;

use super::Error;
use crate::session::Session;

/// Every entry but the running release's: the slot they boot is about to be overwritten.
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

/// The entry of an armed release.
pub(super) async fn armed(session: &Session, version: &Version) -> Result<(), Error> {
    let (esp, version) = (session.machine.esp()?, version.clone());
    tokio::task::spawn_blocking(move || esp.disarm(version.as_str()))
        .await?
        .map_err(|source| Error::Disarm { source })
}
