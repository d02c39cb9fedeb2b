//! Reads the metadata once more: it must be fresh, and offer the very same release, at the time of arming.

use acl_updater_core::Version;

use super::{Error, check};
use crate::session::Session;

pub(super) async fn recheck(session: &mut Session, version: &Version) -> Result<(), Error> {
    let mut found = session.found.take().ok_or(Error::NothingFound)?;
    let refreshed = found.repository.refresh().await;
    let found = session.found.insert(found);
    refreshed.map_err(|source| Error::ReadRepository { source })?;
    let found = &*found;
    let clock = session.clock.as_ref();
    let decision = check::decide(clock, &found.repository, &found.channel, &found.stand).await?;
    if let Some(reason) = decision.obstacle(&found.manifest.version) {
        return Err(Error::NoLongerOffered {
            version: version.clone(),
            reason,
        });
    }
    if check::manifest_again(found).await? == found.manifest {
        Ok(())
    } else {
        Err(Error::Replaced {
            version: version.clone(),
        })
    }
}
