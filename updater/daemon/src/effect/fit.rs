//! Chooses the newest release that fits this machine. What is wrong with one release is told of that one, and does not
//! keep the machine from the others.

use std::{collections::BTreeMap, time::Duration};

use acl_release::{
    channel::Channel,
    choose::{self, Decision, Reason, Stand, Verdict},
    manifest::{Manifest, Part},
    repository::read::Repository,
    version::Version,
};
use acl_updater_core::{
    bounds,
    event::Obstacle,
    record::Unfit,
    state::{Goal, State, Who},
};
use jiff::Timestamp;
use tracing::warn;

use super::{Error, check::ARCH};
use crate::machine::Machine;

/// Manifests that one check fetches of releases that then do not fit. A release that the repository does not have costs
/// nothing, and does not count.
const LOOKED_AT: usize = 32;

/// How long a release that the server may have mended is passed over for another one.
const MENDED: Duration = Duration::from_secs(6 * 3600);

/// No part of a release is larger, in bytes.
const LARGEST: u64 = 1 << 40;

/// Which errors say that a release cannot be taken, and not that the repository cannot be read.
type PassedOver = fn(&acl_release::Error) -> bool;

/// What is chosen.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) decision: Decision,
    /// Of the release to take.
    pub(super) manifest: Option<Manifest>,
    /// Who must act on a release that is known to be damaged; on any other that does not fit, it is the server.
    known_faults: BTreeMap<Version, Who>,
}

impl Chosen {
    /// Whether another release than `version` was chosen.
    fn is_other_than(&self, version: &Version) -> bool {
        self.decision
            .take
            .as_ref()
            .is_some_and(|take| take != version)
    }

    /// The newest release of those newer than the `running` one that something is wrong with, as its place among the
    /// verdicts; and who must act. None when a release is taken.
    pub(super) fn fault(&self, running: &Version) -> Option<(&Verdict, Who)> {
        let verdicts = self.decision.verdicts.iter();
        let mut wrong = verdicts.filter(|verdict| {
            matches!(verdict.reason, Reason::Unfit(_)) && verdict.version > *running
        });
        let newest = wrong.next().filter(|_| self.manifest.is_none())?;
        let who = self.known_faults.get(&newest.version).copied();
        Some((newest, who.unwrap_or(Who::Server)))
    }
}

/// The newest release that may be taken, whose manifest fits, and that is not `known` to be damaged.
pub(super) async fn choose(
    (machine, known): (&Machine, &[Unfit]),
    repository: &Repository,
    channel: &Channel,
    (stand, now): (&Stand, Timestamp),
    armed: Option<&Version>,
) -> Result<Chosen, Error> {
    let (mut unfit, mut looked_at) = (BTreeMap::new(), 0);
    let mut known_faults = BTreeMap::new();
    loop {
        let decision = choose::choose_but(stand, channel, now, &unfit);
        let Some(version) = decision.take.clone() else {
            return Ok(Chosen {
                decision,
                manifest: None,
                known_faults,
            });
        };
        // The armed release is looked at whatever the others are.
        if looked_at >= LOOKED_AT && armed != Some(&version) {
            let why = format!("{LOOKED_AT} newer ones do not fit either");
            let rest = channel.releases.iter().map(|offer| &offer.version);
            let rest =
                rest.filter(|version| !unfit.contains_key(version) && armed != Some(version));
            let rest: Vec<_> = rest.map(|version| (version.clone(), why.clone())).collect();
            unfit.extend(rest);
            continue;
        }
        let known = known.iter().find(|unfit| {
            let is_it = unfit.version.as_str() == version.as_str();
            is_it && armed != Some(&version) && holds(unfit, repository, (armed.is_some(), now))
        });
        if let Some(known) = known {
            known_faults.insert(version.clone(), known.who);
            unfit.insert(version, known.reason.clone());
            continue;
        }
        // A server without keys must not have the armed release disarmed.
        let passed_over: PassedOver = match armed == Some(&version) {
            true => acl_release::Error::is_publishers,
            false => acl_release::Error::is_lacking,
        };
        match fitting(machine, repository, &version, passed_over).await? {
            Ok(manifest) => {
                return Ok(Chosen {
                    decision,
                    manifest: Some(manifest),
                    known_faults,
                });
            }
            Err(Misfit { why, fetched }) => {
                looked_at += usize::from(fetched);
                unfit.insert(version, why);
            }
        }
    }
}

