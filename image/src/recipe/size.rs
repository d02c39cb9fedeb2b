//! Sizes as recipes write them: `"512 MiB"`, `"2 GiB"`.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A size in bytes, a whole number of MiB and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

impl Size {
    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a number and a unit, `MiB` (or `M`) or `GiB` (or `G`), with or without a space between.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim_start() {
            "MiB" | "M" => MIB,
            "GiB" | "G" => 1024 * MIB,
            _ => return None,
        };
        let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
        (bytes > 0).then_some(Self(bytes))
    }
}

/// For people: whole MiB, rounded up.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(MIB))
    }
}

impl From<u64> for Size {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a size: write a whole number of MiB or GiB, such as \"512 MiB\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes() {
        let cases = [
            ("512 MiB", Some(512 << 20)),
            ("512M", Some(512 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("2G", Some(2 << 30)),
            ("0 MiB", None),
            ("2", None),
            ("2 GB", None),
            ("-2 GiB", None),
            ("1.5 GiB", None),
            ("99999999999999 GiB", None),
            ("", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(Size::parse(text).map(Size::bytes), bytes, "{text}");
        }
    }
}
