//! From what a recipe asks for to exact packages.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;
use crate::archive::apt::Apt;
use crate::archive::mirror::HostMirrors;
use crate::archive::package::Package;
use crate::digest;
use crate::lock::Lock;
use crate::recipe::{Named, Recipe, Source};

/// The URL of each source's archive, by the source's name.
#[derive(Debug, Clone)]
pub struct Mirrors(BTreeMap<String, String>);

impl Mirrors {
    /// Those that the recipe names, and for the others the build host's own.
    ///
    /// # Errors
    /// [`Error::NoMirror`] if neither names one.
    pub fn find(recipe: &Recipe, host: &HostMirrors) -> Result<Self, Error> {
        let mirrors = recipe.sources.iter().map(|source| {
            let mirror = source
                .mirror
                .as_deref()
                .or_else(|| host.mirror(&source.suite));
            let mirror = mirror.ok_or_else(|| Error::NoMirror {
                source_name: source.name.clone(),
            })?;
            Ok((source.name.clone(), mirror.to_owned()))
        });
        Ok(Self(mirrors.collect::<Result<_, Error>>()?))
    }

    /// The URL of the source `name`.
    pub fn of(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// Archives as they are now, below one directory that keeps their indexes.
#[derive(Debug)]
pub struct Resolver<'a> {
    recipe: &'a Recipe,
    mirrors: &'a Mirrors,
    directory: &'a Path,
}

impl<'a> Resolver<'a> {
    /// A resolver that keeps indexes in `directory`.
    pub fn new(recipe: &'a Recipe, mirrors: &'a Mirrors, directory: &'a Path) -> Self {
        Self {
            recipe,
            mirrors,
            directory,
        }
    }

    /// Every package of a build.
    ///
    /// # Errors
    /// Those of [`Apt`], and [`Error::UselessOmission`].
    pub fn lock(&self) -> Result<Lock, Error> {
        let recipe = self.recipe;
        let packages = self
            .apt(&recipe.packages.from)?
            .resolve(&recipe.packages.install)?;
        for omission in &recipe.packages.omit {
            let name = &omission.package.name;
            if !packages.iter().any(|package| package.name == *name) {
                return Err(Error::UselessOmission {
                    package: name.clone(),
                    place: omission.package.place.clone(),
                });
            }
        }
        let takes = recipe.takes.iter();
        let takes = takes.map(|take| {
            self.apt(std::slice::from_ref(&take.source))?
                .single(&take.package)
        });
        let takes = takes.collect::<Result<_, _>>()?;
        let tools = self.tools(&recipe.tools.build)?;
        Ok(Lock::new(recipe, packages, takes, tools))
    }

    /// Packages of a tools tree.
    ///
    /// # Errors
    /// Those of [`Apt`].
    pub fn tools(&self, packages: &[Named]) -> Result<Vec<Package>, Error> {
        match packages {
            [] => Ok(Vec::new()),
            packages => self.apt(&self.recipe.tools.from)?.resolve(packages),
        }
    }

    fn apt(&self, names: &[String]) -> Result<Apt, Error> {
        let sources: Vec<(Source, String)> = self
            .recipe
            .sources
            .iter()
            .filter(|source| names.contains(&source.name))
            .filter_map(|source| Some((source.clone(), self.mirrors.of(&source.name)?)))
            .collect();
        let key = digest::sha256(format!("{sources:?}").as_bytes());
        Apt::update(&self.directory.join(&key[..16]), sources)
    }
}
