//! What the system itself needs to open the volumes that the stage `disks` made: their keys and `/etc/crypttab`.

use std::path::Path;

use super::disks;
use super::disks::luks::persisted::{self, CRYPTTAB, KEY_DIRECTORY};
use crate::config::spec;
use crate::root::{Kind, Owner, Place, Root};
use crate::{Error, Result};

/// Keys are root's alone.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Writes both into the root, and forgets the keys of this boot. Lines that are there already stay as they are.
///
/// # Errors
/// [`Error::Occupied`] where the directory of the keys is something else, those of [`persisted::persisted`] and of
/// [`Root::write`].
pub fn write(config: &spec::Config, root: &Root, machine: &disks::Machine) -> Result<()> {
    let storage = config.storage.as_ref();
    let volumes = storage
        .and_then(|storage| storage.luks.as_deref())
        .unwrap_or_default();
    if volumes.is_empty() {
        return Ok(());
    }
    let directory = Path::new(KEY_DIRECTORY);
    let is_kept = |name: &str| is(Kind::File, &directory.join(name), root);
    let kept = persisted::persisted(volumes, machine, &is_kept)?;
    // Also without new keys: the config may have opened it again.
    if !kept.keys.is_empty() || is(Kind::Directory, directory, root)? {
        close(&root.place(directory)?)?;
    }
    for (name, key) in &kept.keys {
        root.write(directory.join(name), key, FILE_MODE)?;
    }
    let before = root.read_to_string(CRYPTTAB)?.unwrap_or_default();
    root.write(
        CRYPTTAB,
        merged(&before, &kept.crypttab).as_bytes(),
        FILE_MODE,
    )?;
    persisted::forget(machine)
}

/// Takes the lines of the config's volumes out again, which an earlier run wrote, and [`write`] will: what the config
/// says about the file itself then finds it as it was.
pub(super) fn withdraw(config: &spec::Config, root: &Root) -> Result<()> {
    let storage = config.storage.as_ref();
    let volumes = storage.and_then(|storage| storage.luks.as_deref());
    let names: Vec<_> = volumes
        .unwrap_or_default()
        .iter()
        .map(|volume| volume.name.as_str())
        .collect();
    if names.is_empty() || !is(Kind::File, Path::new(CRYPTTAB), root)? {
        return Ok(());
    }
    let before = root.read_to_string(CRYPTTAB)?.unwrap_or_default();
    let is_ours = |line| volume(line).is_some_and(|name| names.contains(&name));
    match before.lines().any(is_ours) {
        true => root.write(CRYPTTAB, without(&before, &names).as_bytes(), FILE_MODE),
        false => Ok(()),
    }
}

/// Makes the directory of keys root's alone. One that is there may be of an earlier run, or the config's.
fn close(place: &Place) -> Result<()> {
    match place.node()? {
        None => place
            .make_directory(DIRECTORY_MODE, Owner::default())
            .map(drop),
        Some(node) if node.kind == Kind::Directory => {
            place.set(Some(DIRECTORY_MODE), Owner::of(0, 0))
        }
        Some(node) => Err(Error::Occupied {
            path: place.path().to_owned(),
            wanted: Kind::Directory,
            found: node.kind,
        }),
    }
}

fn is(kind: Kind, path: &Path, root: &Root) -> Result<bool> {
    let Some(place) = root.find(path)? else {
        return Ok(false);
    };
    Ok(matches!(place.node()?, Some(node) if node.kind == kind))
}

/// The lines of before, without those of the same volumes, and then `lines`.
fn merged(before: &str, lines: &str) -> String {
    let ours: Vec<_> = lines.lines().filter_map(volume).collect();
    without(before, &ours) + lines
}

fn without(text: &str, volumes: &[&str]) -> String {
    text.lines()
        .filter(|line| volume(line).is_none_or(|name| !volumes.contains(&name)))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The name that a line begins with.
fn volume(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn a_volume_has_one_line() {
        assert_eq!(merged("", "a UUID=1 none luks\n"), "a UUID=1 none luks\n");
        assert_eq!(
            merged(
                "# mine\n\na UUID=0 none\nb UUID=2 none\n",
                "a UUID=1 none\nc UUID=3 none\n"
            ),
            "# mine\n\nb UUID=2 none\na UUID=1 none\nc UUID=3 none\n"
        );
    }
}
