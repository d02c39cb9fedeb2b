//! Writes the boot entry of the staged release, with its counter: the next boot tries it.

use acl_release::manifest::Part;
use acl_updater_core::Version;

use super::{Error, staged_files::StagedFiles};
use crate::{health::report, session::Session};

/// How often a release may be tried before the boot loader goes back.
const TRIES: u32 = 3;

pub(super) async fn arm(session: &Session, version: &Version) -> Result<(), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let artifact = found.manifest.artifacts.uki.clone();
    let files = StagedFiles::new(&session.machine.state_dir());
    let mut image = files.open(Part::Uki, &artifact)?;
    let esp = session.machine.esp()?;
    let version = version.clone();
    tokio::task::spawn_blocking(move || {
        esp.arm(version.as_str(), &mut image, artifact.size, TRIES)
    })
    .await?
    .map_err(|source| Error::Arm { source })?;
    files.remove();
    // What an earlier trial of this very release found says nothing about the one to come.
    report::forget(&session.machine.state_dir());
    Ok(())
}
