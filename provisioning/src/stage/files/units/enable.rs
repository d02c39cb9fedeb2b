//! Enables units, as `systemctl enable` does: links in `/etc/systemd/system`, by what units say in `[Install]`.
//!
//! A preset alone does not enable on a root that has a machine id: systemd applies presets at its very first boot only.
//! What a unit says wrongly is logged and left out, as systemd does with presets; the machine comes up without it.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use crate::Result;
use crate::root::{Kind, Owner, Root};

use super::UNITS;
use super::search::{self, Found, Unit};
use super::wanted::{Link, Wanted};

/// Enables a unit, and those that it names in `Also=`. Tells what became of it.
pub(super) fn enable(name: &str, root: &Root) -> Result<&'static str> {
    let mut ahead = VecDeque::from([name.to_owned()]);
    let mut seen = BTreeSet::new();
    let mut outcome = None;
    while let Some(name) = ahead.pop_front() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let what = match search::find(&name, root)? {
            Found::Missing => "enabled by its preset only: there is no such unit",
            Found::Masked => "enabled by its preset only: it is masked",
            Found::Unit(unit) if unit.install.is_empty() => {
                "enabled by its preset only: it has no [Install] section"
            }
            Found::Unit(unit) => {
                ahead.extend(link(&unit, root)?);
                "enabled"
            }
        };
        if what != "enabled" {
            tracing::warn!("unit {name}: {what}");
        }
        outcome.get_or_insert(what);
    }
    Ok(outcome.unwrap_or("enabled"))
}

/// Makes the unit's links, and tells what else is to be enabled.
fn link(unit: &Unit, root: &Root) -> Result<Vec<String>> {
    let wanted = Wanted::of(unit);
    for (word, why) in &wanted.refused {
        tracing::warn!(
            "unit {}: {word:?} of [Install] is left out: {why}",
            unit.name
        );
    }
    for link in &wanted.links {
        make(link, unit, root)?;
    }
    Ok(wanted.also)
}

/// A link that leads to the unit's file already stays, whatever its text.
fn make(link: &Link, unit: &Unit, root: &Root) -> Result<()> {
    let path = Path::new(UNITS).join(&link.path);
    let place = root.place(&path)?;
    let taken = match place.node()? {
        None => false,
        Some(node) if node.kind == Kind::Link => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            let there = root.resolve(directory.join(place.target()?))?;
            if there == root.resolve(&unit.path)? {
                return Ok(());
            }
            !link.replaces
        }
        Some(_) => true,
    };
    if taken {
        tracing::warn!(
            "unit {}: {} exists and is something else: it is left as it is",
            unit.name,
            path.display()
        );
        return Ok(());
    }
    place.link_to(&unit.path, Owner::default())
}
