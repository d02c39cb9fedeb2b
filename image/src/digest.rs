//! SHA-256, as the hexadecimal digits that Debian, the lock and file names hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Error;

/// Of bytes in memory.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

/// Of a file, whatever its size.
///
/// # Errors
/// [`Error::ReadInput`].
pub fn sha256_file(path: &Path) -> Result<String, Error> {
    let fail = |source| Error::ReadInput {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(fail)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(hex::encode(context.finish())),
            read => context.update(&buffer[..read]),
        }
    }
}
