//! The digest that a resource must have (`verification.hash`).

use ring::digest::{Algorithm, Digest, SHA256, SHA512};

use crate::{Error, Result};

/// The digest that is expected.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    name: &'static str,
    algorithm: &'static Algorithm,
    digest: Vec<u8>,
}

impl Expected {
    /// Reads `sha256-<hex>` or `sha512-<hex>`.
    pub(super) fn parse(hash: &str, url: &str) -> Result<Self> {
        let refuse = |problem| Error::Hash {
            url: url.to_owned(),
            hash: hash.to_owned(),
            problem,
        };
        let (name, digest) = hash
            .split_once('-')
            .ok_or_else(|| refuse("names no function"))?;
        let (name, algorithm) = match name {
            "sha256" => ("SHA-256", &SHA256),
            "sha512" => ("SHA-512", &SHA512),
            _ => return Err(refuse("is of a function that is not known")),
        };
        let digest = hex::decode(digest).map_err(|_odd| refuse("is not hexadecimal"))?;
        if digest.len() != algorithm.output_len() {
            return Err(refuse("is not of the length of its function"));
        }
        Ok(Self {
            name,
            algorithm,
            digest,
        })
    }

    pub(super) fn algorithm(&self) -> &'static Algorithm {
        self.algorithm
    }

    /// Compares with what was found.
    pub(super) fn check(&self, found: &Digest, url: &str) -> Result<()> {
        if found.as_ref() == self.digest {
            return Ok(());
        }
        Err(Error::Verify {
            url: url.to_owned(),
            algorithm: self.name,
            found: hex::encode(found),
            expected: hex::encode(&self.digest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_are_refused() {
        let short = "0".repeat(63);
        for (hash, problem) in [
            ("".to_owned(), "names no function"),
            ("sha256".to_owned(), "names no function"),
            (format!("md5-{short}"), "is of a function that is not known"),
            (
                format!("SHA256-{short}0"),
                "is of a function that is not known",
            ),
            (format!("sha256-{short}"), "is not hexadecimal"),
            (format!("sha256-{short}x"), "is not hexadecimal"),
            (
                format!("sha256-{short}000"),
                "is not of the length of its function",
            ),
            (
                format!("sha512-{short}0"),
                "is not of the length of its function",
            ),
            ("sha256-".to_owned(), "is not of the length of its function"),
        ] {
            let told = Expected::parse(&hash, "data:").unwrap_err().to_string();
            let expected = format!(
                "cannot fetch data:: its verification hash '{hash}' {problem}; write sha256- or sha512- and the digest in hexadecimal"
            );
            assert_eq!(told, expected);
        }
    }
}
