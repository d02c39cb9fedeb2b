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
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    root_expires: Option<Span>,
    /// targets [default: 365d]
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    targets_expires: Option<Span>,
    /// A channel's role [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    channel_expires: Option<Span>,
    /// snapshot [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    snapshot_expires: Option<Span>,
    /// timestamp [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = time_span)]
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

fn parse_key(text: &str) -> Result<(String, KeySource), String> {
    let (role, source) = text
        .split_once('=')
        .ok_or("ROLE=PATH or ROLE=exec:COMMAND is expected")?;
    Ok((role.to_owned(), source.parse()?))
}

/// How long something holds, as an operator types it. Never less than no time: a calendar's months and years count, too.
pub(crate) fn time_span(text: &str) -> Result<Span, String> {
    let span = text.parse().ok();
    span.filter(|span: &Span| !span.is_negative())
        .ok_or_else(|| "write a number and its unit, such as 1h, 7d or 1y".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the book and `--help` write.
    #[test]
    fn spans_of_time_as_an_operator_types_them() {
        for (text, expected) in [
            ("0s", Span::new()),
            ("1h", Span::new().hours(1)),
            ("2d", Span::new().days(2)),
            ("3d", Span::new().days(3)),
            ("7d", Span::new().days(7)),
            ("365d", Span::new().days(365)),
            ("1y", Span::new().years(1)),
            ("1d 12h", Span::new().days(1).hours(12)),
        ] {
            let found = time_span(text).map(|span| span.fieldwise());
            assert_eq!(found, Ok(expected.fieldwise()), "{text}");
        }
        for text in ["", "7", "-1d", "1d ago", "soon", "7x"] {
            let told = time_span(text).map(|span| span.fieldwise());
            assert_eq!(
                told,
                Err("write a number and its unit, such as 1h, 7d or 1y".to_owned()),
                "{text}"
            );
        }
    }
}
