//! Which release of a channel a node takes, and why not each of the others.
//!
//! One pure function of where the node stands, what the channel offers and what time it is. Its answer holds
//! the reason for every release of the channel, for `--explain`.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::channel::{Channel, Offer};
use crate::version::Version;

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The release that it runs.
    pub running: Version,
    /// Releases that failed their trial here.
    pub failed: BTreeSet<Version>,
}

/// What a node does, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The release to take; nothing when the node stays where it is.
    pub take: Option<Version>,
    /// One verdict for each release of the channel, newest first.
    pub verdicts: Vec<Verdict>,
}

/// What was found about one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The release.
    pub version: Version,
    /// Why it is taken or not.
    pub reason: Reason,
}

/// Why a release is taken or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The newest release that the node may take.
    Newest,
    /// It could be taken, but a newer one can too.
    NewerOffered(Version),
    /// It runs already.
    Running,
    /// It is older than the one that runs.
    OlderThanRunning(Version),
    /// It failed its trial on this node.
    FailedHere,
    /// Its publisher took it back, and said why.
    Withdrawn(String),
    /// Its publisher has paused it.
    Paused,
    /// It may be taken from this time on.
    NotStarted(Timestamp),
    /// It may be reached only from this version or a newer one.
    BelowFloor(Version),
}

/// Chooses from a channel.
pub fn choose(stand: &Stand, channel: &Channel, now: Timestamp) -> Decision {
    let mut offers: Vec<&Offer> = channel.releases.iter().collect();
    offers.sort_by(|a, b| b.version.cmp(&a.version));
    let mut decision = Decision {
        take: None,
        verdicts: Vec::new(),
    };
    for offer in offers {
        let reason = obstacle(stand, offer, now).unwrap_or_else(|| match &decision.take {
            Some(newer) => Reason::NewerOffered(newer.clone()),
            None => Reason::Newest,
        });
        if reason == Reason::Newest {
            decision.take = Some(offer.version.clone());
        }
        decision.verdicts.push(Verdict {
            version: offer.version.clone(),
            reason,
        });
    }
    decision
}

/// What keeps a node from taking a release. What lasts is told before what passes.
fn obstacle(stand: &Stand, offer: &Offer, now: Timestamp) -> Option<Reason> {
    if offer.version == stand.running {
        return Some(Reason::Running);
    }
    if offer.version < stand.running {
        return Some(Reason::OlderThanRunning(stand.running.clone()));
    }
    if let Some(why) = &offer.withdrawn {
        return Some(Reason::Withdrawn(why.clone()));
    }
    if stand.failed.contains(&offer.version) {
        return Some(Reason::FailedHere);
    }
    if let Some(floor) = offer.floor.as_ref().filter(|floor| stand.running < **floor) {
        return Some(Reason::BelowFloor(floor.clone()));
    }
    if offer.paused {
        return Some(Reason::Paused);
    }
    (now < offer.starts).then_some(Reason::NotStarted(offer.starts))
}

