//! A server's certificate that nobody trusts but whoever is told to.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// A certificate for 127.0.0.1 with its key.
pub(crate) struct Identity {
    /// The certificate in PEM; it is its own authority.
    pub(crate) authority: String,
    key: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        Self::of("127.0.0.1")
    }

    /// The same for another host.
    pub(crate) fn of(host: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        Self {
            authority: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// Accepts connections with this certificate.
    pub(crate) fn acceptor(&self, http2: bool) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        if http2 {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        TlsAcceptor::from(Arc::new(config))
    }
}
