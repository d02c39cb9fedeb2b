//! Who is trusted: the system's authorities and those of the config.

use reqwest::{Certificate, Client, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::source::short;
use crate::config::spec::Resource;
use crate::{Error, Result};

/// A bundle of certificates that a config names.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) resource: Resource,
    /// The PEM as it was fetched.
    pub(super) bundle: Vec<u8>,
    certificates: Vec<Certificate>,
}

/// Who is trusted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Some,
    Nobody,
}

impl Authority {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Error::Authority`] for what is not PEM, not a certificate, or holds none.
    pub(super) fn parse(resource: &Resource, bundle: Vec<u8>) -> Result<Self> {
        let refuse = |problem: String| Error::Authority {
            url: short(resource.source.as_deref().unwrap_or_default()),
            problem,
        };
        let mut certificates = Vec::new();
        for (number, der) in CertificateDer::pem_slice_iter(&bundle).enumerate() {
            let number = number + 1;
            let der = der.map_err(|error| refuse(format!("certificate {number}: {error}")))?;
            let certificate = Certificate::from_der(&der)
                .map_err(|error| refuse(format!("certificate {number}: {error}")))?;
            // The client would find out later, and not say in which bundle.
            RootCertStore::empty()
                .add(der)
                .map_err(|error| refuse(format!("certificate {number}: {error}")))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(refuse("there is no certificate in PEM format".to_owned()));
        }
        Ok(Self {
            resource: resource.clone(),
            bundle,
            certificates,
        })
    }
}

/// A client that trusts the system's authorities and these. Where the system has none, as an initrd may, reqwest's
/// verifier cannot be made; then the client trusts these alone, which for none of them is nobody.
pub(super) fn build(
    builder: impl Fn() -> ClientBuilder,
    authorities: &[Authority],
) -> Result<(Client, Trust)> {
    let certificates = || {
        let all = authorities.iter().flat_map(|a| &a.certificates);
        all.cloned()
    };
    if let Ok(client) = builder().tls_certs_merge(certificates()).build() {
        return Ok((client, Trust::Some));
    }
    let client = builder().tls_certs_only(certificates()).build();
    let trust = if authorities.is_empty() {
        Trust::Nobody
    } else {
        Trust::Some
    };
    let client = client.map_err(|source| Error::FetchClient { source })?;
    Ok((client, trust))
}

/// Whether a request failed because we do not accept the server's certificate.
pub(super) fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // An I/O error names its inner error's source as its own, and so hides the inner one.
    let wrapped = error.downcast_ref::<std::io::Error>();
    let inner = wrapped.and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_refusal(inner)) || error.source().is_some_and(is_refusal)
}
