//! Signing what a release consists of: its EFI programs, and the root hash of its `/usr`.

use acl_host::signature::VeritySignature;
use acl_host::verity::RootHash;

use crate::keys::Pair;
use crate::{Error, authenticode, pkcs7};

/// Signs the boot loader or a UKI for Secure Boot; `db` is the key that the firmware's `db` knows.
///
/// # Errors
/// Those of [`authenticode::sign`].
pub fn program(unsigned: &[u8], db: &Pair) -> Result<Vec<u8>, Error> {
    authenticode::sign(unsigned, db)
}

/// Signs a root hash: a detached PKCS#7 signature of its hexadecimal text, as UAPI.2 and the kernel want it.
///
/// # Errors
/// [`Error::Sign`], [`Error::EncodeSignature`].
pub fn root_hash(root: RootHash, verity: &Pair) -> Result<VeritySignature, Error> {
    Ok(VeritySignature {
        root_hash: root,
        certificate_fingerprint: verity.fingerprint(),
        signature: pkcs7::detached(root.to_string().as_bytes(), verity)?,
    })
}
