//! What the kernel command line says about the first boot.

use acl_host::cmdline::Cmdline;
use url::Url;

use super::Platform;
use super::labelled::Labelled;
use crate::fetch::address;
use crate::{Error, Result};

const PLATFORM: &str = "ignition.platform.id";
const CONFIG_URL: &str = "ignition.config.url";
const CONFIG_DEVICE: &str = "ignition.config.device";
const CONFIG_PATH: &str = "ignition.config.path";

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
    /// `ignition.config.device=` and `ignition.config.path=`: the operator's config on a device, where there is no URL.
    pub labelled: Option<Labelled>,
}

impl Arguments {
    /// Reads them from the text of `/proc/cmdline`. Of an argument that stands there twice the last one counts, and
    /// one without a value counts as not given, both as in Ignition (internal/providers/cmdline).
    ///
    /// # Errors
    /// [`Error::Platform`], [`Error::ArgumentUrl`], [`Error::ArgumentPair`], [`Error::ArgumentValue`].
    pub fn parse(cmdline: &str) -> Result<Self> {
        let words = Cmdline::parse(cmdline);
        let given = |key| words.value(key).filter(|value| !value.is_empty());
        let config_url = given(CONFIG_URL).map(parse_url).transpose()?;
        let labelled = match (given(CONFIG_DEVICE), given(CONFIG_PATH)) {
            (None, None) => None,
            (device, path) if config_url.is_some() => {
                let ignored = [(CONFIG_DEVICE, device), (CONFIG_PATH, path)];
                for (argument, _) in ignored.iter().filter(|(_, value)| value.is_some()) {
                    tracing::warn!(
                        "{argument}= is ignored, because {CONFIG_URL}= is given as well"
                    );
                }
                None
            }
            (Some(device), Some(path)) => Some(labelled(device, path)?),
            (device, _) => return Err(half(device.is_some())),
        };
        Ok(Self {
            platform: given(PLATFORM).map(str::parse).transpose()?,
            config_url,
            labelled,
        })
    }
}

fn half(has_device: bool) -> Error {
    let (given, missing) = match has_device {
        true => (CONFIG_DEVICE, CONFIG_PATH),
        false => (CONFIG_PATH, CONFIG_DEVICE),
    };
    Error::ArgumentPair { given, missing }
}

fn labelled(label: &str, path: &str) -> Result<Labelled> {
    if label.contains('/') || [".", ".."].contains(&label) {
        return Err(Error::ArgumentValue {
            argument: CONFIG_DEVICE,
            value: label.to_owned(),
            problem: "is no label of a filesystem, as in /dev/disk/by-label",
        });
    }
    Ok(Labelled {
        label: label.to_owned(),
        path: path.to_owned(),
    })
}

fn parse_url(value: &str) -> Result<Url> {
    address(value).map_err(|problem| Error::ArgumentUrl {
        argument: CONFIG_URL,
        value: value.to_owned(),
        problem,
    })
}
