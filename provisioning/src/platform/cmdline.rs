//! What the kernel command line says about the first boot.

use acl_host::cmdline::Cmdline;
use url::Url;

use super::Platform;
use crate::{Error, Result};

const PLATFORM: &str = "ignition.platform.id";
const CONFIG_URL: &str = "ignition.config.url";

/// Ignition's kernel arguments.
///
/// `ignition.firstboot` is not among them: a first boot is decided by the marker on ROOT alone, because an argument
/// can get lost, or stay, without anybody noticing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// `ignition.platform.id=`: the platform.
    pub platform: Option<Platform>,
    /// `ignition.config.url=`: the operator's config, which then stands in for the platform's.
    pub config_url: Option<Url>,
}

impl Arguments {
    /// Reads them from the text of `/proc/cmdline`. Of an argument that stands there twice the last one counts, and
    /// one without a value counts as not given, both as in Ignition (internal/providers/cmdline).
    ///
    /// # Errors
    /// [`Error::Platform`], [`Error::ArgumentUrl`].
    pub fn parse(cmdline: &str) -> Result<Self> {
        let words = Cmdline::parse(cmdline);
        let given = |key| words.value(key).filter(|value| !value.is_empty());
        Ok(Self {
            platform: given(PLATFORM).map(str::parse).transpose()?,
            config_url: given(CONFIG_URL).map(parse_url).transpose()?,
        })
    }
}

fn parse_url(value: &str) -> Result<Url> {
    Url::parse(value).map_err(|source| Error::ArgumentUrl {
        argument: CONFIG_URL,
        value: value.to_owned(),
        source,
    })
}
