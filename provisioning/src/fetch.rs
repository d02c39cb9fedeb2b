//! The bytes that a config names: fetched, decompressed, verified.
//!
//! Owns every way to them: `data:` URLs, local files, HTTP with redirects, retries, proxies and additional
//! authorities. Whatever the way, bytes go through one intake, and nobody sees any of them before all are there and have
//! the right digest. Leaves to [`crate::config::resolve`] which configs name which others, and to the platforms how they
//! ask their own metadata services.

mod data;
mod given;
mod http;
mod intake;
mod notice;
mod proxy;
mod source;
mod tls;
mod tries;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::http::Http;
use crate::config::spec::{Ignition, Resource};
use crate::{Error, Result};
use intake::{Order, Spool};
use proxy::Proxy;
use source::Source;
use tls::Authority;

pub(crate) use given::look as look_at_data;
pub(crate) use source::{address, check_scheme, is_data, short};
pub use tries::Patience;

/// The target of log lines that people at the console are to see at once, while a stage still runs.
pub const CONSOLE: &str = "acl_provision::console";

/// No config is longer; it is held in memory, parsed.
const LONGEST_CONFIG: u64 = 16 << 20;

/// No bundle of certificates is longer; that of all public authorities has 0.2 MiB.
const LONGEST_BUNDLE: u64 = 4 << 20;

/// Fetches what a [`Resource`] names. Clones share connections and authorities.
#[derive(Debug, Clone)]
pub struct Fetcher {
    patience: Patience,
    http: Http,
    authorities: Arc<[Authority]>,
    /// All that were ever fetched; those of one config are often those of the next.
    known: Arc<Mutex<Vec<Authority>>>,
    spool: PathBuf,
    online: bool,
}

impl Fetcher {
    /// A fetcher with the settings of no config: `patience` alone, the system's authorities, no proxy (also not that
    /// of environment variables). Nothing is opened or read before the first address is asked for.
    ///
    /// # Errors
    /// None so far.
    pub fn new(patience: Patience) -> Result<Self> {
        // Fails when a provider is installed already: then it is this one, or the program's choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::new(&patience, patience.limits(), Proxy::default(), &[]);
        Ok(Self {
            patience,
            http,
            authorities: Arc::default(),
            known: Arc::default(),
            spool: std::env::temp_dir(),
            online: true,
        })
    }

    /// The same fetcher before there is a network: it refuses what is on it with
    /// [`Error::Offline`](crate::Error::Offline), and asks nobody.
    pub fn offline(&self) -> Self {
        Self {
            online: false,
            ..self.clone()
        }
    }

    /// The same fetcher, keeping bytes that are not verified yet in `dir` when they are more than 1 MiB; default is the
    /// system's directory for temporary files. In an initrd that is memory: once there is a disk, name a directory on
    /// it.
    pub fn spooling_in(&self, dir: &Path) -> Self {
        Self {
            spool: dir.to_owned(),
            ..self.clone()
        }
    }

    /// The same fetcher with what a config says in `timeouts`, `proxy` and `security.tls`, as Ignition takes it over:
    /// time limits and proxy are the config's alone (what it does not say is the default, and then there is no limit
    /// for all tries together), authorities stay those of before unless the config names some.
    ///
    /// The authorities are fetched with the config's limits and proxy and the authorities of before; what any
    /// clone of this fetcher has fetched already is not fetched again.
    ///
    /// # Errors
    /// [`Error::Proxy`](crate::Error::Proxy), and [`Error::NamedAuthority`](crate::Error::NamedAuthority) around
    /// [`Error::Authority`](crate::Error::Authority) and those of [`Fetcher::fetch`].
    pub async fn with(&self, ignition: &Ignition) -> Result<Self> {
        let limits = self.patience.limits_of(ignition.timeouts.as_ref());
        let proxy = Proxy::parse(ignition.proxy.as_ref())?;
        let http = Http::new(&self.patience, limits, proxy, &self.authorities);
        let fetcher = Self {
            http,
            ..self.clone()
        };
        let wanted = certificate_authorities(ignition);
        if wanted.is_empty() {
            return Ok(fetcher);
        }
        let mut authorities = Vec::with_capacity(wanted.len());
        for (number, resource) in wanted.iter().enumerate() {
            let authority = fetcher.authority(resource).await;
            authorities.push(authority.map_err(|source| Error::NamedAuthority {
                number,
                source: Box::new(source),
            })?);
        }
        Ok(Self {
            http: fetcher.http.trusting(&authorities),
            authorities: authorities.into(),
            ..fetcher
        })
    }

