//! Reads the metadata once more: it must be fresh, and offer the very same release, at the time of arming.

use acl_host::clock::Clock;
use acl_updater_core::Version;

use super::{Error, check};
use crate::session::{Found, Session};

pub(super) async fn recheck(session: &Session, version: &Version) -> Result<(), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    still_offered(session.clock.as_ref(), found, version).await
}

/// Whether the repository, read anew, offers the release as it was found.
pub(super) async fn still_offered(
    clock: &dyn Clock,
    found: &Found,
    version: &Version,
) -> Result<(), Error> {
    let refreshed = found.repository.write().await.refresh().await;
    refreshed.map_err(|source| Error::ReadRepository { source })?;
    let repository = found.repository.read().await;
    let decision = check::decide(clock, &repository, &found.channel, &found.stand).await?;
    drop(repository);
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
