//! Everything that can go wrong with a release or its repository, and who must act on it.

use std::path::PathBuf;

use acl_host::Who;
use jiff::Timestamp;
use url::Url;

use crate::digest::Digest;
use crate::manifest::Part;
use crate::payload::assemble::ChunkProblem;
use crate::payload::index::IndexProblem;
use crate::payload::patch::PatchProblem;
use crate::repository::sources::turns;
use crate::server_text::ServerText;
use crate::trust::metadata::MetadataProblem;
use crate::version::Version;

/// The result of an action on releases.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to do about what the server sent: nobody who reads it can.
const MEND: &str = "; whoever keeps the repository must mend it";

/// A failed action on releases, named for the action.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    // What the operator wrote
    #[error("'{text}' is not the address of a repository: http://… or https://… is expected")]
    RepositoryAddress { text: String },
    #[error(
        "the trusted root is refused: {problem}; install the root.json that the publisher of the repository hands out"
    )]
    TrustedRoot { problem: String },

    #[error("the authorities of `ca` cannot be used: {problem}")]
    Authorities { problem: String },

    // Talking to the server
    #[error("cannot set up the HTTP client")]
    HttpClient { source: reqwest::Error },
    #[error("cannot reach {url}; check `server` and the network")]
    Connect { url: Box<Url>, source: ServerText },
    #[error("the connection broke while {url} was fetched, at byte {position}")]
    Transfer {
        url: Box<Url>,
        position: u64,
        source: ServerText,
    },
    #[error("only {bytes} bytes of {url} came in {seconds:.0} s, at byte {position}")]
    Slow {
        url: Box<Url>,
        position: u64,
        bytes: u64,
        seconds: f64,
    },
    #[error("the server closed the connection at byte {position} of {size} of {url}")]
    Cut {
        url: Box<Url>,
        position: u64,
        size: u64,
    },
    #[error(
        "the server answers {status} for {url}; check `server`, or ask whoever keeps the repository"
    )]
    Status {
        url: Box<Url>,
        status: reqwest::StatusCode,
        wait: std::time::Duration,
    },
    #[error("the server says that {url} is {found} bytes long, it should be {expected}{MEND}")]
    Length {
        url: Box<Url>,
        found: u64,
        expected: u64,
    },
    #[error(
        "the server sends another range of {url} than the one that was asked for, from byte {asked} on: \"{answer}\"{MEND}"
    )]
    WrongRange {
        url: Box<Url>,
        asked: u64,
        answer: ServerText,
    },
    #[error("{url} is longer than {limit} bytes{MEND}")]
    TooLong { url: Box<Url>, limit: u64 },
    #[error("none of the repository's {} addresses will do: {}", failures.len(), list(failures))]
    Everywhere { failures: Vec<Error> },

    // TUF metadata
    #[error(
        "the metadata of role {role} at {url} is refused{MEND}{}",
        foreign(source)
    )]
    Metadata {
        role: String,
        url: Box<Url>,
        source: Box<MetadataProblem>,
    },
    #[error(
        "the metadata of role {role} at {url} expired at {expired}, it is {now}: the publisher must refresh the repository, or this machine's clock is wrong, or the server withholds updates (a freeze attack)"
    )]
    Expired {
        role: String,
        url: Box<Url>,
        expired: Timestamp,
        now: Timestamp,
    },
    #[error(
        "this machine's clock went back: it is {now}, and {before} has passed already; set the clock, or remove {} if that time was wrong", path.display()
    )]
    ClockWentBack {
        now: Timestamp,
        before: Timestamp,
        path: PathBuf,
    },
    #[error(
        "what this node remembers of the repository is damaged, {}: {problem}; restore it from a copy, or remove {}: the node then trusts the root of its image again, and no longer knows which keys were revoked and what was newest", path.display(), dir.display()
    )]
    KeptMetadata {
        dir: PathBuf,
        path: PathBuf,
        problem: String,
    },
    #[error("another process has stored another root in the meantime, {}; check again", path.display())]
    RootChanged { path: PathBuf },
    #[error("cannot keep what is known about the repository in {}", path.display())]
    KeepMetadata {
        path: PathBuf,
        source: std::io::Error,
    },

    // Documents
    #[error(
        "the repository at {base} has no channel '{channel}'; set `channel` to one that it has"
    )]
    NoChannel { base: Box<Url>, channel: String },
    #[error("the repository at {base} has no release {version} for {arch}{MEND}")]
    NoRelease {
        base: Box<Url>,
        version: Version,
        arch: String,
    },
    #[error("{document} at {url} has SHA-256 {found}, its signed metadata says {expected}{MEND}")]
    DocumentDigest {
        document: String,
        url: Box<Url>,
        found: Digest,
        expected: Digest,
    },
    #[error("{document} at {url} cannot be understood{MEND}")]
    ParseDocument {
        document: String,
        url: Box<Url>,
        source: ServerText,
    },
    #[error("{document} at {url} lists {found} releases, at most {limit} are allowed{MEND}")]
    TooManyReleases {
        document: String,
        url: Box<Url>,
        found: usize,
        limit: usize,
    },
    #[error(
        "{document} at {url} has schema {schema}, this program knows only 1: update through an older release first"
    )]
    Schema {
        document: String,
        url: Box<Url>,
        schema: u32,
    },
    #[error("{document} at {url} says that it is {found}{MEND}")]
    WrongDocument {
        document: String,
        url: Box<Url>,
        found: ServerText,
    },

    // Payload
    #[error("the index of {part} at {url} has SHA-256 {found}, the manifest says {expected}{MEND}")]
    IndexDigest {
        part: Part,
        url: Box<Url>,
        found: Digest,
        expected: Digest,
    },
    #[error("the index of {part} at {url} is refused{}", mend(source))]
    Index {
        part: Part,
        url: Box<Url>,
        source: IndexProblem,
    },
    #[error("the patch of {part} at {url} is refused{MEND}")]
    Patch {
        part: Part,
        url: Box<Url>,
        source: PatchProblem,
    },
    #[error("chunk {number} of {part} (at byte {offset}, from {url}) is refused{MEND}")]
    Chunk {
        part: Part,
        number: usize,
        offset: u64,
        url: Box<Url>,
        source: ChunkProblem,
    },
    #[error("cannot write {part} at byte {offset}")]
    Sink {
        part: Part,
        offset: u64,
        source: std::io::Error,
    },
    #[error("the thread that assembles {part} ended unexpectedly: {problem}")]
    Worker { part: Part, problem: String },
    #[error("{part} is not fetched any further, because the update was cancelled")]
    Cancelled { part: Part },

    // Publishing
    #[error(transparent)]
    Host(Box<acl_host::Error>),
    #[error("{} exists already: a repository is made only once", path.display())]
    RepositoryExists { path: PathBuf },
    #[error("{} is not a repository: run `acl-release init` first", path.display())]
    NotARepository { path: PathBuf },
    #[error("{} cannot be understood", path.display())]
    ParseFile {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} is refused: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },
    #[error("the build in {} cannot be used: {problem}", path.display())]
    Build { path: PathBuf, problem: String },
    #[error(
        "release {version} for {arch} is in the repository already, with other content: give the new build a new version"
    )]
    ReleaseExists { version: Version, arch: String },
    #[error(
        "{} is damaged or missing, which is of {what} of release {version}, and made again it has other bytes: add the release with the `{option}` and the version of acl-release that it was added with, or restore the file from a copy", path.display()
    )]
    NotMended {
        what: String,
        version: Version,
        option: &'static str,
        path: PathBuf,
    },
    #[error(
        "release {version} differs from release {there} of the repository only in upper and lower case, which the names of boot entries do not tell apart: give the new build another version"
    )]
    VersionCase { version: Version, there: Version },
    #[error(
        "release {version} is of image '{found}', and {holder} holds releases of image '{expected}': nodes take only releases of their own image; publish it in a repository of its own"
    )]
    ForeignImage {
        version: Version,
        found: String,
        holder: String,
        expected: String,
    },
    #[error("the repository has no release {version}: run `acl-release add` first")]
    ReleaseMissing { version: Version },
    #[error("the repository has no channel '{channel}'; it has {}", known.join(", "))]
    ChannelMissing { channel: String, known: Vec<String> },
    #[error(
        "channel '{channel}' has release {version} already: change its conditions by `acl-release amend`"
    )]
    AlreadyPromoted { channel: String, version: Version },
    #[error(
        "channel '{channel}' does not offer release {version}: run `acl-release promote` first"
    )]
    NotPromoted { channel: String, version: Version },
    #[error(
        "release {version} was withdrawn from channel '{channel}' for good ({reason}): give the mended build a new version"
    )]
    WithdrawnForGood {
        channel: String,
        version: Version,
        reason: String,
    },
    #[error(
        "channel '{channel}' has {limit} releases, and nodes read no channel with more: promote the release to another channel, of this repository or of a new one, and have the nodes follow that one"
    )]
    ChannelFull { channel: String, limit: usize },
    #[error("{document} would be {length} bytes long, and nodes read {limit} at most: {advice}")]
    DocumentTooLong {
        document: String,
        length: usize,
        limit: u64,
        advice: &'static str,
    },
    #[error(
        "the floor {floor} is not older than release {version} itself, so no node could take it: name the oldest release that may update to it directly"
    )]
    FloorAbove { version: Version, floor: Version },
    #[error("expired at {now}: {}; run `acl-release refresh` with --role for each", roles.join(", "))]
    RolesExpired { roles: Vec<String>, now: Timestamp },
    #[error("cannot {action} {}", path.display())]
    Publish {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot serialise the {document}")]
    Serialize {
        document: String,
        source: serde_json::Error,
    },
    #[error("the time {after} after {now} is beyond what a date can hold: choose a shorter expiry")]
    Expiry { now: Timestamp, after: String },

    // Keys
    #[error(
        "there is no key for role {role}: expected {expected}, or --key {role}=PATH or --key '{role}=exec:COMMAND'"
    )]
    NoKey { role: String, expected: String },
    #[error(
        "the keys in {} lie in the repository {}, where everyone may read them: choose a directory outside of it",
        keys.display(), repository.display()
    )]
    KeysInRepository { keys: PathBuf, repository: PathBuf },
    #[error(
        "the key {} is there already and may be another repository's: two repositories that share a key can stand in for each other; name a directory for the keys of this one by --keys DIR, or use those that are there by --keys {}",
        key.display(), keys.display()
    )]
    KeyExists { key: PathBuf, keys: PathBuf },
    #[error("{} is not an Ed25519 private key in PKCS#8 (PEM or DER): make one by `openssl genpkey -algorithm ed25519`", path.display())]
    ParseKey { path: PathBuf },
    #[error("the key of role {role} ({key}) is not among those that the repository trusts for it")]
    ForeignKey { role: String, key: String },
    #[error("the command {command} for the key of role {role} {problem}")]
    KeyCommand {
        role: String,
        command: String,
        problem: String,
    },
    #[error("cannot make a key: the system's random numbers fail")]
    MakeKey,
    #[error("the TUF metadata of role {role} cannot be signed: {problem}")]
    Sign { role: String, problem: String },
}