impl Decision {
    /// The verdict that answers "why this?" or, when nothing is taken, "why not the newest?".
    pub fn deciding(&self) -> Option<&Verdict> {
        let taken = self
            .verdicts
            .iter()
            .find(|verdict| verdict.reason == Reason::Newest);
        taken.or(self.verdicts.first())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.deciding() {
            Some(verdict) => verdict.fmt(f),
            None => f.write_str("the channel has no releases"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Newest => f.write_str("is the newest release that this node may take"),
            Reason::NewerOffered(newer) => write!(f, "is not taken, because {newer} is newer"),
            Reason::Running => f.write_str("runs already"),
            Reason::OlderThanRunning(running) => write!(f, "is older than {running}, which runs"),
            Reason::FailedHere => {
                f.write_str("failed its trial on this node; `aclctl retry` allows it again")
            }
            Reason::Withdrawn(why) => write!(f, "was withdrawn by its publisher: {why}"),
            Reason::Paused => f.write_str("is paused by its publisher"),
            Reason::NotStarted(starts) => write!(f, "may be taken from {starts} on"),
            Reason::BelowFloor(floor) => write!(f, "may be reached only from {floor} or newer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-01T12:00:00Z";

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn offer(text: &str) -> Offer {
        Offer::new(version(text), "2026-11-01T00:00:00Z".parse().unwrap())
    }

    fn decide(running: &str, failed: &[&str], releases: Vec<Offer>) -> Decision {
        let stand = Stand {
            running: version(running),
            failed: failed.iter().map(|text| version(text)).collect(),
        };
        let mut channel = Channel::empty("stable".parse().unwrap());
        channel.releases = releases;
        choose(&stand, &channel, NOON.parse().unwrap())
    }

    /// Where the channel offers 2 and a newest release 3: what is taken, and what is said about 3.
    #[track_caller]
    fn newest(running: &str, failed: &[&str], newest: Offer, take: Option<&str>, reason: Reason) {
        let decision = decide(running, failed, vec![offer("2"), newest]);
        assert_eq!(decision.take, take.map(version));
        let verdict = Verdict {
            version: version("3"),
            reason,
        };
        assert_eq!(decision.verdicts[0], verdict);
    }

    #[test]
    fn each_condition_and_what_is_taken_instead() {
        let later: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        let with = |change: &dyn Fn(&mut Offer)| {
            let mut offer = offer("3");
            change(&mut offer);
            offer
        };
        newest("1", &[], offer("3"), Some("3"), Reason::Newest);
        newest("3", &[], offer("3"), None, Reason::Running);
        newest(
            "4",
            &[],
            offer("3"),
            None,
            Reason::OlderThanRunning(version("4")),
        );
        newest("1", &["3"], offer("3"), Some("2"), Reason::FailedHere);
        newest("1", &["2", "3"], offer("3"), None, Reason::FailedHere);
        let withdrawn = with(&|offer| offer.withdrawn = Some("eats data".into()));
        newest(
            "1",
            &[],
            withdrawn,
            Some("2"),
            Reason::Withdrawn("eats data".into()),
        );
        newest(
            "1",
            &[],
            with(&|offer| offer.paused = true),
            Some("2"),
            Reason::Paused,
        );
        newest(
            "1",
            &[],
            with(&|offer| offer.starts = later),
            Some("2"),
            Reason::NotStarted(later),
        );
        let floor = with(&|offer| offer.floor = Some(version("2")));
        newest("1", &[], floor, Some("2"), Reason::BelowFloor(version("2")));
    }

    #[test]
    fn the_order_in_the_document_does_not_matter() {
        let decision = decide("1", &[], vec![offer("10"), offer("9"), offer("2")]);
        let reasons = [
            Reason::Newest,
            Reason::NewerOffered(version("10")),
            Reason::NewerOffered(version("10")),
        ];
        assert_eq!(
            decision
                .verdicts
                .into_iter()
                .map(|verdict| verdict.reason)
                .collect::<Vec<_>>(),
            reasons
        );
        assert_eq!(decision.take, Some(version("10")));
    }

    #[test]
    fn a_floor_is_reached_at_itself() {
        let newest = Offer {
            floor: Some(version("2")),
            ..offer("3")
        };
        let decision = decide("2", &[], vec![newest]);
        assert_eq!(decision.take, Some(version("3")));
    }

    #[test]
    fn reasons_as_they_are_told() {
        assert_eq!(
            decide("1", &[], vec![]).to_string(),
            "the channel has no releases"
        );
        assert_eq!(
            decide("1", &[], vec![offer("2")]).to_string(),
            "2 is the newest release that this node may take"
        );
        assert_eq!(
            decide("2", &[], vec![offer("2"), offer("1")]).to_string(),
            "2 runs already"
        );
    }
}
