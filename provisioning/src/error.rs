//! Everything that can go wrong at first boot, and who must act on it.

use crate::root::Kind;
use acl_host::Who;
use std::io;
use std::path::PathBuf;

/// The result of an action at first boot.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed action at first boot, named for the action.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    // Stages
    #[error(
        "{name:?} is not a stage: use fetch-offline, fetch, kargs, disks, mount, files or umount"
    )]
    Stage { name: String },
    #[error("the config is not valid:\n{report}")]
    InvalidConfig { place: String, report: String },
    #[error("the configs are valid, but together they are not:\n{report}")]
    InvalidWhole { report: String },
    #[error("there is no config at {}: run the stage fetch first", path.display())]
    NoCache { path: PathBuf },
    #[error("{} was not written by this program: remove it and begin with the stage fetch", path.display())]
    Status {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "this machine is provisioned already: {} is the record of its first boot; nothing was changed \
         (`aclctl provision reset` makes the next boot a first boot)", path.display()
    )]
    Provisioned { path: PathBuf },
    #[error(
        "cannot tell whether this machine is provisioned already: {} cannot be looked at; nothing was changed; \
         check the disk and the filesystem of ROOT", path.display()
    )]
    Record { path: PathBuf, source: Box<Error> },
    #[error("a config cannot be written as JSON")]
    Json(#[from] serde_json::Error),

    // Fetching
    #[error(
        "cannot fetch {url}: its scheme {scheme} is not supported; use https, http, data or file"
    )]
    Scheme { url: String, scheme: String },
    #[error("cannot fetch {url}: it is not an address: {problem}")]
    SourceAddress { url: String, problem: String },
    #[error("cannot decode {url}: at byte {at}, {problem}")]
    DataUrl {
        url: String,
        at: usize,
        problem: String,
    },
    #[error("cannot fetch {url}: the compression '{compression}' is not known; use gzip or none")]
    Compression { url: String, compression: String },
    #[error(
        "cannot fetch {url}: its verification hash '{hash}' {problem}; write sha256- or sha512- and the digest in hexadecimal"
    )]
    Hash {
        url: String,
        hash: String,
        problem: &'static str,
    },
    #[error("cannot fetch {url}: the header '{name}' {problem}")]
    Header {
        url: String,
        name: String,
        problem: &'static str,
    },
    #[error("cannot read {url}")]
    LocalFile { url: String, source: std::io::Error },
    #[error("cannot fetch {url}: {path} is not a regular file")]
    NotAFile {
        url: String,
        path: std::path::PathBuf,
    },
    #[error("cannot reach the server of {url}; check its address and the network")]
    ServerUnreachable { url: String, source: reqwest::Error },
    #[error("the server of {url} cannot be trusted: {problem}")]
    ServerCertificate {
        url: String,
        problem: String,
        /// Whoever names authorities in the config, keeps the server's certificate, or the clock of this machine.
        who: Who,
        /// What the words of `problem` do not say already.
        source: Option<reqwest::Error>,
    },
    #[error(
        "cannot check the certificate of the server of {url}: this system has no certificate authorities; name the server's in ignition.security.tls.certificateAuthorities"
    )]
    NoAuthorities { url: String },
    #[error(
        "the server of {url} sent no headers within {}; set ignition.timeouts.httpResponseHeaders to wait longer",
        seconds(*limit)
    )]
    HeadersTimeout {
        url: String,
        limit: std::time::Duration,
    },
    #[error("the connection broke while {url} was fetched, at byte {position}")]
    BrokenTransfer {
        url: String,
        position: u64,
        source: reqwest::Error,
    },
    #[error("nothing more of {url} came within {}, at byte {position}", seconds(*limit))]
    StalledTransfer {
        url: String,
        position: u64,
        limit: std::time::Duration,
    },
    #[error("the server answers {status} for {url}")]
    HttpStatus {
        url: String,
        status: http::StatusCode,
        /// What the server asks to wait at least.
        wait: std::time::Duration,
    },
    #[error("the server redirects {url} to what is not an address: '{location}'")]
    RedirectAddress { url: String, location: String },
    #[error("{url} was redirected {limit} times; check for a loop")]
    Redirects { url: String, limit: usize },
    #[error(
        "{url} could not be fetched within {}; set ignition.timeouts.httpTotal or -fetch-timeout to try longer",
        seconds(*limit)
    )]
    FetchTimeout {
        url: String,
        limit: std::time::Duration,
        source: Option<Box<Error>>,
    },
    #[error(
        "cannot decompress {url}: it is not whole gzip data; compress it, or leave the compression out"
    )]
    Decompress { url: String, source: std::io::Error },
    #[error("{url} is longer than {limit} bytes")]
    TooLong { url: String, limit: u64 },
    #[error(
        "{url} is not what the config expects: its {algorithm} is {found}, not {expected}; correct the hash in the config, or the contents"
    )]
    Verify {
        url: String,
        algorithm: &'static str,
        found: String,
        expected: String,
    },
    #[error("cannot keep the bytes of {url} in {dir} until they are verified")]
    Spool {
        url: String,
        dir: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write the bytes of {url} to their file")]
    Deliver { url: String, source: std::io::Error },
    #[error("cannot use the certificate authorities in {url}: {problem}")]
    Authority { url: String, problem: String },
    #[error(
        "cannot use the certificate authority that ignition.security.tls.certificateAuthorities.{number} names"
    )]
    NamedAuthority { number: usize, source: Box<Error> },
    #[error("cannot use {place} of the merged config")]
    Named { place: String, source: Box<Error> },
    #[error("cannot use the proxy {url}: {problem}")]
    Proxy { url: String, problem: String },
    #[error("cannot set up TLS")]
    Tls { source: rustls::Error },
    #[error("cannot set up the HTTP client")]
    FetchClient { source: reqwest::Error },

    #[error("{url} needs the network, which is not up yet")]
    Offline { url: String },

    // Resolving references between configs
    #[error("cannot include the config at {place}, which {chain} names")]
    Reference {
        place: String,
        chain: String,
        source: Box<Error>,
    },
    #[error("{place} names no source; give one, or leave it out")]
    NoReference { place: String },
    #[error("configs name each other in a circle: {chain}; take one of the references out")]
    ReferenceCycle { chain: String },
    #[error("configs name each other over more than {limit} steps: {chain}; merge some of them")]
    ReferenceDepth { chain: String, limit: usize },
    #[error("more than {limit} configs are named, the last by {chain}; merge some of them")]
    ReferenceCount { chain: String, limit: usize },

    // Files, root
    #[error("cannot resolve {} inside the new root", path.display())]
    ResolvePath { path: PathBuf, source: io::Error },
    #[error("cannot make the directory {}", path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },
    #[error("cannot make the link {}", path.display())]
    MakeLink { path: PathBuf, source: io::Error },
    #[error("cannot set the mode and owner of {}", path.display())]
    SetOwner { path: PathBuf, source: io::Error },
    #[error("cannot move the home directory {} to {}: something is there already; remove it, or give another homeDir", from.display(), to.display())]
    HomeOccupied { from: PathBuf, to: PathBuf },
    #[error("cannot change the home directory {}", path.display())]
    ChangeHome { path: PathBuf, source: io::Error },

    // Files, entries
    #[error("cannot create the {wanted} {}: a {found} is there already; set overwrite, or choose another path", path.display())]
    Occupied {
        path: PathBuf,
        wanted: Kind,
        found: Kind,
    },
    #[error("cannot fill the file {}", path.display())]
    Contents { path: PathBuf, source: Box<Error> },
    #[error("cannot create the file {}: a file with other contents is there already; set overwrite, or choose another path", path.display())]
    OtherContents { path: PathBuf },
    #[error("cannot create the link {}: it leads to {} already, not to {}; set overwrite, or choose another path", path.display(), found.display(), wanted.display())]
    OtherTarget {
        path: PathBuf,
        found: PathBuf,
        wanted: PathBuf,
    },
    #[error("cannot create the hard link {}: its target {} does not exist; make it, or correct the target", path.display(), target.display())]
    NoTarget { path: PathBuf, target: PathBuf },
    #[error("cannot create the hard link {}: something other than its target {} is there already; set overwrite, or choose another path", path.display(), target.display())]
    OtherFile { path: PathBuf, target: PathBuf },
    #[error("{} and {} are both {} when links are followed: keep one of them", first.display(), second.display(), place.display())]
    SamePlace {
        first: PathBuf,
        second: PathBuf,
        place: PathBuf,
    },
    #[error("cannot give {} to the {kind} '{name}', which is not in {table} of the new root; create it in passwd.{kind}s, or give its id", path.display())]
    FindOwner {
        path: PathBuf,
        kind: &'static str,
        name: String,
        table: &'static str,
    },
    #[error("{id} is not a {kind} id for {of}: it must be from 0 to 4294967294")]
    IdRange {
        kind: &'static str,
        id: i64,
        of: String,
    },
    #[error("'{name}' is not the name of a unit or drop-in: it must be a file name")]
    UnitName { name: String },

    // Files, users and groups
    #[error(
        "'{name}' is not a name for a {kind}: it must not be empty, begin with -, + or ~, or hold a colon, comma, slash or white space"
    )]
    AccountName { kind: &'static str, name: String },
    #[error("the {field} of {name} must not hold a colon or a line break")]
    AccountField { field: &'static str, name: String },
    #[error("the {field} of {name} must be an absolute path")]
    AccountPath { field: &'static str, name: String },
    #[error("the {kind} {name} cannot have the id {id}: {taken} has it; give another one")]
    IdTaken {
        kind: &'static str,
        name: String,
        id: u32,
        taken: String,
    },
    #[error("there is no free {kind} id from {from} to {to} for {name}: give one")]
    NoFreeId {
        kind: &'static str,
        name: String,
        from: u32,
        to: u32,
    },
    #[error(
        "cannot put the user {user} into the group '{group}', which is not in /etc/group of the new root; create it in passwd.groups"
    )]
    FindGroup { user: String, group: String },
    #[error(
        "cannot create the group {name} for the user of that name: it exists already; name it as primaryGroup, or set noUserGroup"
    )]
    UserGroupExists { name: String },
    #[error(
        "cannot remove the group {name}: it is the primary group of {user}; give that user another one"
    )]
    GroupInUse { name: String, user: String },
    #[error("cannot write the SSH keys of {user}: the home directory {} does not exist; leave noCreateHome out", home.display())]
    NoHome { user: String, home: PathBuf },
    #[error("cannot write the SSH keys of {user}: its home directory is {}, which belongs to the system; set homeDir, for example to /home/{user}", home.display())]
    SystemHome { user: String, home: PathBuf },
    #[error("cannot write the SSH keys of {user}: {} is a {found}, not a directory; remove it", path.display())]
    KeysBlocked {
        user: String,
        path: PathBuf,
        found: Kind,
    },

    // Platforms
    #[error(
        "there is no platform {name:?}; known are {known}: correct ignition.platform.id= or --platform"
    )]
    Platform { name: String, known: String },
    #[error("{argument}={value} on the kernel command line is not an address: {problem}")]
    ArgumentUrl {
        argument: &'static str,
        value: String,
        problem: String,
    },
    #[error(
        "{given}= is on the kernel command line without {missing}=: give both, the label of a filesystem and the path \
         of a config on it"
    )]
    ArgumentPair {
        given: &'static str,
        missing: &'static str,
    },
    #[error("{argument}={value} on the kernel command line {problem}")]
    ArgumentValue {
        argument: &'static str,
        value: String,
        problem: &'static str,
    },
    #[error(
        "no device {} has appeared within {} s, which ignition.config.device= names by the label of its filesystem; attach it, or correct the label", device.display(), waited.as_secs()
    )]
    NoLabel {
        device: PathBuf,
        waited: std::time::Duration,
    },
    #[error("there is no {path} on {}, which ignition.config.path= names; correct the path", device.display())]
    NoConfigOnDevice { device: PathBuf, path: String },
    #[error("-root is empty, and the stage {stage} needs the root of the system that is made")]
    NoRoot { stage: crate::stage::Stage },
    #[error("the built-in address {text} is not a URL")]
    BaseAddress {
        text: String,
        source: url::ParseError,
    },
    #[error("{place} is longer than {limit} bytes")]
    TooLarge { place: String, limit: u64 },
    #[error("{} ends after {read} of {size} bytes", path.display())]
    FirmwareSize { path: PathBuf, size: u64, read: u64 },
    #[error("{place} is not base64")]
    Base64 {
        place: String,
        source: base64::DecodeError,
    },
    #[error("the kernel gives no random bytes")]
    Random { source: ring::error::Unspecified },

    // Azure
    #[error("cannot prepare HTTP requests to Azure's services")]
    AzureClient { source: reqwest::Error },
    #[error("cannot reach {url}; check the machine's network and what filters it")]
    AzureConnect { url: String, source: reqwest::Error },
    #[error("{url} answers {status}")]
    AzureStatus {
        url: String,
        status: reqwest::StatusCode,
        /// How long the server asks to wait before the next try.
        wait: std::time::Duration,
    },
    #[error("{url} answers what cannot be understood: {what}")]
    AzureAnswer { url: String, what: String },
    #[error("{url} does not offer version {version} of the protocol, only {offered}")]
    WireVersion {
        url: String,
        version: &'static str,
        offered: String,
    },
    #[error("Azure gives a wrong {what}: {found:?}; correct it in the machine's OS profile")]
    AzureProfile { what: &'static str, found: String },
    #[error("no drive {}/sr* has Azure's provisioning medium in it, after {} s; make the machine anew from an image, \
             or give it user data", dev.display(), waited.as_secs())]
    NoMedium {
        dev: PathBuf,
        waited: std::time::Duration,
    },
    #[error("cannot read the disc in {}; attach the provisioning medium once more, or make the machine anew", drive.display())]
    ReadMedium { drive: PathBuf, source: io::Error },
    #[error("cannot mount the disc in {} ({filesystem}, with options ro,nosuid,nodev,noexec); udf and isofs must be among \
             the initrd's modules", drive.display())]
    MountMedium {
        drive: PathBuf,
        filesystem: String,
        source: io::Error,
    },
    #[error("ovf-env.xml of {place} cannot be understood: {what}")]
    OvfEnv { place: String, what: String },

    // Disks
    #[error(
        "the device {name} did not appear within {seconds} s; check its name in the config, and that the machine has it"
    )]
    Device {
        name: String,
        seconds: u64,
        source: Option<acl_host::Error>,
    },
    #[error("the disk {name}: {reason}")]
    Disk { name: String, reason: String },
    #[error("partition {number} of {disk}: {reason}")]
    Partition {
        disk: String,
        number: u32,
        reason: String,
    },
    #[error("the RAID array {name}: {reason}")]
    Raid { name: String, reason: String },
    #[error("the LUKS volume {name}: {reason}")]
    Luks { name: String, reason: String },
    #[error("{device}: {reason}")]
    Filesystem { device: String, reason: String },
    #[error("cannot mount at {path}: {reason}")]
    MountPoint { path: String, reason: String },
    #[error("cannot {action} {name}")]
    Prepare {
        action: String,
        name: String,
        source: acl_host::Error,
    },

    #[error(transparent)]
    Host(#[from] acl_host::Error),
}