    /// Writes the authorities that this fetcher has into a config, as `data:` URLs: whoever reads the config next needs
    /// no network to trust them, and trusts what was verified now. The hashes stay right, they are of the bytes.
    pub fn inline_authorities(&self, ignition: &mut Ignition) {
        let security = ignition.security.as_mut();
        let named = security
            .and_then(|security| security.tls.as_mut()?.certificate_authorities.as_mut())
            .into_iter()
            .flatten();
        for resource in named {
            let Some(found) = self.authorities.iter().find(|a| a.resource == *resource) else {
                continue;
            };
            resource.source = Some(format!("data:;base64,{}", STANDARD.encode(&found.bundle)));
            resource.compression = None;
            resource.http_headers = None;
        }
    }

    /// Writes the resource's bytes to `out`, after all of them were fetched and verified; on an error of fetching
    /// nothing was written. Needs little memory, however long the resource is.
    ///
    /// # Errors
    /// [`Error::Deliver`](crate::Error::Deliver) when `out` does not take them, and those of [`Fetcher::fetch`].
    pub async fn fetch_to(&self, resource: &Resource, out: &mut (dyn Write + Send)) -> Result<()> {
        let spool = self.take(resource, None).await?;
        spool.write_to(out)
    }

    /// The resource's bytes, of which there may be at most `limit` after decompression.
    ///
    /// # Errors
    /// What is wrong with the resource itself ([`Error::Scheme`](crate::Error::Scheme) and its neighbours), with the
    /// bytes ([`Error::Decompress`](crate::Error::Decompress), [`Error::Verify`](crate::Error::Verify),
    /// [`Error::TooLong`](crate::Error::TooLong)), or with the way to them; what may pass is tried again until
    /// [`Error::FetchTimeout`](crate::Error::FetchTimeout).
    pub async fn fetch(&self, resource: &Resource, limit: u64) -> Result<Vec<u8>> {
        let spool = self.take(resource, Some(limit)).await?;
        spool.into_bytes()
    }

    /// As [`Fetcher::fetch`], of at most 16 MiB.
    ///
    /// # Errors
    /// As [`Fetcher::fetch`].
    pub async fn fetch_config(&self, resource: &Resource) -> Result<Vec<u8>> {
        let spool = self.take(resource, Some(LONGEST_CONFIG)).await?;
        spool.into_bytes()
    }

    /// Fetches, decompresses and verifies.
    async fn take(&self, resource: &Resource, limit: Option<u64>) -> Result<Spool<'_>> {
        let text = resource.source.as_deref().unwrap_or_default();
        let order = Order::new(resource, short(text), limit, &self.spool)?;
        match Source::parse(text)? {
            Source::Nothing => order.plain().open().finish(),
            Source::Data(url) => {
                let mut intake = order.open();
                url.write_to(&mut |bytes| intake.take(bytes))?;
                intake.finish()
            }
            Source::File(path) => {
                let mut intake = order.open();
                source::read(&path, order.url(), &mut |bytes| intake.take(bytes))?;
                intake.finish()
            }
            Source::Http(_) if !self.online => Err(Error::Offline {
                url: order.url().to_owned(),
            }),
            Source::Http(url) => {
                let headers = http::headers(resource, order.url())?;
                self.http.fetch(&url, &headers, &order).await
            }
        }
    }

    /// An authority: one of those that are known, or fetched.
    async fn authority(&self, resource: &Resource) -> Result<Authority> {
        let known = self
            .known()
            .iter()
            .find(|a| a.resource == *resource)
            .cloned();
        if let Some(authority) = known {
            return Ok(authority);
        }
        let bundle = self.fetch(resource, LONGEST_BUNDLE).await?;
        let authority = Authority::parse(resource, bundle)?;
        self.known().push(authority.clone());
        Ok(authority)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Authority>> {
        // Only whole values are ever pushed, so a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The authorities that a config names.
fn certificate_authorities(ignition: &Ignition) -> &[Resource] {
    let security = ignition.security.as_ref();
    let tls = security.and_then(|security| security.tls.as_ref());
    tls.and_then(|tls| tls.certificate_authorities.as_deref())
        .unwrap_or_default()
}
