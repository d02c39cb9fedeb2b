//! Which root hash a unified kernel image boots.

use std::io::{self, Read, Seek};

use acl_host::{cmdline::Cmdline, verity::RootHash};
use object::{Object, ObjectSection, ReadCache, read::pe::PeFile64};

use super::noting::{Noted, Noting};

/// The `usrhash=` in the section `.cmdline` of an image; otherwise what is wrong with the image. The outer error is the
/// disk's.
pub(super) fn root_hash(image: impl Read + Seek) -> io::Result<Result<RootHash, String>> {
    // The parser only tells that something is missing.
    let failed = Noted::default();
    let cache = ReadCache::new(Noting::new(image, &failed));
    let found = root_hash_in(&cache);
    failed.take().map_or(Ok(found), Err)
}

fn root_hash_in(cache: &ReadCache<Noting<'_, impl Read + Seek>>) -> Result<RootHash, String> {
    let image = PeFile64::parse(cache).map_err(|error| format!("it is no PE image: {error}"))?;
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
