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

    /// Every package of a build, and the dates of the archives that they come from.
    ///
    /// # Errors
    /// Those of [`Apt`], and [`Error::UselessOmission`].
    pub fn lock(&self) -> Result<Lock, Error> {
        let recipe = self.recipe;
        let apt = self.apt(&recipe.packages.from)?;
        let mut lock = Lock::empty(recipe);
        lock.packages = apt.resolve(&recipe.packages.install)?;
        lock.added = Some(self.added(&apt, &lock.packages)?);
        lock.dates = apt.dates()?;
        // Its directory may be asked for again below.
        drop(apt);
        self.refuse_useless_omissions(&lock.packages)?;
        for take in &recipe.takes {
            let apt = self.apt(std::slice::from_ref(&take.source))?;
            lock.takes.push(apt.single(&take.package)?);
            lock.dates.extend(apt.dates()?);
        }
        if !recipe.tools.build.is_empty() {
            let apt = self.apt(&recipe.tools.from)?;
            lock.tools = apt.resolve(&recipe.tools.build)?;
            lock.dates.extend(apt.dates()?);
        }
        lock.dates.sort_by(|a, b| a.source.cmp(&b.source));
        lock.dates.dedup();
        Ok(lock)
    }

    /// Which of `packages` come by what variants install beyond the recipe that they extend.
    fn added(&self, apt: &Apt, packages: &[Package]) -> Result<Vec<String>, Error> {
        let install = self.recipe.packages.install.iter();
        let of_base = install.filter(|package| package.place.file == self.recipe.base);
        let of_base: Vec<Named> = of_base.cloned().collect();
        // A recipe that stands alone knows its packages.
        if of_base.is_empty() || of_base.len() == self.recipe.packages.install.len() {
            return Ok(Vec::new());
        }
        let brought = apt.resolve(&of_base)?;
        let is_new = |package: &&Package| brought.iter().all(|base| base.name != package.name);
        let added = packages.iter().filter(is_new);
        Ok(added.map(|package| package.name.clone()).collect())
    }

    fn refuse_useless_omissions(&self, packages: &[Package]) -> Result<(), Error> {
        for omission in &self.recipe.packages.omit {
            let name = &omission.package.name;
            if !packages.iter().any(|package| package.name == *name) {
                return Err(Error::UselessOmission {
                    package: name.clone(),
                    place: omission.package.place.clone(),
                });
            }
        }
        Ok(())
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
