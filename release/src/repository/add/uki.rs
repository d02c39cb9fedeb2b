//! What a release's kernel image must say: it boots the release's own `/usr`, and it is signed.
//!
//! A node writes the image to the ESP as it comes, so a wrong one is found out by the firmware, or by the initrd. Source:
//! UAPI.5 "Unified Kernel Image"; Microsoft, "PE Format", "The Attribute Certificate Table". Whose signature it is, is
//! left to the firmware: the repository knows no certificates.

use acl_host::cmdline::Cmdline;
use acl_host::signature::VeritySignature;
use acl_host::verity::RootHash;
use object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY;
use object::read::pe::PeFile64;
use object::{Object, ObjectSection};

/// `WIN_CERT_REVISION_2_0` and `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const AUTHENTICODE: (u16, u16) = (0x200, 2);

/// DER of the object identifier `signedData` (PKCS#7, RFC 2315, section 14), which an Authenticode signature begins with.
const SIGNED_DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];

/// Why a kernel image cannot be published with a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is not a unified kernel image: {0}")]
    NotPe(object::Error),
    #[error("it is not a unified kernel image: it has {1} sections {0}, not 1")]
    Section(&'static str, usize),
    #[error("its kernel command line is not UTF-8")]
    NotText,
    #[error("its kernel command line has no valid usrhash=, so it boots no verified /usr")]
    NoRootHash,
    #[error("it boots the /usr with the root hash {0}, and this release's is {1}")]
    OtherRootHash(RootHash, RootHash),
    #[error(
        "its kernel command line has no root-hash-signature= in systemd.verity_usr_options=, and no node boots a /usr that \
         is not signed; build it with the signature of the root hash"
    )]
    NoSignature,
    #[error("its kernel command line has another signature of the root hash than the build")]
    OtherSignature,
    #[error(
        "it has no Authenticode signature, and firmware with Secure Boot would refuse it; sign it with the db key"
    )]
    Unsigned,
}

/// Checks a kernel image against the root hash of its release and the signature of it.
pub(super) fn check(
    image: &[u8],
    root_hash: &RootHash,
    signature: &VeritySignature,
) -> Result<(), Problem> {
    let pe = PeFile64::parse(image).map_err(Problem::NotPe)?;
    section(&pe, ".linux")?;
    let text = section(&pe, ".cmdline")?;
    let text = std::str::from_utf8(text).map_err(|_position| Problem::NotText)?;
    let cmdline = Cmdline::parse(text.trim_end_matches('\0'));
    let found = cmdline.usrhash().ok_or(Problem::NoRootHash)?;
    if found != *root_hash {
        return Err(Problem::OtherRootHash(found, *root_hash));
    }
    let options = cmdline.value("systemd.verity_usr_options").unwrap_or("");
    let signatures: Vec<&str> = options
        .split(',')
        .filter_map(|option| option.strip_prefix("root-hash-signature="))
        .collect();
    // As a file it would be one of the initrd, which is not looked into here.
    let expected = format!("base64:{}", signature.signature_base64());
    match signatures.as_slice() {
        [] => return Err(Problem::NoSignature),
        found if found.iter().any(|found| *found != expected) => {
            return Err(Problem::OtherSignature);
        }
        _ => {}
    }
    if !is_signed(&pe, image) {
        return Err(Problem::Unsigned);
    }
    Ok(())
}

/// The content of the one section with this name.
fn section<'data>(pe: &PeFile64<'data>, name: &'static str) -> Result<&'data [u8], Problem> {
    let all = pe.sections().filter(|found| found.name() == Ok(name));
    let mut all: Vec<_> = all.collect();
    match (all.pop(), all.len()) {
        (Some(only), 0) => only.data().map_err(Problem::NotPe),
        (last, before) => {
            let count = before + usize::from(last.is_some());
            Err(Problem::Section(name, count))
        }
    }
}

/// Whether the certificate table begins with a signature in PKCS#7.
fn is_signed(pe: &PeFile64<'_>, image: &[u8]) -> bool {
    let Some(table) = pe.data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY) else {
        return false;
    };
    // Of this table alone the address is an offset in the file.
    let (offset, length) = table.address_range();
    let bytes = (offset as usize).checked_add(length as usize);
    let table = bytes.and_then(|end| image.get(offset as usize..end));
    table.is_some_and(holds_signature)
}

/// Whether the first `WIN_CERTIFICATE` of a table is an Authenticode signature.
fn holds_signature(table: &[u8]) -> bool {
    let Some((head, rest)) = table.split_first_chunk::<8>() else {
        return false;
    };
    let [a, b, c, d, revision @ .., e, f] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let whole = length >= 8 && rest.len() >= length - 8;
    let kind = (u16::from_le_bytes(revision), u16::from_le_bytes([e, f]));
    whole
        && kind == AUTHENTICODE
        && signed_data(&rest[..length - 8]).is_some_and(|inner| inner.starts_with(&SIGNED_DATA))
}

/// The content of the SEQUENCE that some DER begins with, if all of it is there.
fn signed_data(der: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, content) = match *first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (digits, content) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let add =
                |sum: usize, digit: &u8| sum.checked_mul(256).map(|sum| sum + usize::from(*digit));
            (digits.iter().try_fold(0, add)?, content)
        }
    };
    (*tag == 0x30).then(|| content.get(..length))?
}
