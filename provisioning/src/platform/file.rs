//! The platform `file`: for tests, and for machines whose initrd was handed a config (Ignition internal/providers/file).

use std::fs::File;
use std::io::Read;

use super::bounded::{self, CONFIG};
use super::{Found, Machine};
use crate::Result;

/// The file's bytes. A file that is not there is an error: whoever chose this platform meant a file.
pub(super) fn config(machine: &Machine) -> Result<Found> {
    let path = &machine.config_file;
    let mut bytes = Vec::new();
    // The operator's own path, so a symbolic link is as good as a file.
    File::open(path)
        .and_then(|file| file.take(CONFIG + 1).read_to_end(&mut bytes))
        .map_err(|source| bounded::unreadable(path, source))?;
    let place = path.display().to_string();
    if bytes.len() as u64 > CONFIG {
        return Err(bounded::too_large(&place, CONFIG));
    }
    let config = Some(bytes).filter(|bytes| !bytes.is_empty());
    Ok(Found { config, place })
}
