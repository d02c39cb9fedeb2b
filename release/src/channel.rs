//! A channel's document: which releases a node that follows the channel may be offered.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::version::Version;

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
}

/// One release in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The release.
    pub version: Version,
    /// When it may be taken first.
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

impl Channel {
    /// A channel that offers nothing yet.
    pub fn empty(name: ChannelName) -> Self {
        Self {
            schema: SCHEMA,
            name,
            releases: Vec::new(),
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
