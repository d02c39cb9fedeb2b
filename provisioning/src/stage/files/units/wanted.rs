//! Which links enable a unit, from what its `[Install]` says: decided here, made by [`super::enable`].

use std::path::PathBuf;

use super::install::Install;
use super::name::Name;
use super::search::Unit;

/// Kinds of units that can have other names.
const ALIASED: [&str; 6] = ["device", "path", "service", "socket", "target", "timer"];

/// What is to be made, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Links to the unit's file, below the directory of units.
    pub(super) links: Vec<Link>,
    /// Units that are to be enabled too.
    pub(super) also: Vec<String>,
    /// Words that name nothing that can be made, and why.
    pub(super) refused: Vec<(String, &'static str)>,
}

/// One link.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) path: PathBuf,
    /// Whether it takes the place of another link: a dependency is this unit's, an alias may be another's.
    pub(super) replaces: bool,
}

impl Wanted {
    /// What enables the unit.
    pub(super) fn of(unit: &Unit) -> Self {
        let mut wanted = Self::default();
        let Some(name) = Name::parse(&unit.name) else {
            return wanted;
        };
        let install = &unit.install;
        for word in &install.aliases {
            wanted.add(word, &name, |filled| alias(filled, &name));
        }
        for (words, suffix) in [
            (&install.wanted_by, "wants"),
            (&install.required_by, "requires"),
            (&install.upheld_by, "upholds"),
        ] {
            for word in words {
                let path = |filled: &str| dependency(filled, suffix, &name, install);
                wanted.add(word, &name, path);
            }
        }
        for word in &install.also {
            match name.fill(word).filter(|also| Name::parse(also).is_some()) {
                Some(also) => wanted.also.push(also),
                None => wanted.refused.push((word.clone(), NO_NAME)),
            }
        }
        wanted
    }

    fn add(
        &mut self,
        word: &str,
        name: &Name<'_>,
        path: impl FnOnce(&str) -> Result<Option<Link>, &'static str>,
    ) {
        let filled = name.fill(word).ok_or(SPECIFIER);
        match filled.and_then(|filled| path(&filled)) {
            Ok(link) => self.links.extend(link),
            Err(why) => self.refused.push((word.to_owned(), why)),
        }
    }
}

const NO_NAME: &str = "it is not the name of a unit";
const SPECIFIER: &str = "it has a specifier that is not about the unit's name";

/// Another name, or `TARGET.wants/UNIT`; nothing where it is the unit's own.
fn alias(word: &str, unit: &Name<'_>) -> Result<Option<Link>, &'static str> {
    if !ALIASED.contains(&unit.kind) {
        return Err("units of this kind cannot have other names");
    }
    let path = match word.split_once('/') {
        Some((directory, base)) => {
            let suffixes = [".wants", ".requires", ".upholds"];
            let stem = suffixes.iter().find_map(|end| directory.strip_suffix(end));
            stem.and_then(Name::parse)
                .filter(|_| base == unit.full)
                .ok_or("it is not the path of a link to this unit")?;
            word.to_owned()
        }
        None => other_name(word, unit)?,
    };
    Ok((path != unit.full).then(|| Link {
        path: path.into(),
        replaces: false,
    }))
}

/// A plain unit has plain names; a template those of templates and instances, an instance those of the same instance.
fn other_name(word: &str, unit: &Name<'_>) -> Result<String, &'static str> {
    let other = Name::parse(word).ok_or(NO_NAME)?;
    let fits = match (other.instance(), unit.instance()) {
        (Some(other), Some(own)) => other == own,
        (Some(_), None) => unit.is_template(),
        (None, Some(_)) => other.is_template(),
        (None, None) => other.is_plain() == unit.is_plain(),
    };
    if other.kind != unit.kind || !fits {
        return Err("a unit of this kind cannot have that name");
    }
    Ok(match unit.instance() {
        Some(instance) => other.instantiated(instance),
        None => word.to_owned(),
    })
}

/// A template is wanted as its default instance, or by templates and instances, which pass theirs on.
fn dependency(
    word: &str,
    suffix: &str,
    unit: &Name<'_>,
    install: &Install,
) -> Result<Option<Link>, &'static str> {
    let by = Name::parse(word).ok_or(NO_NAME)?;
    let instance = install
        .default_instance
        .as_deref()
        .filter(|_| unit.is_template())
        .map(|text| unit.fill(text).ok_or(SPECIFIER))
        .transpose()?;
    let name = match instance {
        Some(instance) => unit.instantiated(&instance),
        None => unit.full.to_owned(),
    };
    let name = Name::parse(&name).ok_or("the unit's DefaultInstance= is not valid")?;
    if name.is_template() && by.is_plain() {
        return Err("the unit is a template, and has no DefaultInstance= for it");
    }
    Ok(Some(Link {
        path: format!("{word}.{suffix}/{}", name.full).into(),
        replaces: true,
    }))
}
