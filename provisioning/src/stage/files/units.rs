//! Units of `systemd.units`: their files, drop-ins, masks, and whether they are enabled.

mod enable;
mod install;
mod links;
mod name;
mod preset;
mod search;
mod wanted;

use std::path::Path;

pub use preset::PRESET;

use crate::config::spec::{Systemd, Unit};
use crate::root::{FILE_MODE, Kind, Owner, Root};
use crate::stage::disks::Done;
use crate::{Error, Result};

/// Where units are written.
const UNITS: &str = "/etc/systemd/system";

/// What a masked unit leads to.
const NOWHERE: &str = "/dev/null";

/// Makes them, and tells what was done. Units are enabled when all are written: one can name another in `Also=`.
pub(super) fn apply(systemd: &Systemd, root: &Root) -> Result<Vec<Done>> {
    let units = systemd.units.as_deref().unwrap_or_default();
    let mut done: Vec<Vec<String>> = Vec::new();
    for unit in units {
        done.push(make(unit, root)?);
    }
    for (unit, done) in units.iter().zip(&mut done) {
        if unit.enabled == Some(true) {
            done.push(enable::enable(&unit.name, root)?.to_owned());
        }
    }
    preset::write(units, root)?;
    let told = |(unit, done): (&Unit, Vec<String>)| {
        let what = match done.is_empty() {
            true => "nothing to do".to_owned(),
            false => done.join(", "),
        };
        Done::new(format!("unit {}", unit.name), what)
    };
    Ok(units.iter().zip(done).map(told).collect())
}

/// Makes one, but for its enabling.
fn make(unit: &Unit, root: &Root) -> Result<Vec<String>> {
    let mut done = write(unit, root)?;
    if unit.enabled == Some(false) {
        links::remove(&unit.name, root)?;
        let wanted = links::of_image(&unit.name, root)?;
        match wanted.first().filter(|_| unit.mask != Some(true)) {
            Some(link) => {
                let what = format!(
                    "not disabled: {} of the image enables it, which only a mask undoes",
                    link.display()
                );
                tracing::warn!("unit {}: {what}", unit.name);
                done.push(what);
            }
            None => done.push("disabled".to_owned()),
        }
    }
    match unit.mask {
        Some(true) => {
            mask(&unit.name, root)?;
            done.push("masked".to_owned());
        }
        Some(false) => {
            unmask(&unit.name, root)?;
            done.push("not masked".to_owned());
        }
        None => {}
    }
    Ok(done)
}

/// Files of a unit replace what is there. An empty drop-in is written, an empty unit is not (as Ignition does: an empty
/// drop-in hides one of the image, an empty unit is invalid).
fn write(unit: &Unit, root: &Root) -> Result<Vec<String>> {
    let path = file(Path::new(UNITS), &unit.name)?;
    if unit.name.contains(char::is_whitespace) {
        // It would be two words in the preset.
        return Err(Error::UnitName {
            name: unit.name.clone(),
        });
    }
    let mut done = Vec::new();
    for dropin in unit.dropins.iter().flatten() {
        let directory = Path::new(UNITS).join(format!("{}.d", unit.name));
        let path = file(&directory, &dropin.name)?;
        if let Some(contents) = &dropin.contents {
            root.write(path, contents.as_bytes(), FILE_MODE)?;
            done.push(format!("{} written", dropin.name));
        }
    }
    if let Some(contents) = unit.contents.as_deref().filter(|text| !text.is_empty()) {
        root.write(path, contents.as_bytes(), FILE_MODE)?;
        done.insert(0, "written".to_owned());
    }
    Ok(done)
}

fn mask(name: &str, root: &Root) -> Result<()> {
    let place = root.place(file(Path::new(UNITS), name)?)?;
    if matches!(place.node()?, Some(node) if node.kind == Kind::Directory) {
        place.remove()?;
    }
    place.link_to(Path::new(NOWHERE), Owner::default())
}

fn unmask(name: &str, root: &Root) -> Result<()> {
    let Some(place) = root.find(file(Path::new(UNITS), name)?)? else {
        return Ok(());
    };
    match place.node()? {
        Some(node) if node.kind == Kind::Link && place.target()? == Path::new(NOWHERE) => {
            place.remove()
        }
        _ => Ok(()),
    }
}

/// The file of that name in a directory. The name is one part: it must not lead to another directory.
fn file(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains('/')
        || name.contains(char::is_control)
    {
        return Err(Error::UnitName {
            name: name.to_owned(),
        });
    }
    Ok(directory.join(name))
}
