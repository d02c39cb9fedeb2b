//! The signature of a root hash, as a verity signature partition holds it.
//!
//! UAPI.2, "Verity signature": a JSON object, padded with NUL bytes to the end of the partition.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::verity::RootHash;

/// A signed root hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VeritySignature {
    /// What is signed.
    pub root_hash: RootHash,
    /// The SHA-256 of the signer's certificate in DER.
    pub certificate_fingerprint: [u8; 32],
    /// The detached PKCS#7 signature over the root hash as text, in DER.
    pub signature: Vec<u8>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    root_hash: String,
    certificate_fingerprint: String,
    signature: String,
}

impl VeritySignature {
    /// Reads the content of a signature partition or file; NUL bytes at its end are padding.
    ///
    /// # Errors
    /// [`Error::ParseSignature`], [`Error::SignatureField`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes.iter().rposition(|byte| *byte != 0);
        let text = &bytes[..end.map_or(0, |end| end + 1)];
        let written: Written =
            serde_json::from_slice(text).map_err(|source| Error::ParseSignature { source })?;
        let field = |field| move || Error::SignatureField { field };
        let mut certificate_fingerprint = [0; 32];
        hex::decode_to_slice(
            &written.certificate_fingerprint,
            &mut certificate_fingerprint,
        )
        .ok()
        .ok_or_else(field("certificateFingerprint"))?;
        Ok(Self {
            root_hash: written
                .root_hash
                .parse()
                .ok()
                .ok_or_else(field("rootHash"))?,
            certificate_fingerprint,
            signature: STANDARD
                .decode(&written.signature)
                .ok()
                .ok_or_else(field("signature"))?,
        })
    }

    /// The JSON object, without padding.
    pub fn to_json(&self) -> String {
        // Each value is of hexadecimal or base64 digits, so nothing needs to be escaped.
        format!(
            r#"{{"rootHash":"{}","certificateFingerprint":"{}","signature":"{}"}}"#,
            self.root_hash,
            hex::encode(self.certificate_fingerprint),
            self.signature_base64()
        )
    }

    /// The signature as the kernel command line takes it: `root-hash-signature=base64:…` (crypttab(5)).
    pub fn signature_base64(&self) -> String {
        STANDARD.encode(&self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::VeritySignature;
    use crate::verity::RootHash;

    fn signature() -> VeritySignature {
        VeritySignature {
            root_hash: RootHash([0xab; 32]),
            certificate_fingerprint: [0x01; 32],
            signature: vec![0x30, 0x82, 0xff],
        }
    }

    #[test]
    fn round_trip_with_padding() {
        let json = signature().to_json();
        let expected = format!(
            r#"{{"rootHash":"{}","certificateFingerprint":"{}","signature":"MIL/"}}"#,
            "ab".repeat(32),
            "01".repeat(32)
        );
        assert_eq!(json, expected);
        let mut padded = json.into_bytes();
        padded.resize(16384, 0);
        assert_eq!(VeritySignature::parse(&padded).unwrap(), signature());
    }

    #[test]
    fn malformed() {
        let good = signature().to_json();
        for (from, to, message) in [
            (
                "abab",
                "xyxy",
                "the field rootHash of the verity signature is malformed",
            ),
            (
                "0101",
                "01",
                "the field certificateFingerprint of the verity signature is malformed",
            ),
            (
                "MIL/",
                "M",
                "the field signature of the verity signature is malformed",
            ),
            (
                "{",
                "",
                "the verity signature is not valid JSON of the form of UAPI.2",
            ),
            (
                "rootHash",
                "root",
                "the verity signature is not valid JSON of the form of UAPI.2",
            ),
        ] {
            let bad = good.replacen(from, to, 1);
            let error = VeritySignature::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        for empty in [vec![0; 64], Vec::new()] {
            let error = VeritySignature::parse(&empty).unwrap_err();
            assert_eq!(
                crate::error::chain(&error),
                "the verity signature is not valid JSON of the form of UAPI.2: EOF while parsing a value at line 1 column 0"
            );
        }
    }
}
