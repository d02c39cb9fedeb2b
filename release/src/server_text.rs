//! Text that a server decides, made fit for messages: bounded, and without control characters.
//!
//! A message goes to terminals, the journal, D-Bus and a state file. Every error that carries words of a server holds
//! them as [`ServerText`], so that they are cut in this one place.

use std::fmt;

/// The longest text, in bytes.
pub const LONGEST: usize = 200;

/// Ends a text that was cut.
const CUT: char = '…';

/// At most [`LONGEST`] bytes of what a server sent. Control characters and those that change the direction or the line
/// are written as `\u{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerText(String);

impl ServerText {
    /// Cuts and escapes a text.
    pub fn new(text: &str) -> Self {
        Self(cut(text, LONGEST))
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// As the cause of an error that the text explains.
impl std::error::Error for ServerText {}

impl From<&str> for ServerText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<serde_json::Error> for ServerText {
    /// serde's messages quote what they do not understand; the place behind the quote is kept.
    fn from(error: serde_json::Error) -> Self {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        match message.strip_suffix(&place) {
            Some(head) => Self(cut(head, LONGEST.saturating_sub(place.len())) + &place),
            None => Self::new(&message),
        }
    }
}

impl From<reqwest::Error> for ServerText {
    /// With its causes: that of TLS quotes the names in the server's certificate.
    fn from(error: reqwest::Error) -> Self {
        Self::new(&acl_host::error::chain(&error))
    }
}

impl From<tough::schema::Error> for ServerText {
    fn from(error: tough::schema::Error) -> Self {
        Self::new(&error.to_string())
    }
}

/// At most `limit` bytes.
fn cut(text: &str, limit: usize) -> String {
    let (mut shown, mut fits) = (String::new(), 0);
    for character in text.chars() {
        if is_plain(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
        if shown.len() > limit {
            shown.truncate(fits);
            shown.push(CUT);
            return shown;
        }
        if shown.len() + CUT.len_utf8() <= limit {
            fits = shown.len();
        }
    }
    shown
}

/// Whether a character leaves a terminal, and the order of what is around it, as they are.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_200_bytes_between_characters() {
        let long = "a".repeat(200);
        assert_eq!(ServerText::new(&long).0, long);
        let cut = ServerText::new(&"a".repeat(201));
        assert_eq!(cut.to_string(), format!("{}…", "a".repeat(197)));
        // Four bytes each: 49 of them and the mark are 199.
        assert_eq!(ServerText::new(&"𝄞".repeat(1000)).0.len(), 199);
        assert_eq!(ServerText::new("").0, "");
    }

    #[test]
    fn control_characters_are_escaped_before_the_text_is_cut() {
        let text = ServerText::new("a\n\x1b[31m\u{80}\u{202e}\u{2028}\0b");
        assert_eq!(text.0, r"a\u{a}\u{1b}[31m\u{80}\u{202e}\u{2028}\u{0}b");
        let many = ServerText::new(&"\u{80}".repeat(8 << 20));
        assert_eq!(many.0, format!("{}…", r"\u{80}".repeat(32)));
    }

    #[test]
    fn a_parsers_message_keeps_its_place() {
        let json = format!("\n{{\"a\":\"{}\"}}", "x".repeat(100_000));
        let error = serde_json::from_str::<std::collections::BTreeMap<String, u32>>(&json);
        let text = ServerText::from(error.unwrap_err());
        assert_eq!(text.0.len(), LONGEST);
        assert!(text.0.starts_with("invalid type: string \"xxx"));
        assert!(text.0.ends_with("x… at line 2 column 100007"), "{text}");
    }
}
