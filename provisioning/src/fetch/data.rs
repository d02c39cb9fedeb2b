//! `data:` URLs (RFC 2397), as strict as Ignition's: what is accepted here is accepted there.
//!
//! The media type and parameters are checked for their form and otherwise ignored; one thing is let through that
//! Ignition refuses, media types of another kind than those of RFC 2045 (`font/woff`).

use base64::DecodeError;
use base64::alphabet;
use base64::engine::{Engine, GeneralPurpose, GeneralPurposeConfig};

use super::source::short;
use crate::{Error, Result};

/// What is decoded at a time; whole groups of base64.
const PIECE: usize = 64 << 10;

/// Padding is needed; unused bits in the last group may be anything, as in Go.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A `data:` URL of good form.
#[derive(Debug)]
pub(super) struct DataUrl<'a> {
    text: &'a str,
    /// Where its data begins.
    start: usize,
    base64: bool,
}

impl<'a> DataUrl<'a> {
    /// Reads what comes before the data. `text` begins with `data:`.
    ///
    /// # Errors
    /// [`Error::DataUrl`] with the place of the first byte that does not fit.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let mut head = Head { text, at: 5 };
        if !matches!(head.next(), None | Some(b';' | b',')) {
            head.token("a media type is expected")?;
            head.expect(b'/', "the media type needs a slash")?;
            // An empty subtype is accepted by Ignition.
            head.skip_token();
        }
        let mut base64 = false;
        while head.next() == Some(b';') && !base64 {
            head.at += 1;
            base64 = head.parameter()?;
        }
        head.expect(b',', "a comma is expected before the data")?;
        Ok(Self {
            text,
            start: head.at,
            base64,
        })
    }

    /// Hands the decoded data on, piece by piece.
    ///
    /// # Errors
    /// [`Error::DataUrl`], and those of `take`.
    pub(super) fn write_to(&self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let payload = self.text.as_bytes().get(self.start..).unwrap_or_default();
        if self.base64 {
            self.write_base64(payload, take)
        } else {
            self.write_percent(payload, take)
        }
    }

    fn write_base64(
        &self,
        payload: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut start = self.start;
        let mut plain = Vec::with_capacity(PIECE);
        let last = payload.len().div_ceil(PIECE).saturating_sub(1);
        for (number, piece) in payload.chunks(PIECE).enumerate() {
            let early = piece.iter().position(|byte| *byte == b'=');
            if let Some(at) = early.filter(|_| number < last) {
                return Err(self.refuse(start + at, "the padding is not at the end"));
            }
            plain.clear();
            BASE64
                .decode_vec(piece, &mut plain)
                .map_err(|error| self.not_base64(start, piece, error))?;
            take(&plain)?;
            start += piece.len();
        }
        Ok(())
    }

    fn not_base64(&self, start: usize, piece: &[u8], error: DecodeError) -> Error {
        let (at, problem) = match error {
            DecodeError::InvalidByte(at, b'=') => (at, "the padding is not at the end"),
            DecodeError::InvalidByte(at, _) => (at, "there is a character that is not base64"),
            DecodeError::InvalidLastSymbol(at, _) => (at, "the last character is wrong"),
            DecodeError::InvalidLength(_) => (piece.len(), "the base64 data is cut off"),
            DecodeError::InvalidPadding => (piece.len(), "the padding is missing or wrong"),
        };
        self.refuse(start + at, problem)
    }

    fn write_percent(
        &self,
        payload: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut plain = Vec::with_capacity(PIECE.min(payload.len()));
        let mut at = 0;
        while let Some(&byte) = payload.get(at) {
            let place = self.start + at;
            match byte {
                b'%' => {
                    let digits = payload.get(at + 1..at + 3).unwrap_or_default();
                    let mut decoded = [0];
                    if hex::decode_to_slice(digits, &mut decoded).is_err() {
                        let problem = "a percent sign needs two hexadecimal digits";
                        return Err(self.refuse(place, problem));
                    }
                    plain.extend(decoded);
                    at += 3;
                }
                byte if is_url_byte(byte) => {
                    plain.push(byte);
                    at += 1;
                }
                _ => {
                    let problem = "there is a character that must be written with a percent sign";
                    return Err(self.refuse(place, problem));
                }
            }
            if plain.len() == PIECE {
                take(&plain)?;
                plain.clear();
            }
        }
        take(&plain)
    }

    fn refuse(&self, at: usize, problem: &str) -> Error {
        refuse(self.text, at, problem)
    }
}

