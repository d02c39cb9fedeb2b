//! Authenticode: the signature that Secure Boot asks of an EFI program.
//!
//! Source: Microsoft, "Windows Authenticode Portable Executable Signature Format"; UEFI 2.10, section 32.2.4.

use authenticode::{
    DigestInfo, SPC_INDIRECT_DATA_OBJID, SpcAttributeTypeAndOptionalValue, SpcIndirectDataContent,
    WIN_CERT_REVISION_2_0, WIN_CERT_TYPE_PKCS_SIGNED_DATA, authenticode_digest,
};
use const_oid::ObjectIdentifier;
use der::asn1::OctetString;
use der::{Any, Tag};
use object::read::pe::PeFile64;

use crate::Error;
use crate::keys::Pair;
use crate::pe::{Image, PeError};
use crate::pkcs7;

const SPC_PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");

/// The value of `SpcPeImageData` that every signing program writes: no flags, and as the file the text
/// `<<<Obsolete>>>` in UTF-16.
const PE_IMAGE_DATA: &[u8] =
    b"\x03\x01\x00\xa0\x20\xa2\x1e\x80\x1c\0<\0<\0<\0O\0b\0s\0o\0l\0e\0t\0e\0>\0>\0>";

/// Signs an EFI program; the same program and key give the same bytes.
///
/// # Errors
/// [`Error::SignProgram`] if it is no PE image or signed already, [`Error::Sign`], [`Error::EncodeSignature`].
pub fn sign(program: &[u8], pair: &Pair) -> Result<Vec<u8>, Error> {
    let mut image = Image::parse(program.to_vec()).map_err(Error::SignProgram)?;
    if image.is_signed() {
        return Err(Error::SignProgram(PeError::Signed));
    }
    // The table must start at a multiple of eight, and the padding before it is hashed too.
    image.pad_for_certificates();
    let content = indirect_data(&digest(image.bytes())?).map_err(Error::EncodeSignature)?;
    let signature = pkcs7::enclosing(SPC_INDIRECT_DATA_OBJID, &content, pair)?;
    image
        .attach_certificates(&certificate_table(&signature))
        .map_err(Error::SignProgram)?;
    Ok(image.into_bytes())
}

/// SHA-256 over the program without its checksum and certificate table.
///
/// # Errors
/// [`Error::SignProgram`] if it is no PE image.
pub fn digest(program: &[u8]) -> Result<[u8; 32], Error> {
    let mut hash = Hash(ring::digest::Context::new(&ring::digest::SHA256));
    let hashed = PeFile64::parse(program)
        .ok()
        .and_then(|pe| authenticode_digest(&pe, &mut hash).ok());
    let Some(()) = hashed else {
        return Err(Error::SignProgram(PeError::NotPe));
    };
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.0.finish().as_ref());
    Ok(digest)
}

fn indirect_data(digest: &[u8]) -> der::Result<Any> {
    Any::encode_from(&SpcIndirectDataContent {
        data: SpcAttributeTypeAndOptionalValue {
            value_type: SPC_PE_IMAGE_DATA,
            value: Any::new(Tag::Sequence, PE_IMAGE_DATA)?,
        },
        message_digest: DigestInfo {
            digest_algorithm: pkcs7::sha256(),
            digest: OctetString::new(digest)?,
        },
    })
}

/// One `WIN_CERTIFICATE`: its padded length, revision, type and the signature.
fn certificate_table(signature: &[u8]) -> Vec<u8> {
    const HEADER_LEN: usize = 8;
    let len = (HEADER_LEN + signature.len()).next_multiple_of(8);
    let mut table = Vec::with_capacity(len);
    table.extend_from_slice(&(len as u32).to_le_bytes());
    table.extend_from_slice(&WIN_CERT_REVISION_2_0.to_le_bytes());
    table.extend_from_slice(&WIN_CERT_TYPE_PKCS_SIGNED_DATA.to_le_bytes());
    table.extend_from_slice(signature);
    table.resize(len, 0);
    table
}

/// ring's SHA-256 where the `digest` crate's trait is asked for.
struct Hash(ring::digest::Context);

impl digest::Update for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}
