//! Making a set of keys.

use std::path::Path;

use acl_host::file;
use acl_host::guid::Guid;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};

use super::{Keys, NAMES, whole};
use crate::Error;

/// How long a certificate is valid. Firmware mostly ignores it; renewing means enrolling anew.
const YEARS: i64 = 10;

/// Makes what is missing of a set in `dir`, durably, then reads the whole set; what is there is never written over.
///
/// Firmware that has enrolled a certificate takes no other key: one that a power cut took away cannot be made again.
///
/// RSA with 2048 bits, because that is what every firmware takes. Certificates are self-signed and valid for ten years
/// from the day before `now`.
///
/// # Errors
/// [`Error::Host`] for what cannot be written, [`Error::GenerateKey`] and those of [`Keys::load`].
pub fn init(dir: &Path, now: Timestamp) -> Result<Keys, Error> {
    file::make_directory(dir)?;
    for name in NAMES {
        let (key, certificate) = (
            dir.join(name).with_extension("key"),
            dir.join(name).with_extension("crt"),
        );
        whole(&key, &certificate)?;
        if !file::exists(&key)? {
            let (key_text, certificate_text) = make(name, now)?;
            file::write_private(&key, key_text.as_bytes())?;
            file::write(&certificate, certificate_text.as_bytes())?;
        }
    }
    let owner = dir.join("owner.guid");
    if !file::exists(&owner)? {
        file::write(&owner, format!("{}\n", random_guid()?).as_bytes())?;
    }
    Keys::load(dir, now)
}

/// One pair as PEM: key, certificate.
fn make(name: &str, now: Timestamp) -> Result<(String, String), Error> {
    let failed = |error: rcgen::Error| Error::GenerateKey {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, format!("ACL {name}"));
    params.distinguished_name = subject;
    // As `openssl req -x509` makes them: firmware builds a chain to the enrolled certificate, and some of it only
    // takes an authority for the end of a chain.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let day = now.to_zoned(TimeZone::UTC).date();
    let midnight = |day: Date| {
        rcgen::date_time_ymd(
            day.year().into(),
            day.month().unsigned_abs(),
            day.day().unsigned_abs(),
        )
    };
    params.not_before = midnight(day.saturating_sub(1.day()));
    params.not_after = midnight(day.saturating_add(YEARS.years()));
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn random_guid() -> Result<Guid, Error> {
    let mut bytes = [0; 16];
    let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    if let Err(error) = filled {
        return Err(Error::GenerateKey {
            name: "owner.guid".to_owned(),
            reason: error.to_string(),
        });
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(Guid(bytes))
}
