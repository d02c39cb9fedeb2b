//! PKCS#7 signatures (CMS `SignedData`, RFC 5652) by RSA with SHA-256 and one signer.
//!
//! No signing time goes in, and RSA PKCS#1 1.5 takes no randomness: the same content and key give the same bytes.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Encode};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

use crate::Error;
use crate::keys::Pair;

/// A detached signature without attributes and certificates, DER; byte by byte what
/// `openssl smime -sign -nocerts -noattr -binary -outform der` writes. The form that the kernel takes for a root hash.
///
/// # Errors
/// [`Error::Sign`], [`Error::EncodeSignature`].
pub fn detached(content: &[u8], pair: &Pair) -> Result<Vec<u8>, Error> {
    let signer = signer(pair, None, &pair.sign(content)?).map_err(Error::EncodeSignature)?;
    let encapsulated = EncapsulatedContentInfo {
        econtent_type: rfc5911::ID_DATA,
        econtent: None,
    };
    signed_data(encapsulated, None, signer).map_err(Error::EncodeSignature)
}

/// A signature that holds its content (DER of one SEQUENCE) and the signer's certificate, with the two
/// attributes that RFC 5652 asks for when the content is of a `kind` of its own: the form of Authenticode.
///
/// # Errors
/// [`Error::Sign`], [`Error::EncodeSignature`].
pub fn enclosing(kind: ObjectIdentifier, content: &Any, pair: &Pair) -> Result<Vec<u8>, Error> {
    // What is hashed are the content's bytes without tag and length (PKCS#7, RFC 2315, section 9.3).
    let digest = ring::digest::digest(&ring::digest::SHA256, content.value());
    let attributes = attributes(kind, digest.as_ref()).map_err(Error::EncodeSignature)?;
    // Signed as a SET OF, although stored under an implicit tag (RFC 5652, section 5.4).
    let signature = pair.sign(&attributes.to_der().map_err(Error::EncodeSignature)?)?;
    let signer = signer(pair, Some(attributes), &signature).map_err(Error::EncodeSignature)?;
    let encapsulated = EncapsulatedContentInfo {
        econtent_type: kind,
        econtent: Some(content.clone()),
    };
    signed_data(encapsulated, Some(pair), signer).map_err(Error::EncodeSignature)
}

/// The algorithm identifier of SHA-256, with the NULL that OpenSSL writes.
#[must_use]
pub fn sha256() -> AlgorithmIdentifierOwned {
    algorithm(rfc5912::ID_SHA_256)
}

fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid,
        parameters: Some(Any::null()),
    }
}

fn signer(
    pair: &Pair,
    attributes: Option<SetOfVec<Attribute>>,
    signature: &[u8],
) -> der::Result<SignerInfo> {
    let certificate = &pair.certificate().tbs_certificate;
    Ok(SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.issuer.clone(),
            serial_number: certificate.serial_number.clone(),
        }),
        digest_alg: sha256(),
        signed_attrs: attributes,
        signature_algorithm: algorithm(rfc5912::RSA_ENCRYPTION),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    })
}

fn signed_data(
    content: EncapsulatedContentInfo,
    certificate: Option<&Pair>,
    signer: SignerInfo,
) -> der::Result<Vec<u8>> {
    let certificates = match certificate {
        None => None,
        Some(pair) => Some(CertificateSet(one(CertificateChoices::Certificate(
            pair.certificate().clone(),
        ))?)),
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: one(sha256())?,
        encap_content_info: content,
        certificates,
        crls: None,
        signer_infos: SignerInfos(one(signer)?),
    };
    ContentInfo {
        content_type: rfc5911::ID_SIGNED_DATA,
        content: Any::encode_from(&signed)?,
    }
    .to_der()
}

fn attributes(kind: ObjectIdentifier, digest: &[u8]) -> der::Result<SetOfVec<Attribute>> {
    let content_type = Attribute {
        oid: rfc5911::ID_CONTENT_TYPE,
        values: one(Any::encode_from(&kind)?)?,
    };
    let digest = Any::encode_from(&OctetString::new(digest)?)?;
    let message_digest = Attribute {
        oid: rfc5911::ID_MESSAGE_DIGEST,
        values: one(digest)?,
    };
    SetOfVec::try_from(vec![content_type, message_digest])
}

fn one<T: der::DerOrd>(value: T) -> der::Result<SetOfVec<T>> {
    SetOfVec::try_from(vec![value])
}