/// Whether what was found about a release still holds: its manifest is the same, and the server had no time to mend it.
fn holds(unfit: &Unfit, repository: &Repository, (is_armed, now): (bool, Timestamp)) -> bool {
    let version = unfit.version.as_str().parse().ok();
    let digest = version.and_then(|version| repository.manifest_digest(&version, ARCH));
    let is_same = digest.is_some_and(|digest| digest.to_string() == unfit.manifest);
    is_same
        && unfit
            .since
            .is_none_or(|since| stays(since, (is_armed, now)))
}

/// Whether what was found at `since`, in milliseconds since 1970, is less than [`MENDED`] ago. A time to come is not: the
/// clock was wrong. While another release is armed, its slot and its entry are not given up for another try.
fn stays(since: u64, (is_armed, now): (bool, Timestamp)) -> bool {
    let now = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let age = now.checked_sub(since).map(Duration::from_millis);
    is_armed || age.is_some_and(|age| age < MENDED)
}

/// Why the armed release must not be booted, when the channel alone says it: that holds whatever else cannot be fetched.
pub(super) fn taken_back(
    channel: &Channel,
    (stand, now): (&Stand, Timestamp),
    armed: &acl_updater_core::Version,
) -> Option<Obstacle> {
    let version = armed.as_str().parse().ok()?;
    let reason = choose::choose(stand, channel, now).obstacle(&version)?;
    Some(Obstacle {
        version: armed.clone(),
        reason: bounds::text(&reason, bounds::VERDICT),
    })
}

/// Why the armed release must not be booted, when there is a reason.
pub(super) async fn obstacle(
    machine: &Machine,
    repository: &Repository,
    chosen: &Chosen,
    state: &State,
) -> Result<Option<Obstacle>, Error> {
    let Some(armed) = state.machine.armed() else {
        return Ok(None);
    };
    let reason = match armed.as_str().parse::<Version>() {
        Ok(version) => match chosen.decision.obstacle(&version) {
            Some(reason) => Some(reason),
            None => match replaced(machine, repository, chosen, &version).await {
                // It is not booted now, and the other release takes its place.
                Err(Error::ReadRepository { source })
                    if source.is_lacking()
                        && state.goal < Goal::Reboot
                        && chosen.is_other_than(&version) =>
                {
                    let error = acl_host::error::chain(&source);
                    warn!(
                        error,
                        "the armed release {version} cannot be compared: {error}"
                    );
                    None
                }
                replaced => replaced?,
            },
        },
        Err(error) => Some(error.to_string()),
    };
    Ok(reason.map(|reason| Obstacle {
        version: armed.clone(),
        reason: bounds::text(&reason, bounds::VERDICT),
    }))
}

/// What is wrong with the release `version`, or that it is another than the one in the slot.
async fn replaced(
    machine: &Machine,
    repository: &Repository,
    chosen: &Chosen,
    version: &Version,
) -> Result<Option<String>, Error> {
    let manifest = match &chosen.manifest {
        Some(manifest) if manifest.version == *version => manifest.clone(),
        _ => match fitting(
            machine,
            repository,
            version,
            acl_release::Error::is_publishers,
        )
        .await?
        {
            Ok(manifest) => manifest,
            Err(Misfit { why, .. }) => return Ok(Some(format!("{version} does not fit: {why}"))),
        },
    };
    let root = acl_host::verity::RootHash(*manifest.root_hash.bytes());
    let (_, slots) = machine.slots()?;
    let replaced = || format!("{version} was published anew with other content");
    Ok((!slots.other.holds(&root)).then(replaced))
}

