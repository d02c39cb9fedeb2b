//! Kernel modules: stored uncompressed, indexed anew.
//!
//! Debian ships them compressed with xz. Inside an image that is compressed on the wire this makes every update three
//! times as large, because a compressed module changes as a whole when a byte of it changes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};

use crate::Error;

/// The version of the one kernel in `tree`.
///
/// # Errors
/// When there is none, or more than one.
pub fn kernel_version(tree: &Path) -> Result<String, Error> {
    let folder = tree.join("usr/lib/modules");
    let mut versions: Vec<String> = fs::read_dir(&folder)
        .map_err(|source| Error::TreeLacks {
            path: folder.clone(),
            needed_for: "a kernel (package linux-image-*)",
            source,
        })?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    match (versions.pop(), versions.is_empty()) {
        (Some(version), true) => Ok(version),
        (last, _) => Err(Error::NotOneKernel {
            found: versions.into_iter().chain(last).collect(),
        }),
    }
}

/// Decompresses every module and writes the index files that modprobe reads.
pub(super) fn index(tree: &Path, tools: &Tools) -> Result<(), Error> {
    let version = kernel_version(tree)?;
    let mut compressed = Vec::new();
    find_compressed(
        &tree.join("usr/lib/modules").join(&version),
        &mut compressed,
    )?;
    let (one, other) = compressed.split_at(compressed.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| other.iter().try_for_each(|path| decompress(path)));
        one.iter().try_for_each(|path| decompress(path))?;
        second
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    tools
        .command(Tool::Depmod)
        .arg("-b")
        .arg(tree)
        .arg(&version)
        .run()?;
    Ok(())
}

fn find_compressed(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let read_error = |source| Error::ReadInput {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        if entry.file_type().map_err(read_error)?.is_dir() {
            find_compressed(&entry.path(), found)?;
        } else if entry.file_name().as_encoded_bytes().ends_with(b".ko.xz") {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn decompress(path: &Path) -> Result<(), Error> {
    let change_error = |source| Error::ChangeTree {
        path: path.to_owned(),
        source,
    };
    let plain = path.with_extension("");
    let mut reader = liblzma::read::XzDecoder::new(File::open(path).map_err(change_error)?);
    let mut writer = File::create(&plain).map_err(change_error)?;
    io::copy(&mut reader, &mut writer).map_err(change_error)?;
    fs::remove_file(path).map_err(change_error)
}