/// What comes before the data, read from left to right.
struct Head<'a> {
    text: &'a str,
    at: usize,
}

impl Head<'_> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, problem: &str) -> Result<()> {
        if self.next() != Some(byte) {
            return Err(refuse(self.text, self.at, problem));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_token(&mut self) {
        while self.next().is_some_and(is_token_byte) {
            self.at += 1;
        }
    }

    /// A token of at least one character; returns where it began.
    fn token(&mut self, problem: &str) -> Result<usize> {
        let start = self.at;
        self.skip_token();
        if self.at == start {
            return Err(refuse(self.text, start, problem));
        }
        Ok(start)
    }

    /// A parameter after its semicolon; whether it is `base64`, which comes last and is not a parameter.
    fn parameter(&mut self) -> Result<bool> {
        let start = self.token("a parameter is expected")?;
        let base64 = self.text.get(start..self.at) == Some("base64");
        if base64 && self.next() == Some(b',') {
            return Ok(true);
        }
        self.expect(
            b'=',
            "a parameter needs a value, and only base64 comes without",
        )?;
        if self.next() == Some(b'"') {
            self.quoted()?;
        } else {
            self.token("the value of a parameter is expected")?;
        }
        Ok(false)
    }

    fn quoted(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(byte) if byte.is_ascii() && !byte.is_ascii_control() => self.at += 1,
                _ => return Err(refuse(self.text, start, "the quoted value does not end")),
            }
        }
        self.at += 1;
        Ok(())
    }
}

fn refuse(text: &str, at: usize, problem: &str) -> Error {
    Error::DataUrl {
        url: short(text),
        at,
        problem: problem.to_owned(),
    }
}

