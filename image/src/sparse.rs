//! Copies that leave holes where the source holds zeros.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

const BLOCK: usize = 64 * 1024;

/// Copies all of `source` to `target` at byte `offset`, and says how many bytes that were. Zeros are not written, so
/// the target must be a hole there.
///
/// # Errors
/// Those of reading and writing.
pub(crate) fn copy(source: &mut File, target: &File, offset: u64) -> io::Result<u64> {
    let len = source.metadata()?.len();
    let mut block = vec![0; BLOCK];
    let mut at = next_data(source, 0)?;
    while let Some(position) = at {
        let want = BLOCK.min(usize::try_from(len - position).unwrap_or(BLOCK));
        source.read_exact(&mut block[..want])?;
        if block[..want].iter().any(|byte| *byte != 0) {
            target.write_all_at(&block[..want], offset + position)?;
        }
        at = next_data(source, position + want as u64)?;
    }
    Ok(len)
}

/// Moves to the first byte at or after `position` that is in no hole; `None` at the end.
fn next_data(file: &File, position: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(position)) {
        Ok(position) => Ok(Some(position)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
