//! Where a unit is in the root, and what it says about being enabled.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::root::{Kind, Root};

use super::install::Install;
use super::name::Name;
use super::{NOWHERE, UNITS};

/// Where units are searched, the first one counts (systemd.unit(5), without what is in memory).
pub(super) const DIRECTORIES: [&str; 3] = [
    UNITS,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// How many links a unit may be.
const LINKS: u32 = 40;

/// What is found under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// A link to nowhere, or an empty file.
    Masked,
    /// A unit.
    Unit(Unit),
}

/// A unit of the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name: another one than was searched where that is only an alias.
    pub(super) name: String,
    /// Its file; of an instance, mostly the template.
    pub(super) path: PathBuf,
    /// What it says about being enabled, with its drop-ins.
    pub(super) install: Install,
}

/// What is at the end of a file's links.
enum Text {
    Missing,
    Masked,
    At(PathBuf, String),
    /// Another name.
    Alias(String),
}

/// Searches the unit, and for an instance its template.
pub(super) fn find(name: &str, root: &Root) -> Result<Found> {
    let mut searched = name.to_owned();
    for _ in 0..LINKS {
        let Some(name) = Name::parse(&searched) else {
            return Ok(Found::Missing);
        };
        let Some(path) = fragment(&name, root)? else {
            return Ok(Found::Missing);
        };
        match text(path, root)? {
            Text::Missing => return Ok(Found::Missing),
            Text::Masked => return Ok(Found::Masked),
            Text::At(path, text) => return unit(&name, path, &text, root).map(Found::Unit),
            Text::Alias(other) => {
                searched = match (Name::parse(&other), name.instance()) {
                    (Some(other), Some(instance)) if other.is_template() => {
                        other.instantiated(instance)
                    }
                    _ => other,
                }
            }
        }
    }
    Ok(Found::Missing)
}

fn unit(name: &Name<'_>, path: PathBuf, text: &str, root: &Root) -> Result<Unit> {
    let mut install = Install::default();
    install.read(text);
    for dropin in dropins(name, root)? {
        if let Text::At(_, text) = self::text(dropin, root)? {
            install.read(&text);
        }
    }
    Ok(Unit {
        name: name.full.to_owned(),
        path,
        install,
    })
}

/// The file of that name, in all directories before that of its template.
fn fragment(name: &Name<'_>, root: &Root) -> Result<Option<PathBuf>> {
    for name in [Some(name.full.to_owned()), name.template()]
        .into_iter()
        .flatten()
    {
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(&name);
            if let Some(place) = root.find(&path)?
                && place.node()?.is_some()
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Drop-ins by their names: one hides those of the same name in later directories, those of an instance come before those
/// of its template.
fn dropins(name: &Name<'_>, root: &Root) -> Result<Vec<PathBuf>> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for name in [Some(name.full.to_owned()), name.template()]
        .into_iter()
        .flatten()
    {
        for directory in DIRECTORIES {
            let directory = Path::new(directory).join(format!("{name}.d"));
            for entry in root.list(&directory)? {
                let path = directory.join(&entry);
                if path.extension() == Some(OsStr::new("conf")) {
                    found.entry(entry).or_insert(path);
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Follows links as long as they keep the name.
fn text(mut path: PathBuf, root: &Root) -> Result<Text> {
    for _ in 0..LINKS {
        let Some(place) = root.find(&path)? else {
            return Ok(Text::Missing);
        };
        match place.node()?.map(|node| (node.kind, node.size)) {
            None | Some((Kind::Directory, _)) => return Ok(Text::Missing),
            Some((Kind::Special, _) | (Kind::File, 0)) => return Ok(Text::Masked),
            Some((Kind::File, _)) => {
                let bytes = root.read(&path)?.unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Text::At(path, text));
            }
            Some((Kind::Link, _)) => {
                let target = place.target()?;
                if target == Path::new(NOWHERE) {
                    return Ok(Text::Masked);
                }
                let name = target.file_name().map(OsStr::to_owned);
                let beside = path.parent().unwrap_or(Path::new("/")).join(&target);
                match name {
                    Some(name) if path.file_name() == Some(&name) => path = root.resolve(beside)?,
                    Some(name) => return Ok(Text::Alias(name.to_string_lossy().into_owned())),
                    None => return Ok(Text::Missing),
                }
            }
        }
    }
    Ok(Text::Missing)
}
