//! How the first boot makes ROOT: the partition's definition for systemd-repart (repart.d(5)).

use std::path::Path;

use acl_host::file;

use crate::Error;
use crate::recipe::Encryption;

/// What systemd-repart reads in the initrd, relative to the tree.
const DEFINITION: &str = "usr/lib/repart.d/50-root.conf";

/// What ROOT shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The least it may have, in bytes; it gets all that the disk has left.
    pub size: u64,
    /// Whether it is encrypted.
    pub encryption: Encryption,
}

impl Root {
    /// The definition: made when there is none, grown when there is room, never made anew.
    fn definition(self) -> String {
        let encrypt = match self.encryption {
            Encryption::Off => "",
            Encryption::Tpm2 => "Encrypt=tpm2\n",
        };
        format!(
            "[Partition]\nType=root\nLabel=ROOT\nFormat=ext4\nSizeMinBytes={}\nGrowFileSystem=yes\n{encrypt}",
            self.size
        )
    }
}

/// Writes the definition into the tree.
pub(super) fn define(tree: &Path, root: Root) -> Result<(), Error> {
    let path = tree.join(DEFINITION);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| Error::MakeDirectory {
            path: folder.into(),
            source,
        })?;
    }
    Ok(file::scratch(path, root.definition().as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_partition_of_the_least_size() {
        let plain = "[Partition]\nType=root\nLabel=ROOT\nFormat=ext4\nSizeMinBytes=2097152\nGrowFileSystem=yes\n";
        for (encryption, wanted) in [
            (Encryption::Off, plain.to_owned()),
            (Encryption::Tpm2, format!("{plain}Encrypt=tpm2\n")),
        ] {
            let size = 2 << 20;
            assert_eq!(Root { size, encryption }.definition(), wanted);
        }
    }
}
