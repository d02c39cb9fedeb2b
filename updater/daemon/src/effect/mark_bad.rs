//! Makes the running release's boot entry the last choice of the boot loader.

use acl_updater_core::Version;

use super::Error;
use crate::session::Session;

pub(super) fn mark_bad(session: &Session, version: &Version) -> Result<(), Error> {
    let esp = session.machine.esp()?;
    let marked = esp.mark_bad(version.as_str());
    marked.map_err(|source| Error::MarkBad { source })?;
    Ok(())
}