impl From<acl_host::Error> for Error {
    fn from(error: acl_host::Error) -> Self {
        Self::Host(Box::new(error))
    }
}

impl Error {
    /// Whether whoever takes the chunks has failed, and not the server.
    pub fn is_sink(&self) -> bool {
        matches!(self, Self::Sink { .. })
    }

    /// Whether what the publisher signed is wrong itself: no server without keys can bring that about.
    pub fn is_publishers(&self) -> bool {
        matches!(
            self,
            Self::NoRelease { .. }
                | Self::ParseDocument { .. }
                | Self::Schema { .. }
                | Self::WrongDocument { .. }
        )
    }

    /// Whether the repository answers, and what is asked for is not there or not as it should be, so that another try
    /// would end the same way.
    pub fn is_lacking(&self) -> bool {
        turns::is_lacking(self)
    }

    /// Whether the network or a busy server is why there is no answer, at every address that was asked.
    pub fn is_unreachable(&self) -> bool {
        turns::may_pass(self)
    }

    /// What each address of a repository failed with, in their order; of one address, that itself.
    pub(crate) fn everywhere(mut failures: Vec<Self>) -> Self {
        match failures.pop() {
            Some(only) if failures.is_empty() => only,
            last => {
                failures.extend(last);
                Self::Everywhere { failures }
            }
        }
    }

