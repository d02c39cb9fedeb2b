//! Makes the staged release a boot entry, with its counter: the next boot tries it.

use acl_host::esp::Written;
use acl_release::manifest::Part;
use acl_updater_core::Version;

use tokio_util::sync::CancellationToken;

use super::{Error, cancellable::Cancellable, staged_files::StagedFiles};
use crate::{
    health::report,
    session::{Found, Session},
};

/// How often a release may be tried before the boot loader goes back.
const TRIES: u32 = 3;

pub(super) async fn arm(session: &mut Session, version: &Version) -> Result<(), Error> {
    let written = session.written.take();
    let written = written.filter(|written| written.version() == version.as_str());
    let written = match written {
        Some(written) => written,
        // The agent has been started again since.
        None => {
            let found = session.found.as_ref().ok_or(Error::NothingFound)?;
            write(session, found, &session.cancel).await?
        }
    };
    let esp = session.machine.esp()?;
    tokio::task::spawn_blocking(move || esp.arm(written))
        .await?
        .map_err(|source| Error::Arm { source })?;
    StagedFiles::new(&session.machine.state_dir()).remove();
    // What an earlier trial of this very release found says nothing about the one to come.
    report::forget(&session.machine.state_dir());
    Ok(())
}

/// Writes the kernel image to the ESP, where it is no boot entry until it is armed.
pub(super) async fn write(
    session: &Session,
    found: &Found,
    stop: &CancellationToken,
) -> Result<Written, Error> {
    let artifact = &found.manifest.artifacts.uki;
    let (version, size) = (found.manifest.version.clone(), artifact.size);
    let image = StagedFiles::new(&session.machine.state_dir()).open(Part::Uki, artifact)?;
    let mut image = Cancellable::new(image, stop);
    let esp = session.machine.esp()?;
    let written =
        tokio::task::spawn_blocking(move || esp.write(version.as_str(), &mut image, size, TRIES));
    written.await?.map_err(|source| Error::Arm { source })
}
