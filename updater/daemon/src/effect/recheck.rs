//! Reads the metadata once more: it must be fresh, and offer the very same release, at the time of arming.

use acl_host::clock::Clock;
use acl_release::choose::{Decision, Reason};
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
    if let Some(reason) = obstacle(&decision, &found.manifest.version) {
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

/// Why a release that was taken a while ago would not be taken now. That a newer one is there is no reason.
fn obstacle(decision: &Decision, version: &acl_release::version::Version) -> Option<String> {
    let verdict = decision.verdicts.iter().find(|v| v.version == *version);
    match verdict {
        None => Some("the channel does not list it".to_owned()),
        Some(verdict) => match verdict.reason {
            Reason::Newest | Reason::NewerOffered(_) => None,
            _ => Some(verdict.to_string()),
        },
    }
}
