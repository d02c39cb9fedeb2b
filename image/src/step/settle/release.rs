//! Who this image says it is: os-release(5).

use std::path::Path;

use acl_host::file;

use crate::Error;

/// The names that an image carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `ID` and `IMAGE_ID`: lower case, as in boot entries' names.
    pub id: String,
    /// `NAME`: for people.
    pub name: String,
    /// `VERSION_ID` and `IMAGE_VERSION`.
    pub version: String,
}

impl Identity {
    /// The text of `/usr/lib/os-release` (os-release(5)).
    #[must_use]
    pub fn os_release(&self) -> String {
        let Self { id, name, version } = self;
        format!(
            "NAME=\"{name}\"\nPRETTY_NAME=\"{name} {version}\"\nID={id}\nID_LIKE=debian\nVERSION_ID={version}\n\
             IMAGE_ID={id}\nIMAGE_VERSION={version}\nDEFAULT_HOSTNAME={id}\n"
        )
    }
}

/// Replaces the packages' os-release by the image's own.
pub(super) fn write(tree: &Path, identity: &Identity) -> Result<(), Error> {
    Ok(file::scratch(
        tree.join("usr/lib/os-release"),
        identity.os_release().as_bytes(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_name_and_version() {
        let identity = Identity {
            id: "acl".into(),
            name: "ACL".into(),
            version: "1.2".into(),
        };
        assert_eq!(
            identity.os_release(),
            "NAME=\"ACL\"\nPRETTY_NAME=\"ACL 1.2\"\nID=acl\nID_LIKE=debian\nVERSION_ID=1.2\nIMAGE_ID=acl\nIMAGE_VERSION=1.2\nDEFAULT_HOSTNAME=acl\n"
        );
    }
}
