//! Who is trusted: the system's authorities and those of the config.

use std::sync::Arc;

use acl_host::Who;
use reqwest::{Client, ClientBuilder};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use super::source::short;
use crate::config::spec::Resource;
use crate::{Error, Result};

/// A bundle of certificates that a config names.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) resource: Resource,
    /// The PEM as it was fetched.
    pub(super) bundle: Vec<u8>,
    certificates: Vec<CertificateDer<'static>>,
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
            // The client would find out later, and not say in which bundle.
            RootCertStore::empty()
                .add(der.clone())
                .map_err(|_unreadable| refuse(format!("certificate {number} is damaged")))?;
            certificates.push(der);
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

/// A client that trusts the system's authorities and these. Where the system has none, as an initrd may, it trusts these
/// alone, which for none of them is nobody.
pub(super) fn build(
    builder: impl Fn() -> ClientBuilder,
    authorities: &[Authority],
) -> Result<(Client, Trust)> {
    let all = authorities.iter().flat_map(|a| &a.certificates);
    let listed: Vec<CertificateDer<'static>> = all.cloned().collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (builder, trust) = match Verifier::new_with_extra_roots(listed.clone(), provider.clone()) {
        Ok(system) => {
            let verifier = Listed { system, listed };
            let builder = builder().tls_backend_preconfigured(config(provider, verifier)?);
            (builder, Trust::Some)
        }
        // There is no authority at all.
        Err(_) => (builder().tls_certs_only([]), Trust::Nobody),
    };
    let client = builder
        .build()
        .map_err(|source| Error::FetchClient { source })?;
    Ok((client, trust))
}

fn config(provider: Arc<CryptoProvider>, verifier: Listed) -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's verifier with the authorities of a config, which takes a listed certificate as a server's own, too.
///
/// `openssl req -x509` marks what it signs by itself as an authority (CA:TRUE), and webpki takes no authority for a server's
/// certificate. Go's verifier, and so Ignition, takes it when it is listed.
#[derive(Debug)]
struct Listed {
    system: Verifier,
    listed: Vec<CertificateDer<'static>>,
}

/// How webpki calls that refusal. It is its last but one check (`check_issuer_independent_properties`): by then the
/// certificate is known to be well-formed and valid at this time.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.system.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(rustls::Error::InvalidCertificate(problem))
                if is_authority_as_server(&problem) && self.listed.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

fn is_authority_as_server(problem: &CertificateError) -> bool {
    matches!(problem, CertificateError::Other(other) if other.to_string() == AUTHORITY_AS_SERVER)
}

/// Why a request failed, when it did because we do not accept the server's certificate.
pub(super) fn refusal<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e CertificateError> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return match error {
            rustls::Error::InvalidCertificate(problem) => Some(problem),
            _ => None,
        };
    }
    // An I/O error names its inner error's source as its own, and so hides the inner one.
    let wrapped = error.downcast_ref::<std::io::Error>();
    let inner = wrapped.and_then(std::io::Error::get_ref);
    inner
        .and_then(|inner| refusal(inner))
        .or_else(|| error.source().and_then(refusal))
}

/// A refusal and what to do about it, for people, and who must do it.
pub(super) fn in_words(problem: &CertificateError) -> Option<(&'static str, Who)> {
    Some(match problem {
        CertificateError::UnknownIssuer => (
            "no certificate authority that is trusted here has signed its certificate; name the one that has in \
             ignition.security.tls.certificateAuthorities",
            Who::Operator,
        ),
        CertificateError::BadSignature => (
            "its certificate was signed by another certificate authority than the one of that name that is trusted here; \
             name the one that has signed it in ignition.security.tls.certificateAuthorities",
            Who::Operator,
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired; renew it, and check the clock of this machine",
            Who::Server,
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet; check the clock of this machine",
            Who::Environment,
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "its certificate is for other names; give it one with this name or address as subjectAltName",
            Who::Server,
        ),
        problem if is_authority_as_server(problem) => (
            "its certificate is that of a certificate authority (CA:TRUE), and is not listed itself; list it in \
             ignition.security.tls.certificateAuthorities, or give the server a certificate without CA:TRUE",
            Who::Operator,
        ),
        _ => return None,
    })
}
