//! Configs that name other configs: `ignition.config.replace` and `ignition.config.merge`.
//!
//! Owns the order and the settings in which they are fetched, after Ignition's `RenderConfig`. Leaves parsing to its
//! caller, the rules of merging to [`super::merge`], the fetching to [`crate::fetch`].
//!
//! What a config references is fetched with the settings (time limits, proxy, authorities) of everything that leads
//! there: the configs above it, and what was merged into them before. Ignition does the same as long as a merged
//! config merges none itself; behind one that does, it forgets the settings of the configs above.

use std::pin::Pin;

use ring::digest::{SHA512, digest};

use crate::config::merge::merge;
use crate::config::spec::{Config, Ignition, Resource};
use crate::fetch::{Fetcher, short};
use crate::{Error, Result};

/// The longest way from the first config to one that is named. Ignition knows no end.
const DEPTH: usize = 16;

/// The most configs that are fetched for one. Ignition knows no end.
const COUNT: usize = 64;

/// A config with everything that it references.
#[derive(Debug)]
pub struct Resolved {
    /// The whole. It names no further configs, and its authorities are in it, as `data:` URLs.
    pub config: Config,
    /// What was fetched for it, in this order.
    pub fetched: Vec<Fetched>,
    /// A fetcher with the settings of the whole, for its files.
    pub fetcher: Fetcher,
}

/// A config that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its address, as it may be shown: shortened and without secrets.
    pub url: String,
    /// The SHA-512 of its bytes after decompression, in hexadecimal.
    pub sha512: String,
}

/// Replaces a config by what its `replace` names, again and again, then merges into it what its `merge` names, each
/// resolved in the same way first. `place` says where the config is from; `parse` makes a config of bytes, and gets the
/// place where they are from.
///
/// # Errors
/// [`Error::Reference`] with what is wrong with a named config and by which way it is named;
/// [`Error::ReferenceCycle`], [`Error::ReferenceDepth`], [`Error::ReferenceCount`], [`Error::NoReference`]; and those
/// of [`Fetcher::with`] and of merging.
pub async fn resolve(
    config: Config,
    place: &str,
    fetcher: &Fetcher,
    parse: &impl Fn(&[u8], &str) -> Result<Config>,
) -> Result<Resolved> {
    let mut resolver = Resolver {
        parse,
        way: vec![Step {
            source: None,
            place: place.to_owned(),
        }],
        fetched: Vec::new(),
    };
    let nothing = Config::new(Ignition::new(config.ignition.version.clone()));
    let mut config = resolver.render(config, &nothing, fetcher.clone()).await?;
    let fetcher = fetcher.with(&config.ignition).await?;
    fetcher.inline_authorities(&mut config.ignition);
    Ok(Resolved {
        config,
        fetched: resolver.fetched,
        fetcher,
    })
}

/// What is being resolved.
struct Resolver<'a, P> {
    parse: &'a P,
    /// From the first config to the one at hand.
    way: Vec<Step>,
    fetched: Vec<Fetched>,
}

/// A config on the way.
struct Step {
    /// Its address as it is written; the first config has none.
    source: Option<String>,
    place: String,
}

impl<P: Fn(&[u8], &str) -> Result<Config>> Resolver<'_, P> {
    /// The last config of the way, with what it references; `above` is what the configs above it say about fetching.
    fn render<'b>(
        &'b mut self,
        mut config: Config,
        above: &'b Config,
        mut fetcher: Fetcher,
    ) -> Pin<Box<dyn Future<Output = Result<Config>> + 'b>> {
        Box::pin(async move {
            let mut references = config.ignition.config.take().unwrap_or_default();
            fetcher = self.configure(&fetcher, above, &config).await?;
            while let Some(next) = references.replace.filter(|next| next.source.is_some()) {
                let name = "ignition.config.replace".to_owned();
                config = self.fetch(&next, name, &fetcher).await?;
                references = config.ignition.config.take().unwrap_or_default();
                fetcher = self.configure(&fetcher, above, &config).await?;
            }
            let length = self.way.len();
            for (number, next) in references.merge.iter().flatten().enumerate() {
                let name = format!("ignition.config.merge.{number}");
                let child = self.fetch(next, name, &fetcher).await?;
                let around = merge(above.clone(), settings(&config))?;
                let child = self.render(child, &around, fetcher.clone()).await?;
                self.way.truncate(length);
                config = merge(config, child)?;
                fetcher = self.configure(&fetcher, above, &config).await?;
            }
            Ok(config)
        })
    }

    /// The fetcher for what `config` references.
    async fn configure(
        &self,
        fetcher: &Fetcher,
        above: &Config,
        config: &Config,
    ) -> Result<Fetcher> {
        let all = merge(above.clone(), settings(config))?;
        let configured = fetcher.with(&all.ignition).await;
        configured.map_err(|error| self.in_last(error))
    }

    /// Fetches and parses what the last config of the way names, which then is the last.
    async fn fetch(&mut self, next: &Resource, name: String, fetcher: &Fetcher) -> Result<Config> {
        let source = next.source.as_deref().unwrap_or_default();
        let url = short(source);
        self.enter(source, format!("{name} ({url})"))?;
        let fetched = fetcher.fetch_config(next).await;
        let bytes = fetched.map_err(|error| self.in_last(error))?;
        let place = self.way.last().map_or("", |step| &step.place);
        let parsed = (self.parse)(&bytes, place).map_err(|error| self.in_last(error));
        let sha512 = hex::encode(digest(&SHA512, &bytes));
        tracing::info!(place, sha512, "fetched a referenced config");
        self.fetched.push(Fetched { url, sha512 });
        parsed
    }

    /// Goes one step further, unless that leads too far.
    fn enter(&mut self, source: &str, place: String) -> Result<()> {
        let steps = self.way.len();
        // A data: URL cannot hold itself.
        let again = !source.starts_with("data:")
            && self
                .way
                .iter()
                .any(|step| step.source.as_deref() == Some(source));
        self.way.push(Step {
            source: Some(source.to_owned()),
            place,
        });
        let chain = || chain(&self.way);
        if source.is_empty() {
            return Err(Error::NoReference { place: chain() });
        }
        if again {
            return Err(Error::ReferenceCycle { chain: chain() });
        }
        if steps > DEPTH {
            return Err(Error::ReferenceDepth {
                chain: chain(),
                limit: DEPTH,
            });
        }
        if self.fetched.len() >= COUNT {
            return Err(Error::ReferenceCount {
                chain: chain(),
                limit: COUNT,
            });
        }
        Ok(())
    }

    /// An error with the last config of the way; one with the first says itself where it is.
    fn in_last(&self, error: Error) -> Error {
        match self.way.split_last() {
            Some((last, before)) if !before.is_empty() => Error::Reference {
                place: last.place.clone(),
                chain: chain(before),
                source: Box::new(error),
            },
            _ => error,
        }
    }
}

/// A way, as errors show it.
fn chain(way: &[Step]) -> String {
    let places: Vec<&str> = way.iter().map(|step| step.place.as_str()).collect();
    places.join(" → ")
}

/// The part of a config that says how others are fetched.
fn settings(config: &Config) -> Config {
    let mut ignition = config.ignition.clone();
    ignition.config = None;
    Config::new(ignition)
}
