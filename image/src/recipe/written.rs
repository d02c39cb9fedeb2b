//! A recipe as one TOML file holds it; every key that may stand there is here, and none is required but where a
//! thing without it would mean nothing.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Encryption, Place, Size};
use crate::Error;

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    pub(super) schema: u32,
    pub(super) extends: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) image: Image,
    #[serde(default, rename = "source")]
    pub(super) sources: Vec<Source>,
    #[serde(default)]
    pub(super) packages: Packages,
    #[serde(default, rename = "take")]
    pub(super) takes: Vec<Take>,
    #[serde(default, rename = "remove")]
    pub(super) removals: Vec<Removal>,
    #[serde(default, rename = "tree")]
    pub(super) layers: Vec<Layer>,
    #[serde(default, rename = "program")]
    pub(super) programs: Vec<Program>,
    #[serde(default, rename = "container")]
    pub(super) containers: Vec<Container>,
    #[serde(default)]
    pub(super) kernel: Kernel,
    #[serde(default)]
    pub(super) initrd: Initrd,
    #[serde(default)]
    pub(super) tools: Tools,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub(super) id: Option<String>,
    pub(super) esp: Option<Size>,
    pub(super) usr: Option<Size>,
    pub(super) verity: Option<Size>,
    pub(super) signature: Option<Size>,
    pub(super) root: Option<Size>,
    pub(super) encrypt_root: Option<Encryption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) suite: String,
    pub(super) components: Vec<String>,
    pub(super) keyring: Option<PathBuf>,
    pub(super) mirror: Option<String>,
    pub(super) accept_expired: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Packages {
    #[serde(default)]
    pub(super) from: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) install: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) omit: Vec<Omission>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Omission {
    pub(super) name: Spanned<String>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    pub(super) source: Spanned<String>,
    pub(super) package: Spanned<String>,
    pub(super) files: Vec<Spanned<String>>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    pub(super) pattern: Spanned<String>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) path: Spanned<PathBuf>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Container {
    pub(super) reference: Spanned<String>,
    pub(super) program: Spanned<String>,
    pub(super) entrypoint: Spanned<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    #[serde(default)]
    pub(super) command_line: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Initrd {
    #[serde(default)]
    pub(super) files: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) programs: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) units: Vec<String>,
    #[serde(default)]
    pub(super) modules: Vec<String>,
    #[serde(default, rename = "tree")]
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    #[serde(default)]
    pub(super) from: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) build: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) test: Vec<Spanned<String>>,
}

/// A recipe as written, with what is needed to point into it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) recipe: Recipe,
}

impl File {
    /// Parses the content of the file `path`.
    pub(super) fn parse(path: &Path, text: String) -> Result<Self, Error> {
        let recipe: Recipe = toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            Error::ParseRecipe {
                place: Place::of(path, text.as_bytes(), offset),
                reason: plain(error.message()),
                snippet: snippet(&error.to_string()),
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            text,
            recipe,
        })
    }

    /// Where a value stands.
    pub(super) fn place<T>(&self, value: &Spanned<T>) -> Place {
        Place::of(&self.path, self.text.as_bytes(), value.span().start)
    }
}

/// What serde says, in the words of a recipe's author.
fn plain(message: &str) -> String {
    let between = |start: &str, end: &str| message.strip_prefix(start)?.split_once(end);
    if let Some((key, known)) = between("unknown field ", ", expected ") {
        let known = known.trim_start_matches("one of ").replace(" or ", ", ");
        return format!("there is no key {key} here; there are {known}");
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing here");
    }
    if let Some((found, wanted)) = between("invalid type: ", ", expected ") {
        return format!("this is {}; it must be {}", kind(found), kind(wanted));
    }
    message.to_owned()
}

/// What serde calls a value, in TOML's words: "sequence" is "a list", "integer `1`" is "the integer `1`".
fn kind(words: &str) -> String {
    match words.trim_start_matches("a ") {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        value if value != words => words.to_owned(),
        value if value.contains(' ') && !value.starts_with("an ") => format!("the {value}"),
        value => value.to_owned(),
    }
}

/// The line in question with a mark below it, out of an error that the TOML parser displays; each line begins with a
/// line break.
fn snippet(displayed: &str) -> String {
    let lines = displayed.lines().filter(|line| {
        let before = line.split_once('|').map(|(before, _)| before.trim());
        before.is_some_and(|before| before.bytes().all(|byte| byte.is_ascii_digit()))
    });
    // The first one is empty.
    lines
        .skip(1)
        .fold(String::new(), |all, line| all + "\n" + line)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_serde_says_in_plain_words() {
        let cases = [
            (
                "unknown field `instal`, expected one of `from`, `install`, `omit`",
                "there is no key `instal` here; there are `from`, `install`, `omit`",
            ),
            (
                "unknown field `a`, expected `b` or `c`",
                "there is no key `a` here; there are `b`, `c`",
            ),
            ("missing field `schema`", "the key `schema` is missing here"),
            (
                "invalid type: integer `1`, expected a string",
                "this is the integer `1`; it must be a string",
            ),
            (
                "invalid type: sequence, expected a string",
                "this is a list; it must be a string",
            ),
            (
                "invalid type: string \"a\", expected a sequence",
                "this is the string \"a\"; it must be a list",
            ),
            ("duplicate key", "duplicate key"),
        ];
        for (message, words) in cases {
            assert_eq!(plain(message), words);
        }
    }
}
