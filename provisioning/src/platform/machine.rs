//! Where things are on the machine, as a value that a test can set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::{Tools, environment, file};
use url::Url;

use crate::{Error, Result};

/// The address of Azure's instance metadata service, the same everywhere.
const IMDS: &str = "http://169.254.169.254";

/// The machine as platforms see it.
#[derive(Debug, Clone)]
pub struct Machine {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// `/run`.
    pub run: PathBuf,
    /// The text of `/proc/cmdline`.
    pub cmdline: String,
    /// The config of the platform `file`.
    pub config_file: PathBuf,
    /// Azure's instance metadata service, up to the path.
    pub imds: Url,
    /// Azure's wire server, up to the path; `None`: as DHCP says, else 168.63.129.16.
    pub wire_server: Option<Url>,
    /// Azure's provisioning medium.
    pub medium: Medium,
    /// How long to wait for things outside of the machine.
    pub patience: Patience,
    /// Where programs are taken from: modprobe.
    pub tools: Tools,
}

/// Where Azure's provisioning medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// In an optical drive.
    Drive,
    /// Mounted already, at this directory.
    Mounted(PathBuf),
}

/// How patient platforms are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection to be made. Default 5 s.
    pub connect: Duration,
    /// For a whole answer. Default 30 s.
    pub answer: Duration,
    /// Before the first repetition of a request; each further pause is twice as long. Default 500 ms.
    pub pause: Duration,
    /// The longest pause, also when the server asks for a longer one (Retry-After). Default 10 s.
    pub longest_pause: Duration,
    /// No request is repeated after this time. Default 5 min.
    pub total: Duration,
    /// For Azure's provisioning medium to appear. Default 30 s.
    pub medium: Duration,
    /// Between two looks for it. Default 500 ms.
    pub look: Duration,
}

impl Machine {
    /// The machine that this program runs on.
    ///
    /// # Errors
    /// [`Error::Host`] when `/proc/cmdline` cannot be read.
    pub fn this() -> Result<Self> {
        let config_file = environment::variable("IGNITION_CONFIG_FILE");
        Ok(Self {
            sys: "/sys".into(),
            dev: "/dev".into(),
            run: "/run".into(),
            cmdline: file::read_to_string("/proc/cmdline")?,
            config_file: config_file.map_or_else(|| PathBuf::from("config.ign"), PathBuf::from),
            imds: address(IMDS)?,
            wire_server: None,
            medium: Medium::Drive,
            patience: Patience::default(),
            tools: Tools::host(),
        })
    }

    /// A directory of ours below `/run`.
    pub(super) fn scratch(&self, name: impl AsRef<Path>) -> PathBuf {
        self.run.join("acl-provision").join(name)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            total: Duration::from_secs(300),
            medium: Duration::from_secs(30),
            look: Duration::from_millis(500),
        }
    }
}

/// A base address of ours as a URL.
pub(super) fn address(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|source| Error::BaseAddress {
        text: text.to_owned(),
        source,
    })
}
