//! Whether what was made before can be used again: a digest of everything that it was made from.

use std::path::Path;

use acl_host::file;
use anyhow::{Context, Result};
use ring::digest::{SHA256, digest};

/// What something is made from.
#[derive(Debug, Default)]
pub struct Inputs {
    parts: Vec<String>,
}

impl Inputs {
    /// Adds a word: an argument, a version, another stamp.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.parts.push(word.into());
        self
    }

    /// Adds a file, or all files below a directory.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn path(mut self, path: &Path) -> Result<Self> {
        self.add(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self)
    }

    /// The digest of all that was added, in the order in which it was.
    pub fn stamp(&self) -> String {
        hex::encode(digest(&SHA256, self.parts.join("\0").as_bytes()))
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let name = path.display();
        let meta = path.symlink_metadata()?;
        if meta.is_symlink() {
            let target = path.read_link()?;
            self.parts.push(format!("{name} -> {}", target.display()));
        } else if meta.is_dir() {
            let mut below = std::fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()?;
            below.sort();
            for path in below {
                self.add(&path)?;
            }
        } else {
            let digest = digest(&SHA256, &file::read(path)?);
            self.parts.push(format!("{name} {}", hex::encode(digest)));
        }
        Ok(())
    }
}

/// Makes `directory` with `make` unless it was made from the same inputs before.
///
/// `make` gets an empty directory; the stamp is written after it, so that what was interrupted is made again.
///
/// # Errors
/// When `make` fails.
pub fn reuse(
    directory: &Path,
    inputs: &Inputs,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let stamp = inputs.stamp();
    let stamped = directory.join("made-from");
    if file::read_to_string(&stamped).is_ok_and(|found| found == stamp) {
        return Ok(());
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    make(directory)?;
    Ok(file::write(&stamped, stamp.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::{Inputs, reuse};
    use acl_host::file::scratch;

    #[test]
    fn what_changed_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let (input, output) = (directory.path().join("in"), directory.path().join("out"));
        std::fs::create_dir(&input).unwrap();
        let mut made = 0;
        let mut make = |content: &str| {
            scratch(input.join("file"), content.as_bytes()).unwrap();
            let inputs = Inputs::default().word("1.0.0").path(&input).unwrap();
            reuse(&output, &inputs, |empty| {
                assert_eq!(std::fs::read_dir(empty).unwrap().count(), 0);
                made += 1;
                Ok(())
            })
            .unwrap();
        };
        make("one");
        make("one");
        make("two");
        make("one");
        assert_eq!(made, 3);
    }

    #[test]
    fn what_failed_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out");
        let inputs = Inputs::default();
        reuse(&output, &inputs, |_| anyhow::bail!("no")).unwrap_err();
        let mut made = false;
        reuse(&output, &inputs, |_| {
            made = true;
            Ok(())
        })
        .unwrap();
        assert!(made);
    }
}
