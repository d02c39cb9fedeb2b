//! The root hash: what stands for a whole `/usr`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::guid::Guid;

/// The root of a verity tree, a SHA-256; as text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootHash(pub [u8; 32]);

impl RootHash {
    /// The GUID of the usr partition: the first half (UAPI.2, "Automatic verity setup").
    pub fn usr_guid(&self) -> Guid {
        self.halves().0
    }

    /// The GUID of the verity partition: the second half.
    pub fn verity_guid(&self) -> Guid {
        self.halves().1
    }

    fn halves(&self) -> (Guid, Guid) {
        let (mut first, mut second) = ([0; 16], [0; 16]);
        first.copy_from_slice(&self.0[..16]);
        second.copy_from_slice(&self.0[16..]);
        (Guid(first), Guid(second))
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RootHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(Error::ParseRootHash {
                text: text.to_owned(),
            }),
        }
    }
}

impl serde::Serialize for RootHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RootHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::RootHash;

    #[test]
    fn text_and_guids() {
        let text = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
        let hash: RootHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(
            hash.usr_guid().to_string(),
            "00112233-4455-6677-8899-aabbccddeeff"
        );
        assert_eq!(
            hash.verity_guid().to_string(),
            "01234567-89ab-cdef-fedc-ba9876543210"
        );
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{text}\""));
    }

    #[test]
    fn malformed() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            let error = text.parse::<RootHash>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is not a root hash: 64 hexadecimal digits are wanted")
            );
        }
    }
}