    /// Who must act.
    pub fn who(&self) -> Who {
        match self {
            // Who it would be without mirrors.
            Self::Everywhere { failures } => failures.first().map_or(Who::Server, Self::who),
            Self::RepositoryAddress { .. }
            | Self::Authorities { .. }
            | Self::TrustedRoot { .. }
            // What may be forgotten of what was revoked or passed, no program can decide.
            | Self::ClockWentBack { .. }
            | Self::KeptMetadata { .. }
            | Self::NoChannel { .. }
            | Self::RepositoryExists { .. }
            | Self::NotARepository { .. }
            | Self::ParseFile { .. }
            | Self::Damaged { .. }
            | Self::Build { .. }
            | Self::ReleaseExists { .. }
            | Self::NotMended { .. }
            | Self::ReleaseMissing { .. }
            | Self::VersionCase { .. }
            | Self::ForeignImage { .. }
            | Self::WithdrawnForGood { .. }
            | Self::FloorAbove { .. }
            | Self::ChannelFull { .. }
            | Self::DocumentTooLong { .. }
            | Self::KeyExists { .. }
            | Self::KeysInRepository { .. }
            | Self::ChannelMissing { .. }
            | Self::AlreadyPromoted { .. }
            | Self::NotPromoted { .. }
            | Self::Expiry { .. }
            | Self::NoKey { .. }
            | Self::ParseKey { .. }
            | Self::ForeignKey { .. }
            | Self::KeyCommand { .. } => Who::Operator,
            Self::Connect { .. }
            | Self::KeepMetadata { .. }
            | Self::RootChanged { .. }
            | Self::Sink { .. }
            | Self::Publish { .. }
            | Self::MakeKey => Who::Environment,
            Self::Host(error) => error.who(),
            Self::HttpClient { .. }
            | Self::Serialize { .. }
            | Self::Sign { .. }
            | Self::Worker { .. }
            // Whoever cancels knows why, and tells that instead.
            | Self::Cancelled { .. } => Who::Bug,
            _ => Who::Server,
        }
    }
}

