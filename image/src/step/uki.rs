//! The unified kernel image: kernel, initrd and command line as sections of one EFI program.
//!
//! Source: UAPI.5 "Unified Kernel Image"; the layout of the sections is that of systemd's `ukify`.

mod sbat;

use crate::Error;
use crate::pe::{Content, Image};

const SBAT: &str = ".sbat";

/// What a UKI is made of, each as the bytes of its section.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// `os-release` of the system that is booted; the boot menu's title and version come from it.
    pub osrel: &'a [u8],
    /// Kernel command line, no line break.
    pub cmdline: &'a [u8],
    /// The kernel's release, as `uname -r` prints it.
    pub uname: &'a [u8],
    /// The kernel (bzImage with EFI stub).
    pub linux: &'a [u8],
    /// The initrd, a cpio archive that may be compressed.
    pub initrd: &'a [u8],
}

/// Appends the sections to systemd's stub (`linuxx64.efi.stub`); the stub's `.sbat` gets the kernel's lines.
///
/// The result is unsigned and depends on nothing but the arguments.
///
/// # Errors
/// [`Error::ReadStub`] and [`Error::ReadKernel`] if one is no PE image, [`Error::AddSection`] if the stub is signed or
/// without room for more sections.
pub fn build(stub: &[u8], sections: Sections<'_>) -> Result<Vec<u8>, Error> {
    let mut image = Image::parse(stub.to_vec()).map_err(Error::ReadStub)?;
    let kernel = Image::parse(sections.linux.to_vec()).map_err(Error::ReadKernel)?;
    if !kernel.is_nx_compatible() {
        // The kernel runs inside of the UKI's memory, so both must say the same; a firmware that enforces it
        // would not boot otherwise.
        image.clear_nx_compatible();
    }
    let list = [
        (".osrel", sections.osrel, Content::Data),
        (".cmdline", sections.cmdline, Content::Data),
        (".uname", sections.uname, Content::Data),
        (".linux", sections.linux, Content::Code),
        (".initrd", sections.initrd, Content::Data),
    ];
    for (name, data, content) in list {
        image
            .add_section(name, data, content)
            .map_err(Error::AddSection)?;
    }
    let parts = [image.content(SBAT), kernel.content(SBAT)];
    let sbat = sbat::merge(parts.into_iter().flatten());
    image.put_section(SBAT, &sbat).map_err(Error::AddSection)?;
    Ok(image.into_bytes())
}
