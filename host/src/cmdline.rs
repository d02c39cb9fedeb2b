//! The kernel command line.

use std::path::Path;

use crate::error::Result;
use crate::file;
use crate::verity::RootHash;

/// The words of a kernel command line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cmdline(Vec<(String, Option<String>)>);

impl Cmdline {
    /// Splits a command line as the kernel does (Documentation/admin-guide/kernel-parameters.rst): words are
    /// separated by white space, double quotes protect it and are not part of the value.
    pub fn parse(text: &str) -> Self {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for character in text.chars() {
            match (character, words.last_mut()) {
                ('"', _) => quoted = !quoted,
                (c, _) if c.is_whitespace() && !quoted => words.push(String::new()),
                (c, Some(word)) => word.push(c),
                (_, None) => {}
            }
        }
        words.retain(|word| !word.is_empty());
        Self(words.iter().map(|word| split(word)).collect())
    }

    /// The command line of the running kernel: `<root>/proc/cmdline`.
    ///
    /// # Errors
    /// [`crate::Error::ReadFile`].
    pub fn read(root: &Path) -> Result<Self> {
        Ok(Self::parse(&file::read_to_string(
            root.join("proc/cmdline"),
        )?))
    }

    /// The value of `key=value`; of several the last one, as systemd takes it.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Whether `key` is there, with or without a value.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// The root hash of the running `/usr` (`usrhash=`, systemd-veritysetup-generator(8)); `None` when there is none
    /// or when it is no SHA-256.
    pub fn usrhash(&self) -> Option<RootHash> {
        self.value("usrhash")?.parse().ok()
    }
}

fn split(word: &str) -> (String, Option<String>) {
    match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (word.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::Cmdline;

    #[test]
    fn words_quotes_and_the_last_one() {
        let line = Cmdline::parse(
            "quiet  console=ttyS0 console=tty1\tdyndbg=\"file a.c +p\" \"spaced key=x y\" opt= a=b=c\n",
        );
        assert!(line.has("quiet"));
        assert!(!line.has("qui"));
        assert_eq!(line.value("quiet"), None);
        assert_eq!(line.value("console"), Some("tty1"));
        assert_eq!(line.value("dyndbg"), Some("file a.c +p"));
        assert_eq!(line.value("spaced key"), Some("x y"));
        assert_eq!(line.value("opt"), Some(""));
        assert_eq!(line.value("a"), Some("b=c"));
        assert_eq!(line.value("absent"), None);
    }

    #[test]
    fn usrhash() {
        let hash = "ab".repeat(32);
        let found = Cmdline::parse(&format!("ro usrhash={hash} quiet")).usrhash();
        assert_eq!(found.map(|hash| hash.to_string()), Some(hash));
        assert_eq!(Cmdline::parse("usrhash=abcd").usrhash(), None);
        assert_eq!(Cmdline::parse("usrhash").usrhash(), None);
        assert_eq!(Cmdline::parse("").usrhash(), None);
    }
}
