//! The lock: exactly what a build was made of, so that it can be made again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::archive::package::Package;
use crate::archive::release::{self, Dated};
use crate::description::to_json;
use crate::recipe::{Named, Recipe};

const SCHEMA: u32 = 1;

/// The packages of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The form of this document: 1.
    pub schema: u32,
    /// What the recipe asked for.
    pub asked: Asked,
    /// When the index of each source was made; none in a lock of an earlier acl-image.
    #[serde(default)]
    pub dates: Vec<Dated>,
    /// The names of those packages that the recipe at the bottom of `extends` does not bring; nothing in a lock of an
    /// earlier acl-image.
    #[serde(default)]
    pub added: Option<Vec<String>>,
    /// Every package that is laid in, or omitted.
    pub packages: Vec<Package>,
    /// The packages that single files are taken from, in the recipe's order.
    pub takes: Vec<Package>,
    /// The packages of the tools tree.
    pub tools: Vec<Package>,
}

/// The part of a recipe that decides on packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Sources as `name suite component…`.
    pub sources: Vec<String>,
    /// The packages to lay in.
    pub packages: Vec<String>,
    /// Packages of which files are taken, as `source/name`.
    pub takes: Vec<String>,
    /// The packages of the tools tree.
    pub tools: Vec<String>,
}

impl Asked {
    /// What `recipe` asks for.
    pub fn of(recipe: &Recipe) -> Self {
        let sources = recipe.sources.iter();
        let takes = recipe.takes.iter();
        Self {
            sources: sources
                .map(|source| {
                    format!(
                        "{} {} {}",
                        source.name,
                        source.suite,
                        source.components.join(" ")
                    )
                })
                .collect(),
            packages: names(&recipe.packages.install),
            takes: takes
                .map(|take| format!("{}/{}", take.source, take.package.name))
                .collect(),
            tools: names(&recipe.tools.build),
        }
    }

    /// The first difference to what a lock was made for, in words.
    fn difference(&self, locked: &Self) -> Option<String> {
        let lists = [
            ("source", &self.sources, &locked.sources),
            ("package", &self.packages, &locked.packages),
            ("take", &self.takes, &locked.takes),
            ("tools package", &self.tools, &locked.tools),
        ];
        lists.into_iter().find_map(|(what, asked, locked)| {
            let added = asked.iter().find(|name| !locked.contains(name));
            let gone = locked.iter().find(|name| !asked.contains(name));
            let added = added
                .map(|name| format!("the {what} {name:?} is in the recipe and not in the lock"));
            added.or_else(|| {
                gone.map(|name| format!("the {what} {name:?} is in the lock and not in the recipe"))
            })
        })
    }
}

impl Lock {
    /// A lock of `recipe` that names nothing yet.
    pub fn empty(recipe: &Recipe) -> Self {
        Self {
            schema: SCHEMA,
            asked: Asked::of(recipe),
            dates: Vec::new(),
            added: None,
            packages: Vec::new(),
            takes: Vec::new(),
            tools: Vec::new(),
        }
    }

    /// Reads a lock that was made for `recipe`.
    ///
    /// # Errors
    /// [`Error::ReadLock`]; [`Error::ParseLock`] for what is no lock; [`Error::LockMismatch`] if the recipe asks for something else.
    pub fn read(path: &Path, recipe: &Recipe) -> Result<Self, Error> {
        let lock = Self::parse(path)?;
        let difference = match lock.schema {
            SCHEMA => Asked::of(recipe).difference(&lock.asked),
            other => Some(format!(
                "it has the schema {other}, and this version of acl-image reads {SCHEMA}"
            )),
        };
        match difference {
            None => Ok(lock),
            Some(reason) => Err(Error::LockMismatch {
                lock: path.to_owned(),
                recipe: recipe.file.clone(),
                reason,
            }),
        }
    }

    /// Refuses a source whose index is older than the one that the lock at `path`, of an earlier build, was made of.
    /// `own` is the file of this lock, where it is from one.
    ///
    /// Returns those sources whose index was not compared, since the earlier build had none of that name and suite.
    ///
    /// # Errors
    /// [`Error::OlderArchive`]; [`Error::NoDates`] for a lock of before there were dates, this one or the earlier one;
    /// [`Error::ReadLock`]; [`Error::ParseLock`] for what is no lock.
    pub fn not_older_than(&self, own: Option<&Path>, path: &Path) -> Result<Vec<Dated>, Error> {
        let earlier = Self::parse(path)?;
        for (lock, file) in [(self, own.unwrap_or(path)), (&earlier, path)] {
            if lock.dates.is_empty() && !lock.asked.sources.is_empty() {
                return Err(Error::NoDates {
                    lock: file.to_owned(),
                });
            }
        }
        match release::older(&self.dates, &earlier.dates) {
            None => {
                let unknown = release::without_earlier(&self.dates, &earlier.dates);
                Ok(unknown.into_iter().cloned().collect())
            }
            Some((found, least)) => Err(Error::OlderArchive {
                archive: format!("{} ({})", found.source, found.suite),
                found: found.date,
                least: least.date,
                lock: path.to_owned(),
            }),
        }
    }

    fn parse(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadLock {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| Error::ParseLock {
            path: path.to_owned(),
            source,
        })
    }

    /// The lock as a file: the same bytes for the same packages of the same indexes, whose dates it has.
    ///
    /// # Errors
    /// [`Error::WriteDocument`], which would be a bug.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        to_json(self)
    }

    /// Everything that has to be fetched.
    pub fn all(&self) -> Vec<Package> {
        [self.packages.as_slice(), &self.takes, &self.tools].concat()
    }
}

fn names(list: &[Named]) -> Vec<String> {
    list.iter().map(|named| named.name.clone()).collect()
}
