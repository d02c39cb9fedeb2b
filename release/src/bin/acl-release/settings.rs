//! What the verbs that publish have in common: the repository, its keys, how long signatures hold.

use std::path::PathBuf;
use std::sync::Arc;

use acl_host::clock::SystemClock;
use acl_host::private;
use acl_release::repository::publish::Publisher;
use acl_release::trust::keys::{KeySource, Keyring};
use acl_release::trust::roles::Lifetimes;
use clap::Args;
use jiff::Span;

/// A repository that is changed.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The repository's directory
    pub(crate) repository: PathBuf,
    /// Directory with the key of each role: ROLE.key, Ed25519 in PKCS#8 (PEM or DER); of one repository only [default:
    /// ~/.local/share/acl/release-keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The key of one role (root, targets, snapshot, timestamp, channel-NAME): a path, or exec:COMMAND that is called
    /// with `public` or `sign` as its last argument and prints the public key, or the signature of standard input
    #[arg(long = "key", value_name = "ROLE=SOURCE", value_parser = parse_key)]
    named: Vec<(String, KeySource)>,
    #[command(flatten)]
    lifetimes: LifetimeSettings,
}

/// How long signatures hold, such as `1h`, `7d`, `1y`.
#[derive(Debug, Args)]
#[command(next_help_heading = "How long signatures hold (such as 1h, 7d, 1y)")]
struct LifetimeSettings {
    /// root [default: 365d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    root_expires: Option<Span>,
    /// targets [default: 365d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    targets_expires: Option<Span>,
    /// A channel's role [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    channel_expires: Option<Span>,
    /// snapshot [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    snapshot_expires: Option<Span>,
    /// timestamp [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    timestamp_expires: Option<Span>,
}

impl Settings {
    /// The directory of the keys; none where no one named it and there is no home.
    pub(crate) fn keys(&self) -> Option<PathBuf> {
        let usual = || private::usual_directory("release-keys").ok();
        self.keys.clone().or_else(usual)
    }

    /// Takes the repository.
    pub(crate) fn publisher(&self) -> acl_release::Result<Publisher> {
        let keys = Keyring {
            dir: self.keys(),
            is_usual: self.keys.is_none(),
            named: self.named.iter().cloned().collect(),
        };
        Publisher::new(
            &self.repository,
            keys,
            self.lifetimes.merged(),
            Arc::new(SystemClock),
        )
    }
}

impl LifetimeSettings {
    fn merged(&self) -> Lifetimes {
        let usual = Lifetimes::default();
        Lifetimes {
            root: self.root_expires.unwrap_or(usual.root),
            targets: self.targets_expires.unwrap_or(usual.targets),
            channel: self.channel_expires.unwrap_or(usual.channel),
            snapshot: self.snapshot_expires.unwrap_or(usual.snapshot),
            timestamp: self.timestamp_expires.unwrap_or(usual.timestamp),
        }
    }
}

/// How long, as an operator types it.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|_parser: jiff::Error| {
        "write a number and its unit, such as 1h, 7d or 1y".to_owned()
    })
}

fn parse_key(text: &str) -> Result<(String, KeySource), String> {
    let (role, source) = text
        .split_once('=')
        .ok_or("ROLE=PATH or ROLE=exec:COMMAND is expected")?;
    Ok((role.to_owned(), source.parse()?))
}