/// A token of RFC 2045.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// What may stand in a URL as it is; more than RFC 2396 has, the same as Ignition.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>#\"{}|\\^[]`".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Vec<u8>, (usize, String)> {
        let mut found = Vec::new();
        let decoded = DataUrl::parse(text).and_then(|url| {
            url.write_to(&mut |bytes| {
                found.extend_from_slice(bytes);
                Ok(())
            })
        });
        match decoded {
            Ok(()) => Ok(found),
            Err(Error::DataUrl { at, problem, .. }) => Err((at, problem)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn good_ones() {
        let cases: [(&str, &[u8]); 26] = [
            ("data:,", b""),
            ("data:;base64,", b""),
            ("data:,hello", b"hello"),
            ("DATA:,hello", b"hello"),
            ("data:,a%20b%0a", b"a b\n"),
            ("data:,%C3%A9%c3%a9", "éé".as_bytes()),
            ("data:,%00%ff", b"\x00\xff"),
            ("data:,a+b", b"a+b"),
            ("data:,a,b,c", b"a,b,c"),
            (
                "data:,a;b=c?d&e=f/g:h@i!j$k'l(m)n*o~p-q_r.s",
                b"a;b=c?d&e=f/g:h@i!j$k'l(m)n*o~p-q_r.s",
            ),
            ("data:text/plain,x", b"x"),
            ("data:text/,x", b"x"),
            ("data:font/woff,x", b"x"),
            ("data:x-ours/y+z.v1,x", b"x"),
            ("data:text/plain;charset=utf-8,x", b"x"),
            ("data:;charset=utf-8,x", b"x"),
            ("data:;charset=\"a,b;c\\\"d\",x", b"x"),
            ("data:;a=b;c=%20,x", b"x"),
            ("data:;base64=1,aGk=", b"aGk="),
            ("data:;base64,aGk=", b"hi"),
            ("data:;base64,aGk", b""),
            ("data:;base64,aGl=", b"hi"),
            ("data:;base64,+/+/", b"\xfb\xff\xbf"),
            ("data:text/plain;charset=utf-8;base64,aGVsbG8K", b"hello\n"),
            ("data:application/octet-stream;base64,AA==", b"\x00"),
            ("data:;base64,AAAA", b"\x00\x00\x00"),
        ];
        for (text, bytes) in cases {
            let expected = match text {
                "data:;base64,aGk" => Err((16, "the padding is missing or wrong".to_owned())),
                _ => Ok(bytes.to_owned()),
            };
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn bad_ones_with_their_place() {
        let comma = "a comma is expected before the data";
        let slash = "the media type needs a slash";
        let value = "a parameter needs a value, and only base64 comes without";
        let percent = "a percent sign needs two hexadecimal digits";
        let escape = "there is a character that must be written with a percent sign";
        let symbol = "there is a character that is not base64";
        for (text, at, problem) in [
            ("data:", 5, comma),
            ("data:text", 9, slash),
            ("data:text,x", 9, slash),
            ("data:/plain,x", 5, "a media type is expected"),
            ("data:text/plain", 15, comma),
            ("data:text/plain/more,x", 15, comma),
            ("data: ,x", 5, "a media type is expected"),
            ("data:;,x", 6, "a parameter is expected"),
            ("data:;=b,x", 6, "a parameter is expected"),
            ("data:;a=,x", 8, "the value of a parameter is expected"),
            ("data:;foo,x", 9, value),
            ("data:;BASE64,aGk=", 12, value),
            ("data:;base64;a=b,aGk=", 12, value),
            ("data:;base64", 12, value),
            ("data:;a=\"b,x", 8, "the quoted value does not end"),
            ("data:;a=\"b\\\",x", 8, "the quoted value does not end"),
            ("data:;a=\"b\"c,x", 11, comma),
            // Go's `url.Parse` refuses control characters.
            ("data:;a=\"b\n\",x", 8, "the quoted value does not end"),
            ("data:,%", 6, percent),
            ("data:,ab%2", 8, percent),
            ("data:,%zz", 6, percent),
            ("data:,%+1", 6, percent),
            ("data:,a b", 7, escape),
            ("data:,a\nb", 7, escape),
            ("data:,{\"a\":1}", 6, escape),
            ("data:,a#b", 7, escape),
            ("data:,é", 6, escape),
            ("data:;base64,a-_b", 14, symbol),
            ("data:;base64,aGk%3D", 16, symbol),
            ("data:;base64,aG k=", 15, symbol),
            ("data:;base64,aGk=\n", 17, symbol),
            ("data:;base64,a", 14, "the base64 data is cut off"),
            ("data:;base64,aa=a", 15, "the padding is not at the end"),
            ("data:;base64,aa==aaaa", 15, "the padding is not at the end"),
            ("data:;base64,é", 13, symbol),
        ] {
            assert_eq!(decode(text), Err((at, problem.to_owned())), "{text}");
        }
    }

    #[test]
    fn long_ones_are_decoded_in_pieces() {
        let bytes: Vec<u8> = (0..200_000u32)
            .map(|n| n.wrapping_mul(2_654_435_761) as u8)
            .collect();
        let mut text = format!("data:;base64,{}", BASE64.encode(&bytes));
        assert!(decode(&text).unwrap() == bytes);
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        assert!(decode(&format!("data:,{escaped}")).unwrap() == bytes);
        // The end of the second piece.
        let at = 13 + 2 * PIECE - 1;
        text.replace_range(at..=at, "=");
        let problem = "the padding is not at the end".to_owned();
        assert_eq!(decode(&text), Err((at, problem)));
    }
}
