//! What the boot loader tells, from the variables that the kernel shows in efivarfs.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Variables of boot loaders (systemd's Boot Loader Interface).
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The EFI variables of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Efi(PathBuf);

impl Efi {
    /// The variables under `<root>/sys/firmware/efi/efivars`; a machine without EFI has none.
    pub fn new(root: &Path) -> Self {
        Self(root.join("sys/firmware/efi/efivars"))
    }

    /// The path on the ESP of the entry that was booted, with its counters as they are now; `None` unless it is
    /// on trial (systemd-bless-boot.service(8)).
    ///
    /// # Errors
    /// [`Error::ReadFile`], [`Error::EfiVariable`].
    pub fn boot_count_path(&self) -> Result<Option<String>> {
        self.text("LoaderBootCountPath")
    }

    fn text(&self, name: &'static str) -> Result<Option<String>> {
        let malformed = || Error::EfiVariable { name };
        let Some(bytes) = self.read(name)? else {
            return Ok(None);
        };
        let (pairs, []) = bytes.as_chunks::<2>() else {
            return Err(malformed());
        };
        let units: Vec<u16> = pairs
            .iter()
            .map(|pair| u16::from_le_bytes(*pair))
            .take_while(|unit| *unit != 0)
            .collect();
        String::from_utf16(&units)
            .ok()
            .map(Some)
            .ok_or_else(malformed)
    }

    /// The value, without the four bytes of attributes before it.
    fn read(&self, name: &'static str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(format!("{name}-{LOADER}"));
        match std::fs::read(&path) {
            Ok(bytes) => match bytes.get(4..) {
                Some(value) => Ok(Some(value.to_vec())),
                None => Err(Error::EfiVariable { name }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::ReadFile { path, source }),
        }
    }
}
