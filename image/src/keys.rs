//! The keys of a build: what signs, and what firmware must know.
//!
//! A directory holds `pk`, `kek`, `db` and `verity`, each as a `.key` (PKCS#8, RSA, mode 0600) and a `.crt` (X.509),
//! both PEM, and `owner.guid`. `pk` and `kek` are the platform's and the key exchange key of UEFI 2.10, section 32;
//! `db` signs the boot loader and the UKI; `verity` signs root hashes.

mod make;

use std::path::Path;

use acl_host::guid::Guid;
use der::{Decode, Document};
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use x509_cert::Certificate;

use crate::Error;

pub use make::init;

/// The names of the pairs that a set consists of.
pub const NAMES: [&str; 4] = ["pk", "kek", "db", "verity"];

/// A whole set, each key checked against its certificate.
#[derive(Debug)]
pub struct Keys {
    /// Platform key: may change `kek` in the firmware.
    pub pk: Pair,
    /// Key exchange key: may change `db` in the firmware.
    pub kek: Pair,
    /// Signs the boot loader and the UKI.
    pub db: Pair,
    /// Signs the root hash of `/usr`.
    pub verity: Pair,
    /// Who owns the firmware's variables.
    pub owner: Guid,
}

impl Keys {
    /// Reads a set; certificates must be valid at `now`.
    ///
    /// # Errors
    /// Those of [`Pair::load`]; [`acl_host::Error::ParseGuid`] for `owner.guid`.
    pub fn load(dir: &Path, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            pk: Pair::load(dir, "pk", now)?,
            kek: Pair::load(dir, "kek", now)?,
            db: Pair::load(dir, "db", now)?,
            verity: Pair::load(dir, "verity", now)?,
            owner: read(&dir.join("owner.guid"))?.trim().parse()?,
        })
    }
}

/// A private key with its certificate.
#[derive(Debug)]
pub struct Pair {
    key: RsaKeyPair,
    certificate: Certificate,
    der: Vec<u8>,
}

impl Pair {
    /// Reads `<name>.key` and `<name>.crt` and checks that they belong together and that the certificate is valid at
    /// `now`.
    ///
    /// # Errors
    /// [`Error::ReadKey`], [`Error::HalfPair`], [`Error::ParseKey`], [`Error::KeyMismatch`], [`Error::OutOfValidity`].
    pub fn load(dir: &Path, name: &str, now: Timestamp) -> Result<Self, Error> {
        let key_path = dir.join(name).with_extension("key");
        let certificate_path = dir.join(name).with_extension("crt");
        whole(&key_path, &certificate_path)?;
        let key = parse_key(&key_path)?;
        let (certificate, der) = parse_certificate(&certificate_path)?;
        let public = &certificate
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key;
        if public.raw_bytes() != key.public().as_ref() {
            return Err(Error::KeyMismatch {
                key: key_path,
                certificate: certificate_path,
            });
        }
        check_validity(&certificate, &certificate_path, now)?;
        Ok(Self {
            key,
            certificate,
            der,
        })
    }

    /// Signs by RSA PKCS#1 1.5 with SHA-256.
    ///
    /// # Errors
    /// [`Error::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        match self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
        {
            Ok(()) => Ok(signature),
            Err(error) => Err(Error::Sign {
                reason: error.to_string(),
            }),
        }
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// SHA-256 of the certificate's DER form, as the `certificateFingerprint` of UAPI.2 wants it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        fingerprint
            .copy_from_slice(ring::digest::digest(&ring::digest::SHA256, &self.der).as_ref());
        fingerprint
    }
}

/// Says which half is missing when only one is there.
fn whole(key: &Path, certificate: &Path) -> Result<(), Error> {
    let half = |there: &Path, missing: &Path| {
        Err(Error::HalfPair {
            there: there.into(),
            missing: missing.into(),
        })
    };
    match (
        acl_host::file::exists(key)?,
        acl_host::file::exists(certificate)?,
    ) {
        (true, false) => half(key, certificate),
        (false, true) => half(certificate, key),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::ReadKey {
        path: path.into(),
        source,
    })
}

fn parse_key(path: &Path) -> Result<RsaKeyPair, Error> {
    let text = read(path)?;
    let wrong = |reason| Error::ParseKey {
        path: path.into(),
        expected: "an RSA key (PKCS#8)",
        reason,
    };
    let (label, key) = Document::from_pem(&text).map_err(|error| wrong(error.to_string()))?;
    if label != "PRIVATE KEY" {
        return Err(wrong(format!(
            "it holds a {label}; openssl pkcs8 -topk8 -nocrypt converts it"
        )));
    }
    RsaKeyPair::from_pkcs8(key.as_bytes()).map_err(|error| wrong(error.to_string()))
}

fn parse_certificate(path: &Path) -> Result<(Certificate, Vec<u8>), Error> {
    let text = read(path)?;
    let wrong = |reason| Error::ParseKey {
        path: path.into(),
        expected: "a certificate (X.509)",
        reason,
    };
    let (label, document) = Document::from_pem(&text).map_err(|error| wrong(error.to_string()))?;
    if label != "CERTIFICATE" {
        return Err(wrong(format!("it holds a {label}")));
    }
    let certificate =
        Certificate::from_der(document.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    Ok((certificate, document.into_vec()))
}

fn check_validity(certificate: &Certificate, path: &Path, now: Timestamp) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let seconds = |time: &x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    if (seconds(&validity.not_before)..=seconds(&validity.not_after)).contains(&now.as_second()) {
        return Ok(());
    }
    Err(Error::OutOfValidity {
        path: path.into(),
        from: validity.not_before.to_string(),
        until: validity.not_after.to_string(),
    })
}
