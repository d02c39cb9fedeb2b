//! Where something stands in a config: `$.storage.files.0.path`.

use std::fmt;

use serde::{Serialize, Serializer};

/// The keys and indexes from the root of a document to one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<String>);

impl Path {
    /// The document itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The value of `key` in the object at this path.
    #[must_use]
    pub fn field(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(key.to_owned());
        Self(steps)
    }

    /// The `index`th value, from 0, of the list at this path.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.field(&index.to_string())
    }

    /// What holds the value; none for the document itself.
    pub fn parent(&self) -> Option<Self> {
        let (_, holder) = self.0.split_last()?;
        Some(Self(holder.to_vec()))
    }

    /// The keys and indexes, from the root.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| write!(f, ".{step}"))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn are_written_as_ignition_writes_them() {
        let path = Path::root().field("storage").field("files").item(0);
        assert_eq!(path.to_string(), "$.storage.files.0");
        assert_eq!(
            path.parent(),
            Some(Path::root().field("storage").field("files"))
        );
        assert_eq!(Path::root().to_string(), "$");
        assert_eq!(Path::root().parent(), None);
    }
}