/// Why a release cannot be taken.
struct Misfit {
    why: String,
    /// Whether its manifest was asked for.
    fetched: bool,
}

/// The manifest of a release, or why the release cannot be taken.
async fn fitting(
    machine: &Machine,
    repository: &Repository,
    version: &Version,
    passed_over: PassedOver,
) -> Result<Result<Manifest, Misfit>, Error> {
    match repository.manifest(version, ARCH).await {
        Ok(manifest) => Ok(match misfit(machine, &manifest)? {
            None => Ok(manifest),
            Some(why) => Err(Misfit { why, fetched: true }),
        }),
        // The others are published no less for it.
        Err(error) if passed_over(&error) => Ok(Err(Misfit {
            why: acl_host::error::chain(&error),
            fetched: !matches!(error, acl_release::Error::NoRelease { .. }),
        })),
        Err(source) => Err(Error::ReadRepository { source }),
    }
}

/// Why a release cannot be one for this machine, if so.
fn misfit(machine: &Machine, manifest: &Manifest) -> Result<Option<String>, Error> {
    let (found, wanted) = (&manifest.image_id, machine.image()?.id);
    if *found != wanted {
        return Ok(Some(format!(
            "it is of the image {found:?}, and this machine runs {wanted:?}"
        )));
    }
    // Two slots with the same GUIDs: nobody could say which of them boots.
    if *manifest.root_hash.bytes() == machine.root_hash()?.0 {
        let why = "it has the root hash of the release that runs".to_owned();
        return Ok(Some(why));
    }
    for part in Part::ALL {
        let size = manifest.artifacts.part(part).size;
        if size == 0 || size > LARGEST {
            return Ok(Some(format!(
                "its manifest says that {part} has {size} bytes"
            )));
        }
    }
    let entries = machine.esp()?.entries();
    let entries = entries.map_err(|source| crate::machine::Error::ReadEntries { source })?;
    Ok(same_but_for_case(
        manifest.version.as_str(),
        entries.iter().map(acl_host::entry::EntryName::version),
    ))
}

/// Two versions that differ only in upper and lower case would share a boot entry: FAT does not tell them apart.
fn same_but_for_case<'v>(
    version: &str,
    mut entries: impl Iterator<Item = &'v str>,
) -> Option<String> {
    let twin = entries.find(|entry| *entry != version && entry.eq_ignore_ascii_case(version))?;
    Some(format!(
        "the boot entry of {twin} has the same name on the EFI system partition, which does not tell upper from lower case"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_may_mend_is_passed_over_for_six_hours() {
        let now = Timestamp::from_millisecond(30_000_000).unwrap();
        for (since, expected) in [
            (30_000_000, true),
            (30_000_001, false),
            (30_000_000 - 6 * 3_600_000 + 1, true),
            (30_000_000 - 6 * 3_600_000, false),
            (0, false),
            (u64::MAX, false),
        ] {
            assert_eq!(stays(since, (false, now)), expected, "{since}");
            assert!(stays(since, (true, now)), "{since}");
        }
    }

    #[test]
    fn versions_that_differ_in_more_than_case_may_stand_beside_each_other() {
        let entries = ["1.0-rc", "2.0"];
        for version in ["1.0-rc", "1.0-rd", "2.0", "3"] {
            assert_eq!(
                same_but_for_case(version, entries.into_iter()),
                None,
                "{version}"
            );
        }
        assert_eq!(
            same_but_for_case("1.0-RC", entries.into_iter()),
            Some(
                "the boot entry of 1.0-rc has the same name on the EFI system partition, which does not tell upper \
                 from lower case"
                    .to_owned()
            )
        );
    }
}
