//! What the operator configured: as written, then merged, then checked. Only the last is used.
//!
//! Read anew at every check, so that a change needs no restart.

mod check;
mod merge;
mod written;

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use acl_host::Who;
use acl_release::{channel::ChannelName, repository::http::Proxy};
use acl_updater_core::state::Goal;
use url::Url;

pub use written::{Automatic, Strategy, Unreachable};

/// The checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the release repository is; none: no updates are looked for.
    pub server: Option<Url>,
    /// Where it is too; asked when the server fails.
    pub mirrors: Vec<Url>,
    /// The proxy that is asked; that of the environment.
    pub proxy: Proxy,
    /// A file of certificates of authorities that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// How fast the repository may be read, in bytes a second; none: no limit.
    pub bandwidth: Option<NonZeroU64>,
    /// What an address must give not to be given up, in bytes a second; none: the default of the repository's reader.
    pub min_throughput: Option<NonZeroU64>,
    /// The file with the TUF root that is trusted from the start.
    pub root: PathBuf,
    /// The channel to follow.
    pub channel: ChannelName,
    /// How long between two checks; 45 minutes.
    pub check_interval: Duration,
    /// How long the first check waits for the time to be synchronised; a minute, 0 for not at all.
    pub time_sync_wait: Duration,
    /// What the agent does by itself.
    pub automatic: Automatic,
    /// When it reboots by itself.
    pub strategy: Strategy,
    /// What becomes of a reboot into an armed release while the repository cannot be asked whether it may be booted.
    pub unreachable: Unreachable,
    /// How long such a reboot waits before the release is disarmed; a day.
    pub wait_limit: Duration,
    /// What health checks need to know.
    pub health: Health,
}

