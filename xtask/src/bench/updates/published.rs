//! What a publisher made, and what that took. It is kept, since compressing half a gigabyte takes minutes: a later run
//! tells the time that was measured when it was made, and says so.

use std::path::{Path, PathBuf};

use acl_host::file;
use acl_tests::stamp::{Inputs, reuse};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::kit::Kit;

/// Beside what was made.
const COST: &str = "cost.json";

/// What was published, ready to be served.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) directory: PathBuf,
    pub(super) cost: Cost,
    /// Whether an earlier run made it.
    pub(super) kept: bool,
}

/// What publishing the new release takes, where the old one is published already.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    /// What the server has to keep more than before.
    pub(super) bytes: u64,
}

/// Has it made, unless an earlier run did from the same inputs.
pub(super) fn publish(
    kit: &Kit,
    name: &str,
    inputs: &Inputs,
    make: impl FnOnce(&Path) -> Result<Cost>,
) -> Result<Published> {
    let directory = kit.directory.join(name);
    let mut kept = true;
    reuse(&directory, inputs, |empty| {
        kept = false;
        let cost = make(empty)?;
        Ok(file::scratch(
            empty.join(COST),
            &serde_json::to_vec(&cost)?,
        )?)
    })?;
    let cost = serde_json::from_slice(&file::read(directory.join(COST))?)?;
    Ok(Published {
        directory,
        cost,
        kept,
    })
}

/// Bytes of the files below a directory; links are followed.
pub(super) fn bytes_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in file::list(directory)? {
        let metadata = std::fs::metadata(&path)?;
        bytes += match metadata.is_dir() {
            true => bytes_below(&path)?,
            false => metadata.len(),
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes_below;

    #[test]
    fn files_are_added_up_through_links() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("below")).unwrap();
        acl_host::file::scratch(at("a"), b"12345").unwrap();
        acl_host::file::scratch(at("below/b"), b"123").unwrap();
        std::os::unix::fs::symlink("../a", at("below/link")).unwrap();
        assert_eq!(bytes_below(directory.path()).unwrap(), 13);
    }
}
