//! Which root hash a unified kernel image boots.

use std::{
    cell::RefCell,
    io::{self, Read, Seek, SeekFrom},
};

use acl_host::{cmdline::Cmdline, verity::RootHash};
use object::{Object, ObjectSection, ReadCache, read::pe::PeFile64};

/// The `usrhash=` in the section `.cmdline` of an image; otherwise what is wrong with the image. The outer error is the
/// disk's.
pub(super) fn root_hash(image: impl Read + Seek) -> io::Result<Result<RootHash, String>> {
    let failed = RefCell::new(None);
    let cache = ReadCache::new(Noting {
        image,
        failed: &failed,
    });
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

/// Remembers why it could not be read: the parser only tells that something is missing.
#[derive(Debug)]
struct Noting<'f, R> {
    image: R,
    failed: &'f RefCell<Option<io::Error>>,
}

impl<R> Noting<'_, R> {
    /// The error goes to whoever opened the file, the parser gets one that says the same.
    fn noted<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            *self.failed.borrow_mut() = Some(error);
            kind.into()
        })
    }
}

impl<R: Read> Read for Noting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = self.image.read(buffer);
        self.noted(done)
    }
}

impl<R: Seek> Seek for Noting<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let done = self.image.seek(to);
        self.noted(done)
    }
}
