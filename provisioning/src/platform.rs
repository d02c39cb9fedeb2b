//! Where a config comes from, one file a platform.
//!
//! Owns how a platform hands a config over, what it says about the machine by itself (name, administrator, keys), and
//! how it wants to hear of success and failure. Leaves what a config means to [`crate::config`], URLs that a config or
//! the kernel command line names to [`crate::fetch`], and when to ask to [`crate::stage`].

pub mod azure;
mod bounded;
pub mod cmdline;
mod detect;
mod file;
mod labelled;
mod machine;
mod qemu;

use std::fmt;
use std::str::FromStr;

pub use labelled::Labelled;
pub use machine::{Machine, Medium, Patience};

use crate::config::spec;
use crate::{Error, Result};

/// What the machine runs on, by Ignition's platform ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// `azure`: user data, else custom data; keys, name and reports too.
    Azure,
    /// `file`: the file that `IGNITION_CONFIG_FILE` names, else `config.ign` in the working directory.
    File,
    /// `metal`: nothing of its own; only `ignition.config.url`, which [`cmdline::Arguments`] reads on every platform.
    Metal,
    /// `qemu`: the fw_cfg entry `opt/com.coreos/config`.
    Qemu,
}

/// What a platform had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The config's bytes as they were handed over, never empty; `None` when the operator gave none.
    pub config: Option<Vec<u8>>,
    /// Where that was looked up, for people: a file, a URL.
    pub place: String,
}

/// How the first boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The machine is what its config says.
    Ready,
    /// It is not, and will not be.
    Failed {
        /// What an operator must know to act: of any length and content, cut and cleaned as the platform needs it.
        reason: String,
    },
}

impl Platform {
    /// Every platform, in the order of their ids.
    pub const ALL: [Self; 4] = [Self::Azure, Self::File, Self::Metal, Self::Qemu];

    /// The id, as in `ignition.platform.id=`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::File => "file",
            Self::Metal => "metal",
            Self::Qemu => "qemu",
        }
    }

    /// The operator's config, as the platform hands it over.
    ///
    /// # Errors
    /// Whatever keeps the answer from being certain: that the operator gave no config is only said when the platform
    /// says so itself. The variants are those of [`azure::config`]; of `file` and `qemu` [`Error::Host`],
    /// [`Error::TooLarge`], [`Error::FirmwareSize`].
    pub async fn config(self, machine: &Machine) -> Result<Found> {
        match self {
            Self::Azure => azure::config(machine).await,
            Self::File => file::config(machine),
            Self::Metal => Ok(Found {
                config: None,
                place: "metal, which has only ignition.config.url".to_owned(),
            }),
            Self::Qemu => qemu::config(machine),
        }
    }

    /// What the platform itself says of the machine: a config that the operator's is merged over. `None` on a
    /// platform that says nothing.
    ///
    /// # Errors
    /// Those of [`azure::defaults`].
    pub async fn defaults(self, machine: &Machine) -> Result<Option<spec::Config>> {
        match self {
            Self::Azure => azure::defaults(machine).await.map(Some),
            Self::File | Self::Metal | Self::Qemu => Ok(None),
        }
    }

    /// Tells the platform how the first boot ended; nothing where nobody listens.
    ///
    /// # Errors
    /// Those of [`azure::wire::report`].
    pub async fn report(self, machine: &Machine, outcome: &Outcome) -> Result<()> {
        match self {
            Self::Azure => azure::wire::report(machine, outcome).await,
            Self::File | Self::Metal | Self::Qemu => Ok(()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|known| known.id() == text);
        named.ok_or_else(|| Error::Platform {
            name: text.to_owned(),
            known: Self::ALL.map(Self::id).join(", "),
        })
    }
}
