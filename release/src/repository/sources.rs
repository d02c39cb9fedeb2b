//! The addresses of a repository: its server and that server's mirrors, in the order in which they are asked.
//!
//! Whichever gave what was asked for is asked first for the next thing, so that one that is down costs its time limit
//! once. Nothing that comes from any of them is trusted; so whoever asks can check what came, and let the next one try.

pub(crate) mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use crate::error::{Error, Result};
use crate::repository::http::Patience;
pub(crate) use turns::Turns;

/// The addresses of a repository; at least one.
#[derive(Debug)]
pub struct Sources {
    /// Each is that of the directory that holds `metadata/`, with a slash at its end.
    bases: Vec<Url>,
    /// The one that gave something last.
    current: AtomicUsize,
}

impl Sources {
    /// Reads addresses, the preferred one first. One that comes twice is taken once.
    ///
    /// # Errors
    /// [`Error::RepositoryAddress`] for what is no address of a repository, and for none at all.
    pub fn parse<'t>(addresses: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut bases = Vec::new();
        for address in addresses {
            let base = parse_base(address)?;
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        if bases.is_empty() {
            return Err(Error::RepositoryAddress {
                text: String::new(),
            });
        }
        Ok(Self {
            bases,
            current: AtomicUsize::new(0),
        })
    }

    /// The address that gave something last; before that, the first.
    pub fn current(&self) -> &Url {
        &self.bases[self.current.load(Ordering::Relaxed)]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.bases.len()
    }

    /// The one that is asked now has something wrong: the next one is asked first from now on.
    pub(crate) fn pass_over(&self, problem: &Error) {
        let from = self.current().as_str();
        let next = (self.current.load(Ordering::Relaxed) + 1) % self.bases.len();
        self.current.store(next, Ordering::Relaxed);
        let (to, reason) = (self.current().as_str(), acl_host::error::chain(problem));
        if to != from {
            tracing::info!(from, to, reason, "going over to {to}: {reason}");
        }
    }

    /// Goes through the addresses for one thing.
    pub(crate) fn turns<'a>(&'a self, patience: &'a Patience) -> Turns<'a> {
        Turns::new(self, patience)
    }

    /// What one address after the other is asked for by `ask`, from the first one where that works.
    pub(crate) async fn first<T>(
        &self,
        patience: &Patience,
        ask: impl AsyncFn(&Url) -> Result<T>,
    ) -> Result<T> {
        let mut turns = self.turns(patience);
        loop {
            match ask(turns.base()).await {
                Ok(found) => {
                    turns.gave_all();
                    return Ok(found);
                }
                Err(error) => turns.failed(error).await?,
            }
        }
    }
}

/// The address with a slash at its end, so that joining adds to it.
fn parse_base(base: &str) -> Result<Url> {
    let wrong = || Error::RepositoryAddress {
        text: base.to_owned(),
    };
    let url: Url = format!("{}/", base.trim_end_matches('/'))
        .parse()
        .map_err(|_parse| wrong())?;
    let usable = ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none();
    usable.then_some(url).ok_or_else(wrong)
}

/// An address below the repository's.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url> {
    base.join(path).map_err(|_parse| Error::RepositoryAddress {
        text: base.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, address) in [
            ("http://host:1/a", "http://host:1/a/"),
            ("https://host", "https://host/"),
        ] {
            assert_eq!(parse_base(text).unwrap().as_str(), address);
        }
        for text in [
            "",
            "host",
            "ftp://host",
            "file:///repo",
            "http://host/?q",
            "http://",
        ] {
            let refused = Sources::parse([text]);
            assert!(
                matches!(refused, Err(Error::RepositoryAddress { .. })),
                "{text}"
            );
        }
        let nothing = Sources::parse([]);
        assert!(matches!(nothing, Err(Error::RepositoryAddress { .. })));
        let sources = Sources::parse(["http://a", "http://b/x/", "http://a/", "http://b/x"]);
        let sources = sources.unwrap();
        let bases: Vec<&str> = sources.bases.iter().map(Url::as_str).collect();
        assert_eq!(bases, ["http://a/", "http://b/x/"]);
        assert_eq!(sources.current().as_str(), "http://a/");
    }
}
