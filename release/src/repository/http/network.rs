//! The way to the servers as the operator sets it: proxy, authorities, bandwidth.

use std::num::NonZeroU64;

use reqwest::{Certificate, Client, ClientBuilder, NoProxy};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::error::{Error, Result};

/// How servers are reached. The default: the environment's proxy, the system's authorities, no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The proxy.
    pub proxy: Proxy,
    /// Certificates in PEM of authorities that are trusted beside the system's; empty for none.
    pub authorities: Vec<u8>,
    /// The limit for the bodies of all answers together, in bytes a second.
    pub bandwidth: Option<NonZeroU64>,
    /// What an address must give, in bytes a second of waiting for it, not to be given up for the next one; none:
    /// [`MIN_THROUGHPUT`].
    pub min_throughput: Option<NonZeroU64>,
}

/// The default of [`Network::min_throughput`]: 10 kB/s, with which a release of 170 MB takes less than five hours.
pub const MIN_THROUGHPUT: NonZeroU64 = NonZeroU64::new(10_000).unwrap();

/// Which proxy is asked.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// That of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in the environment.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one.
    At {
        /// `http`, `https`, `socks5` (names are looked up here) or `socks5h` (at the proxy); may hold user and password.
        url: Url,
        /// Hosts that are reached directly: names (with all below them), addresses, networks as `10.0.0.0/8`.
        except: Vec<String>,
    },
}

impl std::fmt::Debug for Proxy {
    /// Without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Direct => f.write_str("Direct"),
            Self::At { url, except } => {
                let host = url.host_str().unwrap_or_default();
                write!(f, "At({}://{host}, except {except:?})", url.scheme())
            }
        }
    }
}

impl Network {
    /// The minimum that counts.
    pub fn least(&self) -> NonZeroU64 {
        self.min_throughput.unwrap_or(MIN_THROUGHPUT)
    }

    /// A client that goes this way.
    pub(super) fn client(&self, builder: impl Fn() -> ClientBuilder) -> Result<Client> {
        let failed = |source| Error::HttpClient { source };
        let authorities = authorities(&self.authorities)?;
        let proxied = || match &self.proxy {
            Proxy::Environment => Ok(builder()),
            Proxy::Direct => Ok(builder().no_proxy()),
            Proxy::At { url, except } => {
                let proxy = reqwest::Proxy::all(url.clone())?;
                Ok(builder().proxy(proxy.no_proxy(NoProxy::from_string(&except.join(",")))))
            }
        };
        if authorities.is_empty() {
            return proxied().map_err(failed)?.build().map_err(failed);
        }
        let merged = proxied().map_err(failed)?;
        if let Ok(client) = merged.tls_certs_merge(authorities.iter().cloned()).build() {
            return Ok(client);
        }
        // Where the system has no authorities at all, reqwest's verifier cannot be made.
        let alone = proxied().map_err(failed)?;
        alone.tls_certs_only(authorities).build().map_err(failed)
    }
}

/// The certificates of a bundle in PEM.
fn authorities(bundle: &[u8]) -> Result<Vec<Certificate>> {
    let refuse = |problem: String| Error::Authorities { problem };
    let mut found = Vec::new();
    for (number, der) in CertificateDer::pem_slice_iter(bundle).enumerate() {
        let wrong = |error: String| refuse(format!("certificate {}: {error}", number + 1));
        let der = der.map_err(|error| wrong(error.to_string()))?;
        found.push(Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?);
        // The client would find out later, and not say which.
        RootCertStore::empty()
            .add(der)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if found.is_empty() && !bundle.is_empty() {
        return Err(refuse("there is no certificate in PEM form".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_are_none() {
        let told = |bundle: &[u8]| authorities(bundle).err().map(|error| error.to_string());
        assert_eq!(told(b""), None);
        for (bundle, problem) in [
            ("certificate", "there is no certificate in PEM form"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1: invalid peer certificate: BadEncoding",
            ),
        ] {
            let expected = format!("the authorities of `ca` cannot be used: {problem}");
            assert_eq!(told(bundle.as_bytes()), Some(expected));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxy = Proxy::At {
            url: "http://user:secret@proxy:3128".parse().unwrap(),
            except: vec!["a.example".to_owned()],
        };
        assert_eq!(
            format!("{proxy:?}"),
            "At(http://proxy, except [\"a.example\"])"
        );
    }
}
