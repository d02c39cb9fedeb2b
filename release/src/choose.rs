//! Which release of a channel a node takes, and why not each of the others.
//!
//! One pure function of where the node stands, what the channel offers and what time it is. Its answer holds
//! the reason for every release of the channel, for `--explain`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::channel::{Channel, Offer, Unclear};
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
    /// Entries of the channel of which not even the version can be read.
    pub unclear: Vec<Unclear>,
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
    /// Something is wrong with it, or it does not fit this node.
    Unfit(String),
}

/// Chooses from a channel.
pub fn choose(stand: &Stand, channel: &Channel, now: Timestamp) -> Decision {
    choose_but(stand, channel, now, &BTreeMap::new())
}

/// Chooses from a channel among the releases that are not `unfit`, which are told with their reasons.
pub fn choose_but(
    stand: &Stand,
    channel: &Channel,
    now: Timestamp,
    unfit: &BTreeMap<Version, String>,
) -> Decision {
    let offered = channel.releases.iter().map(|offer| {
        let unfit = || unfit.get(&offer.version).cloned().map(Reason::Unfit);
        (&offer.version, obstacle(stand, offer, now).or_else(unfit))
    });
    let (named, unclear): (Vec<_>, Vec<_>) =
        channel.unclear.iter().partition(|u| u.version.is_some());
    let unclear_ones = named.iter().filter_map(|u| {
        let reason = Reason::Unfit(format!("its entry cannot be understood: {}", u.problem));
        Some((u.version.as_ref()?, Some(reason)))
    });
    let mut releases: Vec<_> = offered.chain(unclear_ones).collect();
    releases.sort_by(|(a, _), (b, _)| b.cmp(a));
    let mut decision = Decision {
        take: None,
        verdicts: Vec::new(),
        unclear: unclear.into_iter().cloned().collect(),
    };
    for (version, obstacle) in releases {
        let reason = obstacle.unwrap_or_else(|| match &decision.take {
            Some(newer) => Reason::NewerOffered(newer.clone()),
            None => Reason::Newest,
        });
        if reason == Reason::Newest {
            decision.take = Some(version.clone());
        }
        decision.verdicts.push(Verdict {
            version: version.clone(),
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
    /// Why a release that was taken a while ago would not be taken now. That a newer one is there is no reason.
    pub fn obstacle(&self, version: &Version) -> Option<String> {
        let verdict = self.verdicts.iter().find(|v| v.version == *version);
        match verdict {
            None => Some("the channel does not list it".to_owned()),
            Some(verdict) => match verdict.reason {
                Reason::Newest | Reason::NewerOffered(_) => None,
                _ => Some(verdict.to_string()),
            },
        }
    }

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
        match (self.deciding(), self.unclear.first()) {
            (Some(verdict), _) => verdict.fmt(f),
            (None, Some(unclear)) => unclear.fmt(f),
            (None, None) => f.write_str("the channel has no releases"),
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
            Reason::Unfit(why) => write!(f, "is passed over: {why}"),
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
    fn what_is_wrong_with_one_release_does_not_keep_from_the_others() {
        let stand = Stand {
            running: version("1"),
            failed: BTreeSet::new(),
        };
        let mut channel = Channel::empty("stable".parse().unwrap());
        channel.releases = ["2", "3", "4"].map(offer).to_vec();
        let unclear = |number, version: Option<&str>| Unclear {
            number,
            version: version.map(|text| text.parse().unwrap()),
            problem: "no date".into(),
        };
        channel.unclear = vec![unclear(4, Some("5")), unclear(5, None)];
        let unfit = [(version("4"), "it is of another image".to_owned())].into();
        let decision = choose_but(&stand, &channel, NOON.parse().unwrap(), &unfit);
        assert_eq!(decision.take, Some(version("3")));
        let verdicts: Vec<_> = decision.verdicts.iter().map(ToString::to_string).collect();
        let expected = [
            "5 is passed over: its entry cannot be understood: no date",
            "4 is passed over: it is of another image",
            "3 is the newest release that this node may take",
            "2 is not taken, because 3 is newer",
        ];
        assert_eq!(verdicts, expected);
        let nameless: Vec<_> = decision.unclear.iter().map(ToString::to_string).collect();
        let expected = ["entry 5 of the channel cannot be understood: no date"];
        assert_eq!(nameless, expected);
        let obstacles = ["2", "3", "4", "5", "6"].map(|text| decision.obstacle(&version(text)));
        let expected = [
            None,
            None,
            Some("4 is passed over: it is of another image"),
            Some("5 is passed over: its entry cannot be understood: no date"),
            Some("the channel does not list it"),
        ];
        assert_eq!(obstacles, expected.map(|text| text.map(str::to_owned)));
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
