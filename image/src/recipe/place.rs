//! Where in a recipe something stands, so that an error can point at it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file and a line of it, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The recipe.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
}

impl Place {
    /// The place of the byte `offset` of `content`, which is that of `file`.
    pub(super) fn of(file: &Path, content: &[u8], offset: usize) -> Self {
        let before = content.iter().take(offset);
        Self {
            file: file.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A name out of a recipe, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name, pattern or path.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::Place;
    use std::path::Path;

    #[test]
    fn lines_count_from_one() {
        let text = b"one\ntwo\nthree\n";
        for (offset, line) in [(0, 1), (3, 1), (4, 2), (8, 3), (13, 3)] {
            assert_eq!(Place::of(Path::new("r"), text, offset).line, line);
        }
    }
}
