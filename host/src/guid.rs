//! GUIDs of partitions and disks.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

/// A GUID; the bytes are in the order in which its text prints them.
///
/// A partition table stores the first three groups with their bytes reversed (UEFI 2.10, appendix A); `from_disk` and
/// `to_disk` do that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// A GUID that nobody else has (RFC 9562, version 4).
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|ring::error::Unspecified| Error::Random)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Self(bytes))
    }

    /// The GUID that a partition table stores as `bytes`.
    pub const fn from_disk(bytes: [u8; 16]) -> Self {
        Self(swapped(bytes))
    }

    /// The GUID as a partition table stores it.
    pub const fn to_disk(self) -> [u8; 16] {
        swapped(self.0)
    }
}

/// Reverses the first three groups; the same both ways.
const fn swapped(b: [u8; 16]) -> [u8; 16] {
    [
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ]
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0);
        let (a, rest) = text.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::ParseGuid {
            text: text.to_owned(),
        };
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return Err(malformed());
        }
        let mut bytes = [0; 16];
        match hex::decode_to_slice(groups.concat(), &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Guid;

    #[test]
    fn text_and_disk_order() {
        let guid: Guid = "8484680C-9521-48c6-9c11-b0720656f69e".parse().unwrap();
        assert_eq!(guid.to_string(), "8484680c-9521-48c6-9c11-b0720656f69e");
        let stored = [
            0x0c, 0x68, 0x84, 0x84, 0x21, 0x95, 0xc6, 0x48, 0x9c, 0x11, 0xb0, 0x72, 0x06, 0x56,
            0xf6, 0x9e,
        ];
        assert_eq!(guid.to_disk(), stored);
        assert_eq!(Guid::from_disk(stored), guid);
    }

    #[test]
    fn random_ones_are_version_4_and_differ() {
        let guids = [(); 8].map(|()| Guid::random().unwrap());
        for guid in guids {
            assert_eq!((guid.0[6] >> 4, guid.0[8] >> 6), (4, 2), "{guid}");
        }
        assert!(guids[1..].iter().all(|guid| *guid != guids[0]));
    }

    #[test]
    fn malformed() {
        for text in [
            "",
            "8484680c952148c69c11b0720656f69e",
            "8484680c-9521-48c6-9c11-b0720656f69",
            "8484680c-9521-48c6-9c11-b0720656f69g",
            "8484680c-9521-48c6-9c11b-0720656f69e",
            "{8484680c-9521-48c6-9c11-b0720656f69e}",
        ] {
            let error = text.parse::<Guid>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text:?} is not a GUID"));
        }
    }
}