/// All of them with their causes: they are no chain.
fn list(failures: &[Error]) -> String {
    let numbered = (1..).zip(failures);
    let told =
        numbered.map(|(number, error)| format!("({number}) {}", acl_host::error::chain(error)));
    told.collect::<Vec<_>>().join("; ")
}

/// Who else may be at fault when a signature does not hold.
fn foreign(problem: &MetadataProblem) -> &'static str {
    match problem {
        MetadataProblem::Signature(_) => ", or the trusted root is another publisher's",
        _ => "",
    }
}

/// What to do about an index; one of a newer form says it itself.
fn mend(problem: &IndexProblem) -> &'static str {
    match problem {
        IndexProblem::Schema(_) => "",
        _ => MEND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_says_one_thing_to_do() {
        let size = IndexProblem::Size {
            found: 1,
            expected: 2,
        };
        for (source, expected) in [
            (
                size,
                "; whoever keeps the repository must mend it: its chunks add up to 1 bytes, the manifest says 2",
            ),
            (
                IndexProblem::Schema(9),
                ": its schema is 9, this program knows 1: update through an older release first",
            ),
        ] {
            let error = Error::Index {
                part: Part::Usr,
                url: "http://host/blob".parse::<Url>().unwrap().into(),
                source,
            };
            assert_eq!(
                acl_host::error::chain(&error),
                format!("the index of usr at http://host/blob is refused{expected}")
            );
        }
    }
}
