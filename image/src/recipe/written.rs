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
    pub(super) extends: Option<PathBuf>,
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
                place: Place::of(path, &text, offset),
                reason: error.message().to_owned(),
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
        Place::of(&self.path, &self.text, value.span().start)
    }
}
