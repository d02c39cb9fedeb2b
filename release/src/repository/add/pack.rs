//! Files into blobs; none has its name before it is whole and durable.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use acl_host::file;
use tempfile::NamedTempFile;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Blob, Form, Inner};
use crate::payload::earlier::Earlier;
use crate::payload::pack::Packed;
use crate::payload::{inner, pack};
use crate::repository::store::Store;

/// What is compressed in a file, and the file with that unpacked; none when nothing is.
pub(super) fn unpack(store: &Store, bytes: &[u8]) -> io::Result<Option<(Vec<Inner>, File)>> {
    let inner = inner::find(bytes)?;
    if inner.is_empty() {
        return Ok(None);
    }
    let mut bytes = bytes;
    let file = unpack_file(store, &mut bytes, &inner)?;
    Ok(Some((inner, file)))
}

/// A file with its frames unpacked, without a name.
fn unpack_file(store: &Store, file: &mut dyn Read, frames: &[Inner]) -> io::Result<File> {
    let mut out = BufWriter::new(tempfile::tempfile_in(store.dir())?);
    inner::unpack(file, frames, &mut out)?;
    let mut out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.rewind()?;
    Ok(out)
}

/// Packs a file, which has a digest that is expected, or any.
pub(super) fn pack_file(
    store: &Store,
    path: &Path,
    mut file: &File,
    earlier: &Earlier,
    expected: Option<Digest>,
) -> Result<(Form, Packed)> {
    let mut packed = || {
        file.rewind()?;
        let (packed, pack) = write(store, |out| pack::pack(file, out, earlier))?;
        if expected.is_some_and(|expected| packed.sha256 != expected) {
            return Err(io::Error::other("it changed while it was read"));
        }
        let described = packed.index.format()?;
        Ok((packed, pack, described))
    };
    let (packed, pack, described) = packed().map_err(failed("pack", path))?;
    let form = Form {
        size: packed.size,
        index: put(store, &described)?,
        pack,
    };
    Ok((form, packed))
}

/// Writes a blob, durably.
pub(super) fn put(store: &Store, bytes: &[u8]) -> Result<Blob> {
    let blob = Blob {
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
    };
    file::write(store.blob(&blob.sha256), bytes)?;
    file::sync_dir(store.dir().join("blobs"))?;
    Ok(blob)
}

/// Has a blob written by `make`, durably.
pub(super) fn write<T: Written>(
    store: &Store,
    make: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<T>,
) -> io::Result<(T, Blob)> {
    let mut out = BufWriter::new(NamedTempFile::new_in(store.dir().join("blobs"))?);
    let made = make(&mut out)?;
    out.flush()?;
    let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let blob = made.blob();
    install(store, temporary, &blob.sha256)?;
    Ok((made, blob))
}

/// What tells of a blob that was written.
pub(super) trait Written {
    fn blob(&self) -> Blob;
}

impl Written for Packed {
    fn blob(&self) -> Blob {
        Blob {
            sha256: self.pack_sha256,
            size: self.pack_size,
        }
    }
}

fn install(store: &Store, temporary: NamedTempFile, digest: &Digest) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // A temporary file is its owner's alone; a web server runs as someone else.
    temporary
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    temporary
        .persist(store.blob(digest))
        .map_err(|error| error.error)?;
    Ok(())
}

/// An error of publishing at a path.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Publish {
        action,
        path,
        source,
    }
}
