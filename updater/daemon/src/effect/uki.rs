//! Which root hash a unified kernel image boots.

use std::{fs::File, path::Path};

use acl_host::{cmdline::Cmdline, verity::RootHash};
use object::{Object, ObjectSection, ReadCache, read::pe::PeFile64};

/// The `usrhash=` in the section `.cmdline` of the image at `path`; otherwise what is wrong with the image.
pub(super) fn root_hash(path: &Path) -> Result<RootHash, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let cache = ReadCache::new(file);
    let image = PeFile64::parse(&cache).map_err(|error| format!("it is no PE image: {error}"))?;
    let section = image
        .section_by_name(".cmdline")
        .ok_or("it has no section .cmdline, so it is no unified kernel image")?;
    let data = section
        .data()
        .map_err(|error| format!("its section .cmdline cannot be read: {error}"))?;
    let text = String::from_utf8_lossy(data);
    let cmdline = Cmdline::parse(text.trim_end_matches('\0'));
    cmdline
        .usrhash()
        .ok_or_else(|| "its command line has no usrhash=".to_owned())
}
