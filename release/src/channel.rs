//! A channel's document: which releases a node that follows the channel may be offered.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::version::Version;

/// Entries that cannot be understood and of which it is told why; of more only the versions count.
const UNCLEAR: usize = 16;

/// The form of the document that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// The most releases that a channel may have: a reader refuses a document with more.
pub const MOST_RELEASES: usize = 1000;

/// A channel's name such as `stable`: a letter, then lower-case letters, digits and `-`, 32 at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

/// A text that cannot name a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a channel's name: a lower-case letter and then letters, digits or '-' are expected, 32 at most"
)]
pub struct NotAChannelName(String);

impl ChannelName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The TUF target that is the channel's document.
    pub fn target(&self) -> String {
        format!("channels/{}.json", self.0)
    }

    /// The delegated TUF role that signs it. The prefix keeps a channel named `snapshot` from taking that role's file.
    pub fn role(&self) -> String {
        format!("channel-{}", self.0)
    }
}

impl FromStr for ChannelName {
    type Err = NotAChannelName;

    fn from_str(text: &str) -> Result<Self, NotAChannelName> {
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !starts || text.len() > 32 || !text.bytes().all(fits) {
            return Err(NotAChannelName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ChannelName {
    type Error = NotAChannelName;

    fn try_from(text: String) -> Result<Self, NotAChannelName> {
        text.parse()
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The document `channels/<name>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// [`SCHEMA`]; a reader refuses any other, because a rule that it does not know may be one that protects it.
    pub schema: u32,
    /// The channel's name, the same as the document's.
    pub name: ChannelName,
    /// The releases in the order in which they were promoted.
    pub releases: Vec<Offer>,
    /// Entries that a node passed over, see [`Reading`]; a publisher reads all of them or fails.
    #[serde(skip)]
    pub unclear: Vec<Unclear>,
}

/// An entry of a channel that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unclear {
    /// Its place in the list, from 1 on; 0 for one that is there more than once.
    pub number: usize,
    /// Its version, when that can be read.
    pub version: Option<Version>,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of the channel ", self.number)?;
        write!(f, "cannot be understood: {}", self.problem)
    }
}

/// A channel's document as a node reads it: entry by entry, so that one that cannot be understood does not hide the
/// others. One at a time is held twice.
#[derive(Debug, Deserialize)]
#[serde(rename = "Channel")]
pub(crate) struct Reading {
    schema: u32,
    name: ChannelName,
    #[serde(deserialize_with = "entries")]
    releases: (Vec<Offer>, Vec<Unclear>),
}

impl From<Reading> for Channel {
    fn from(reading: Reading) -> Self {
        let (mut releases, mut unclear) = reading.releases;
        let mut times = BTreeMap::new();
        for offer in &releases {
            *times.entry(offer.version.clone()).or_insert(0_usize) += 1;
        }
        times.retain(|_, times| *times > 1);
        // One of them may take back what the other offers.
        releases.retain(|offer| {
            let version = Some(&offer.version);
            !times.contains_key(&offer.version)
                && unclear.iter().all(|u| u.version.as_ref() != version)
        });
        unclear.extend(times.into_iter().map(|(version, times)| Unclear {
            number: 0,
            version: Some(version),
            problem: format!("the channel lists it {times} times"),
        }));
        Self {
            schema: reading.schema,
            name: reading.name,
            releases,
            unclear,
        }
    }
}

fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Vec<Offer>, Vec<Unclear>), D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = (Vec<Offer>, Vec<Unclear>);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of releases")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let (mut offers, mut unclear) = (Vec::new(), Vec::new());
            let mut number = 0;
            while let Some(value) = list.next_element::<serde_json::Value>()? {
                number += 1;
                let error = match Offer::deserialize(&value) {
                    Ok(offer) => {
                        offers.push(offer);
                        continue;
                    }
                    Err(error) => error,
                };
                let version = value.get("version").and_then(|v| v.as_str()?.parse().ok());
                let problem = match unclear.len() < UNCLEAR {
                    true => error.to_string(),
                    // It may take back what another entry offers.
                    false if version.is_some() => format!("{UNCLEAR} before it are told"),
                    false => continue,
                };
                unclear.push(Unclear {
                    number,
                    version,
                    problem,
                });
            }
            Ok((offers, unclear))
        }
    }

    deserializer.deserialize_seq(Entries)
}

/// One release in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The release.
    pub version: Version,
    /// When it may be taken first.
    #[serde(deserialize_with = "time")]
    pub starts: Timestamp,
    /// The oldest version that may come directly; nodes that run an older one take another release on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Version>,
    /// Not offered for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Never offered again, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

/// The parser's own words say nothing to who reads them.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_parser: jiff::Error| {
        D::Error::custom(format!(
            "'{text}' is not a time such as 2026-12-01T08:00:00Z"
        ))
    })
}

impl Channel {
    /// A channel that offers nothing yet.
    pub fn empty(name: ChannelName) -> Self {
        Self {
            schema: SCHEMA,
            name,
            releases: Vec::new(),
            unclear: Vec::new(),
        }
    }

    /// The offer of a version, if the channel has it.
    pub fn offer(&self, version: &Version) -> Option<&Offer> {
        self.releases.iter().find(|offer| offer.version == *version)
    }
}

impl Offer {
    /// An offer without conditions from `starts` on.
    pub fn new(version: Version, starts: Timestamp) -> Self {
        Self {
            version,
            starts,
            floor: None,
            paused: false,
            withdrawn: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_as_it_is_published() {
        let mut channel = Channel::empty("stable".parse().unwrap());
        channel.releases.push(Offer::new(
            "1.0".parse().unwrap(),
            "2026-11-01T00:00:00Z".parse().unwrap(),
        ));
        let text = r#"{"schema":1,"name":"stable","releases":[{"version":"1.0","starts":"2026-11-01T00:00:00Z"}]}"#;
        assert_eq!(serde_json::to_string(&channel).unwrap(), text);
        assert_eq!(serde_json::from_str::<Channel>(text).unwrap(), channel);
    }

    #[test]
    fn an_entry_that_cannot_be_understood_does_not_hide_the_others() {
        let text = r#"{"schema":1,"name":"stable","releases":[
            {"version":"1","starts":"2026-11-01T00:00:00Z"},
            {"version":"2","starts":"soon"},
            {"version":"../3","starts":"2026-11-01T00:00:00Z"},
            7,
            {"version":"4","starts":"2026-11-01T00:00:00Z"},
            {"version":"5","starts":"2026-11-01T00:00:00Z"},
            {"version":"4","starts":"2026-11-01T00:00:00Z","paused":true}]}"#;
        let channel = Channel::from(serde_json::from_str::<Reading>(text).unwrap());
        let versions: Vec<_> = channel
            .releases
            .iter()
            .map(|o| o.version.as_str())
            .collect();
        assert_eq!(versions, ["1", "5"]);
        let told = |unclear: &Unclear| {
            let version = unclear.version.as_ref().map(|v| v.as_str().to_owned());
            let problem: String = unclear.problem.chars().take(24).collect();
            (unclear.number, version, problem)
        };
        let unclear: Vec<_> = channel.unclear.iter().map(told).collect();
        let expected = [
            (2, Some("2"), "'soon' is not a time suc"),
            (3, None, "'../3' is not a version:"),
            (4, None, "invalid type: integer `7"),
            (0, Some("4"), "the channel lists it 2 t"),
        ];
        let expected = expected.map(|(n, v, p)| (n, v.map(str::to_owned), p.to_owned()));
        assert_eq!(unclear, expected);
        // Who publishes must not lose what the document says.
        let strict = serde_json::from_str::<Channel>(text)
            .unwrap_err()
            .to_string();
        let expected = "'soon' is not a time such as 2026-12-01T08:00:00Z";
        assert!(strict.starts_with(expected), "{strict}");
    }

    #[test]
    fn a_withdrawal_that_cannot_be_understood_counts() {
        let text = r#"{"schema":1,"name":"stable","releases":[
            {"version":"4","starts":"2026-11-01T00:00:00Z"},
            {"version":"4","starts":"2026-11-01T00:00:00Z","withdrawn":7}]}"#;
        let channel = Channel::from(serde_json::from_str::<Reading>(text).unwrap());
        assert_eq!(channel.releases, []);
    }

    #[test]
    fn a_withdrawal_behind_many_that_cannot_be_understood_counts() {
        let good = r#"{"version":"4","starts":"2026-11-01T00:00:00Z"}"#;
        let mut entries = vec!["7".to_owned(); 1000];
        entries.extend((10..20).map(|n| format!(r#"{{"version":"{n}"}}"#)));
        entries.push(r#"{"version":"4","starts":"soon","withdrawn":"eats data"}"#.to_owned());
        entries.push(good.to_owned());
        let entries = entries.join(",");
        let text = format!(r#"{{"schema":1,"name":"stable","releases":[{entries}]}}"#);
        let channel = Channel::from(serde_json::from_str::<Reading>(&text).unwrap());
        assert_eq!(channel.releases, []);
        let four = channel.unclear.last().unwrap();
        assert_eq!(four.version, Some("4".parse().unwrap()));
        assert_eq!(
            four.to_string(),
            "entry 1011 of the channel cannot be understood: 16 before it are told"
        );
    }

    #[test]
    fn no_more_of_what_cannot_be_understood_is_kept_than_is_told() {
        let entries = vec!["7"; 1000].join(",");
        let text = format!(r#"{{"schema":1,"name":"stable","releases":[{entries}]}}"#);
        let channel = Channel::from(serde_json::from_str::<Reading>(&text).unwrap());
        assert_eq!(
            (channel.releases.len(), channel.unclear.len()),
            (0, UNCLEAR)
        );
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for text in [
            "",
            "..",
            "a/b",
            "A",
            "1",
            "-",
            "a.b",
            "a b",
            &"a".repeat(33),
        ] {
            assert_eq!(
                text.parse::<ChannelName>(),
                Err(NotAChannelName(text.to_owned()))
            );
        }
    }
}