/// The configuration of health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Units that may fail.
    pub exempt_units: Vec<String>,
    /// How long one executable may take; 30 seconds.
    pub check_timeout: Duration,
    /// The socket on which the container runtime answers; none: it is not asked.
    pub runtime_socket: Option<PathBuf>,
    /// How long to wait for it; 60 seconds.
    pub runtime_timeout: Duration,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    #[error("cannot list {}", path.display())]
    ListFragments {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read the configuration")]
    ReadFragment { source: acl_host::Error },
    #[error("{} is not a configuration of the update agent", path.display())]
    ParseFragment {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{key} in {} is {found:?}; {wanted} is wanted", path.display())]
    CheckValue {
        path: PathBuf,
        key: &'static str,
        found: String,
        wanted: &'static str,
    },
}

impl Error {
    /// Who must act: a file that is wrong is the operator's, one that the disk does not give back is not.
    #[must_use]
    pub fn who(&self) -> Who {
        match self {
            Self::ListFragments { .. } => Who::Environment,
            Self::ReadFragment {
                source: acl_host::Error::ReadFile { source, .. },
            } if source.kind() == std::io::ErrorKind::InvalidData => Who::Operator,
            Self::ReadFragment { source } => source.who(),
            Self::ParseFragment { .. } | Self::CheckValue { .. } => Who::Operator,
        }
    }
}

impl Config {
    /// Read the configuration of the machine whose root directory is `root`.
    ///
    /// Fragments are `*.toml` in `/usr/lib/acl/updater.d`, `/etc/acl/updater.d` and `/run/acl/updater.d`; of
    /// two that set the same key, the one in the later directory wins, then the one whose name sorts later. A
    /// fragment hides one of the same name in an earlier directory.
    ///
    /// # Errors
    /// [`Error::ListFragments`], [`Error::ReadFragment`]: a file cannot be read.
    /// [`Error::ParseFragment`]: not TOML, or a key that does not exist. [`Error::CheckValue`]: a value that means
    /// nothing.
    pub fn load(root: &Path) -> Result<Self, Error> {
        check::check(&merge::merge(written::read(root)?), root)
    }

    /// How far the agent goes when nobody asks; none: it does not even check.
    #[must_use]
    pub fn goal(&self) -> Option<Goal> {
        match (self.automatic, self.strategy) {
            (Automatic::Off, _) => None,
            (Automatic::Check, _) => Some(Goal::Check),
            (Automatic::Stage, Strategy::Manual) => Some(Goal::Arm),
            (Automatic::Stage, Strategy::Immediate) => Some(Goal::Reboot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            acl_host::file::scratch(&path, text.as_bytes()).unwrap();
        }
        dir
    }

    fn failure(files: &[(&str, &str)]) -> String {
        let dir = root(files);
        let error = Config::load(dir.path()).unwrap_err();
        acl_host::error::chain(&error).replace(&format!("{}/", dir.path().display()), "/")
    }

    #[test]
    fn nothing_written_gives_the_defaults() {
        let dir = root(&[]);
        let config = Config::load(dir.path()).unwrap();
        assert_eq!(config.server, None);
        assert_eq!(config.mirrors, []);
        assert_eq!(config.proxy, Proxy::Environment);
        assert_eq!((&config.ca, config.bandwidth), (&None, None));
        assert_eq!(config.min_throughput, None);
        assert_eq!(config.channel.as_str(), "stable");
        assert_eq!(config.check_interval, Duration::from_secs(45 * 60));
        assert_eq!(config.goal(), Some(Goal::Arm));
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(config.time_sync_wait, Duration::from_secs(60));
        let waits = (config.unreachable, config.wait_limit);
        assert_eq!(waits, (Unreachable::Wait, day));
        assert_eq!(
            config.root,
            dir.path().join("usr/share/acl/trust/root.json")
        );
        assert_eq!(
            config.health.exempt_units,
            ["systemd-pcrlock-secureboot-policy.service"]
        );
    }

    #[test]
    fn later_directories_and_names_win_key_by_key() {
        let dir = root(&[
            (
                "usr/lib/acl/updater.d/90.toml",
                "server = \"http://a/\"\nchannel = \"a\"\n[reboot]\nstrategy = \"manual\"",
            ),
            ("etc/acl/updater.d/10.toml", "channel = \"b\""),
            (
                "etc/acl/updater.d/20.toml",
                "channel = \"c\"\n[reboot]\nstrategy = \"immediate\"",
            ),
            ("etc/acl/updater.d/30.toml.off", "channel = \"d\""),
            ("run/acl/updater.d/00.toml", "check_interval = \"90s\""),
        ]);
        let config = Config::load(dir.path()).unwrap();
        assert_eq!(config.server.as_ref().map(Url::as_str), Some("http://a/"));
        assert_eq!(config.channel.as_str(), "c");
        assert_eq!(config.check_interval, Duration::from_secs(90));
        assert_eq!(config.goal(), Some(Goal::Reboot));
    }

    #[test]
    fn a_fragment_hides_the_one_of_the_same_name_below() {
        let dir = root(&[
            ("usr/lib/acl/updater.d/10.toml", "server = \"http://a/\""),
            ("etc/acl/updater.d/10.toml", ""),
        ]);
        assert_eq!(Config::load(dir.path()).unwrap().server, None);
    }

    #[test]
    fn the_way_to_the_repository() {
        let load =
            |text| Config::load(root(&[("etc/acl/updater.d/10.toml", text)]).path()).unwrap();
        let config = load(
            "server = \"https://a/r\"\nmirrors = [\"https://b/\", \"http://c/r\"]\nbandwidth = \"10M\"\n\
             proxy = \"http://u:p@proxy:3128\"\nno_proxy = [\"b\"]\nca = \"/etc/acl/trust/ca.pem\"",
        );
        let mirrors: Vec<&str> = config.mirrors.iter().map(Url::as_str).collect();
        assert_eq!(mirrors, ["https://b/", "http://c/r/"]);
        let url = "http://u:p@proxy:3128".parse().unwrap();
        let except = vec!["b".to_owned()];
        assert_eq!(config.proxy, Proxy::At { url, except });
        assert_eq!(config.ca, Some("/etc/acl/trust/ca.pem".into()));
        assert_eq!(config.bandwidth, NonZeroU64::new(10_000_000));
        assert_eq!(load("proxy = \"\"").proxy, Proxy::Direct);
        assert_eq!(load("no_proxy = [\"b\"]").proxy, Proxy::Environment);
        assert_eq!(load("bandwidth = \"0\"").bandwidth, None);
        let least = load("min_throughput = \"1K\"").min_throughput;
        assert_eq!(least, NonZeroU64::new(1000));
    }

    #[test]
    fn a_root_of_trust_in_etc_is_taken_first() {
        let dir = root(&[("etc/acl/trust/root.json", "{}")]);
        let config = Config::load(dir.path()).unwrap();
        assert_eq!(config.root, dir.path().join("etc/acl/trust/root.json"));
    }

    /// A link that leads nowhere, and one that leads to itself: neither makes the image's root the trusted one.
    #[test]
    fn a_trusted_root_that_cannot_be_read_is_not_replaced_by_the_images() {
        for target in ["nowhere", "root.json"] {
            let dir = root(&[("usr/share/acl/trust/root.json", "{}")]);
            let own = dir.path().join("etc/acl/trust/root.json");
            std::fs::create_dir_all(own.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, &own).unwrap();
            assert_eq!(Config::load(dir.path()).unwrap().root, own);
        }
    }

    /// Both ends of each range as the book writes them, what it takes for an example, and what lies right beside the ends.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a line a case")]
    fn durations_as_the_book_writes_them() {
        type Key = fn(&Config) -> Duration;
        type Row = (
            &'static str,
            &'static str,
            Key,
            &'static [(&'static str, u64)],
            &'static [&'static str],
        );
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let table: [Row; 5] = [
            (
                "check_interval = {}",
                "check_interval",
                |config| config.check_interval,
                &[
                    ("10s", 10),
                    ("45m", 45 * MINUTE),
                    ("1d", DAY),
                    ("6d 23h", 7 * DAY - HOUR),
                    ("7d", 7 * DAY),
                    ("1w", 7 * DAY),
                    ("168h", 7 * DAY),
                ],
                &[
                    "9s", "9.999s", "7d 1s", "8d", "-45m", "1mo", "1y", "45", "", "7 dogs",
                ],
            ),
            (
                "time_sync_wait = {}",
                "time_sync_wait",
                |config| config.time_sync_wait,
                &[("0s", 0), ("1m", MINUTE), ("1h", HOUR)],
                &["-1s", "1h 1s", "1d"],
            ),
            (
                "[reboot]\nwait_limit = {}",
                "reboot.wait_limit",
                |config| config.wait_limit,
                &[
                    ("1m", MINUTE),
                    ("24h", DAY),
                    ("7d", 7 * DAY),
                    ("30d", 30 * DAY),
                    ("720h", 30 * DAY),
                ],
                &["59s", "30d 1s", "721h", "31d"],
            ),
            (
                "[health]\ncheck_timeout = {}",
                "health.check_timeout",
                |config| config.health.check_timeout,
                &[("1s", 1), ("30s", 30), ("4m", 4 * MINUTE)],
                &["0s", "0.9s", "4m 1s"],
            ),
            (
                "[health]\nruntime_timeout = {}",
                "health.runtime_timeout",
                |config| config.health.runtime_timeout,
                &[("1s", 1), ("60s", 60), ("4m", 4 * MINUTE)],
                &["0s", "241s"],
            ),
        ];
        let file = "etc/acl/updater.d/10.toml";
        for (line, key, value, right, wrong) in table {
            for (text, seconds) in right {
                let dir = root(&[(file, &line.replace("{}", &format!("\"{text}\"")))]);
                let config = Config::load(dir.path()).unwrap();
                assert_eq!(
                    value(&config),
                    Duration::from_secs(*seconds),
                    "{key} {text}"
                );
            }
            for text in wrong {
                let told = failure(&[(file, &line.replace("{}", &format!("\"{text}\"")))]);
                let start =
                    format!("{key} in /etc/acl/updater.d/10.toml is {text:?}; a duration from ");
                assert!(told.starts_with(&start), "{told}");
                assert!(told.ends_with(" is wanted"), "{told}");
            }
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a line a case")]
    fn what_is_wrong_is_told_with_its_file_and_key() {
        let file = "etc/acl/updater.d/10.toml";
        let cases = [
            (
                "chanel = \"stable\"",
                "unknown field `chanel`, expected one of",
            ),
            ("[reboot]\nstrategie = 1", "unknown field `strategie`"),
            (
                "check_interval = \"soon\"",
                "/etc/acl/updater.d/10.toml is \"soon\"; a duration from 10s to 7d such as \"45m\" is wanted",
            ),
            (
                "check_interval = \"1s\"",
                "check_interval in /etc/acl/updater.d/10.toml is \"1s\"",
            ),
            (
                "server = \"ftp://x/\"",
                "server in /etc/acl/updater.d/10.toml is \"ftp://x/\"; an http or https URL is wanted",
            ),
            (
                "mirrors = [\"http://a/\", \"b\"]",
                "mirrors in /etc/acl/updater.d/10.toml is \"b\"; an http or https URL is wanted",
            ),
            (
                "proxy = \"ftp://user:secret@proxy\"",
                "proxy in /etc/acl/updater.d/10.toml is \"…@proxy\"; http://HOST:PORT",
            ),
            (
                "bandwidth = \"10MB\"",
                "bandwidth in /etc/acl/updater.d/10.toml is \"10MB\"; bytes a second",
            ),
            (
                "min_throughput = \"0\"",
                "min_throughput in /etc/acl/updater.d/10.toml is \"0\"; bytes a second such as \"1K\" or \"100K\" (100,000), at least \"1\" is wanted",
            ),
            (
                "channel = \"../x\"",
                "channel in /etc/acl/updater.d/10.toml is \"../x\"",
            ),
            (
                "[reboot]\nwait_limit = \"1s\"",
                "reboot.wait_limit in /etc/acl/updater.d/10.toml is \"1s\"; a duration from 1m to 720h",
            ),
            (
                "time_sync_wait = \"2h\"",
                "time_sync_wait in /etc/acl/updater.d/10.toml is \"2h\"; a duration from 0s to 1h such as \"1m\"",
            ),
            (
                "[reboot]\nunreachable = \"never\"",
                "unknown variant `never`, expected `wait` or `go`",
            ),
            (
                "[reboot]\nstrategy = \"whenever\"",
                "unknown variant `whenever`, expected `manual` or `immediate`",
            ),
        ];
        for (text, expected) in cases {
            let told = failure(&[(file, text)]);
            assert!(told.contains(expected), "{told}");
            assert!(told.contains("/etc/acl/updater.d/10.toml"), "{told}");
        }
    }
}
