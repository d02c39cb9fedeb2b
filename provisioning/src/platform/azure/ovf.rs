//! `ovf-env.xml`: what Azure writes on the provisioning medium about the machine.

use std::fmt;
use std::path::Path;

use super::xml::Element;
use crate::platform::bounded;
use crate::{Error, Result};

/// The file's name on the medium.
pub const FILE: &str = "ovf-env.xml";

/// The largest `ovf-env.xml` that is read: 4 MiB; custom data in it is at most 88 KiB.
const LIMIT: u64 = 4 << 20;

const OVF: &str = "http://schemas.dmtf.org/ovf/environment/1";
const AZURE: &str = "http://schemas.microsoft.com/windowsazure";

/// The `LinuxProvisioningConfigurationSet`. What is absent or empty is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provisioning {
    /// `HostName`.
    pub host_name: Option<String>,
    /// `UserName`: the administrator.
    pub user_name: Option<String>,
    /// `UserPassword`.
    pub password: Option<Password>,
    /// `DisableSshPasswordAuthentication`; absent it is false, as for WALinuxAgent.
    pub password_disabled: bool,
    /// `SSH/PublicKeys/PublicKey`.
    pub keys: Vec<PublicKey>,
    /// `CustomData`: base64, as it is there.
    pub custom_data: Option<String>,
}

/// A public key that may log in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublicKey {
    /// `Fingerprint` of the certificate in the goal state that holds the key.
    pub fingerprint: Option<String>,
    /// `Path` of the file it belongs into.
    pub path: Option<String>,
    /// `Value`: the key itself; `None` when only a certificate holds it.
    pub value: Option<String>,
}

/// A password; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Provisioning {
    /// Reads the file on the medium that is mounted at `directory`; `place` is the medium, for people.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::TooLarge`], [`Error::OvfEnv`].
    pub fn read(directory: &Path, place: &str) -> Result<Self> {
        let bytes = bounded::read(&directory.join(FILE), LIMIT)?;
        Self::parse(&bytes.unwrap_or_default()).map_err(|what| Error::OvfEnv {
            place: place.to_owned(),
            what,
        })
    }

    /// Reads the document.
    ///
    /// # Errors
    /// Says what is wrong: XML that is none, or the section that is missing.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        let environment = Element::parse(document)?;
        if !environment.is(OVF, "Environment") {
            return Err(format!("its element is not Environment of {OVF}"));
        }
        let section = inside(&environment, "ProvisioningSection")?;
        let set = inside(section, "LinuxProvisioningConfigurationSet")?;
        let text = |name| set.text_of(AZURE, name).map(str::to_owned);
        let disabled = set.text_of(AZURE, "DisableSshPasswordAuthentication");
        Ok(Self {
            host_name: text("HostName"),
            user_name: text("UserName"),
            password: text("UserPassword").map(Password),
            password_disabled: disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            keys: keys(set),
            custom_data: text("CustomData"),
        })
    }
}

fn inside<'a>(element: &'a Element, name: &str) -> Result<&'a Element, String> {
    let found = element.child(AZURE, name);
    found.ok_or_else(|| format!("it has no {name} of {AZURE}"))
}

fn keys(set: &Element) -> Vec<PublicKey> {
    let list = set
        .child(AZURE, "SSH")
        .and_then(|ssh| ssh.child(AZURE, "PublicKeys"));
    list.into_iter()
        .flat_map(|list| list.children(AZURE, "PublicKey"))
        .map(|key| PublicKey {
            fingerprint: key.text_of(AZURE, "Fingerprint").map(str::to_owned),
            path: key.text_of(AZURE, "Path").map(str::to_owned),
            value: key.text_of(AZURE, "Value").map(str::to_owned),
        })
        .collect()
}