/// A time for people: `0.3 s`, `120 s`.
fn seconds(time: std::time::Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

impl Error {
    /// Whether it would not be there with a network: what was wanted is on it.
    pub fn needs_network(&self) -> bool {
        match self {
            Self::Offline { .. } => true,
            Self::Reference { source, .. }
            | Self::NamedAuthority { source, .. }
            | Self::Named { source, .. } => source.needs_network(),
            _ => false,
        }
    }

    /// Whether it is or may be about a machine that is provisioned already, on whose disk nothing may be changed.
    pub(crate) fn is_of_a_live_machine(&self) -> bool {
        matches!(self, Self::Provisioned { .. } | Self::Record { .. })
    }

    /// Who must act on it.
    #[expect(clippy::too_many_lines, reason = "a table, a line a variant")]
    pub fn who(&self) -> Who {
        match self {
            // Stages
            Self::Stage { .. }
            | Self::InvalidConfig { .. }
            | Self::InvalidWhole { .. }
            | Self::Provisioned { .. } => Who::Operator,
            Self::NoCache { .. } | Self::Status { .. } | Self::Record { .. } => Who::Environment,
            Self::Json(_) => Who::Bug,
            // Fetching
            Self::Scheme { .. }
            | Self::SourceAddress { .. }
            | Self::DataUrl { .. }
            | Self::Compression { .. }
            | Self::Hash { .. }
            | Self::Header { .. }
            | Self::LocalFile { .. }
            | Self::NotAFile { .. }
            | Self::NoAuthorities { .. }
            | Self::Decompress { .. }
            | Self::TooLong { .. }
            | Self::Verify { .. }
            | Self::Authority { .. }
            | Self::Proxy { .. } => Who::Operator,
            Self::ServerUnreachable { .. }
            | Self::HeadersTimeout { .. }
            | Self::BrokenTransfer { .. }
            | Self::StalledTransfer { .. }
            | Self::Spool { .. }
            | Self::Deliver { .. } => Who::Environment,
            Self::ServerCertificate { who, .. } => *who,
            Self::HttpStatus { status, .. } if status.is_client_error() => Who::Operator,
            Self::HttpStatus { .. } | Self::RedirectAddress { .. } | Self::Redirects { .. } => {
                Who::Server
            }
            Self::FetchTimeout { source, .. } => {
                source.as_ref().map_or(Who::Environment, |last| last.who())
            }
            Self::Tls { .. } | Self::FetchClient { .. } | Self::Offline { .. } => Who::Bug,
            // Resolving references between configs
            Self::Reference { source, .. }
            | Self::NamedAuthority { source, .. }
            | Self::Named { source, .. }
            | Self::Contents { source, .. } => source.who(),
            Self::NoReference { .. }
            | Self::ReferenceCycle { .. }
            | Self::ReferenceDepth { .. }
            | Self::ReferenceCount { .. } => Who::Operator,
            // Files
            Self::Occupied { .. }
            | Self::OtherContents { .. }
            | Self::OtherTarget { .. }
            | Self::NoTarget { .. }
            | Self::OtherFile { .. }
            | Self::SamePlace { .. }
            | Self::FindOwner { .. }
            | Self::IdRange { .. }
            | Self::UnitName { .. }
            | Self::AccountName { .. }
            | Self::AccountField { .. }
            | Self::AccountPath { .. }
            | Self::IdTaken { .. }
            | Self::NoFreeId { .. }
            | Self::FindGroup { .. }
            | Self::UserGroupExists { .. }
            | Self::GroupInUse { .. }
            | Self::NoHome { .. }
            | Self::SystemHome { .. }
            | Self::KeysBlocked { .. }
            | Self::HomeOccupied { .. } => Who::Operator,
            Self::ResolvePath { .. }
            | Self::MakeDirectory { .. }
            | Self::MakeLink { .. }
            | Self::SetOwner { .. }
            | Self::ChangeHome { .. } => Who::Environment,
            // Platforms, Azure
            Self::Platform { .. }
            | Self::ArgumentUrl { .. }
            | Self::ArgumentPair { .. }
            | Self::ArgumentValue { .. }
            | Self::NoConfigOnDevice { .. }
            | Self::NoRoot { .. }
            | Self::TooLarge { .. }
            | Self::Base64 { .. }
            | Self::AzureProfile { .. } => Who::Operator,
            Self::FirmwareSize { .. }
            | Self::Random { .. }
            | Self::AzureClient { .. }
            | Self::AzureConnect { .. }
            | Self::NoMedium { .. }
            | Self::NoLabel { .. }
            | Self::ReadMedium { .. }
            | Self::MountMedium { .. } => Who::Environment,
            Self::AzureStatus { .. }
            | Self::AzureAnswer { .. }
            | Self::WireVersion { .. }
            | Self::OvfEnv { .. } => Who::Server,
            Self::BaseAddress { .. } => Who::Bug,
            // Disks
            Self::Device { .. } | Self::Prepare { .. } => Who::Environment,
            Self::Disk { .. }
            | Self::Partition { .. }
            | Self::Raid { .. }
            | Self::Luks { .. }
            | Self::Filesystem { .. }
            | Self::MountPoint { .. } => Who::Operator,
            Self::Host(source) => source.who(),
        }
    }
}
