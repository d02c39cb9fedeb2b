//! SSH keys of `passwd.users`.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::config::spec::User;
use crate::root::{Kind, Owner, Place, Root};
use crate::{Error, Result};

use super::tables::{HOME, ID, PRIMARY, Tables};

/// Where a user's keys are written, in the home directory (Ignition spec, `passwd.users.sshAuthorizedKeys`).
///
/// A file of its own, as on Fedora CoreOS and Flatcar, so that keys of the config and keys of the user do not overwrite
/// each other. Stock sshd of Debian does not read it: the image must bring a file in `/etc/ssh/sshd_config.d` with
/// `AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition`.
pub const AUTHORIZED_KEYS: &str = ".ssh/authorized_keys.d/ignition";

/// Where no home can be: the root itself, what the image owns, what is gone after a reboot, and the path that Debian
/// gives to accounts that shall have none.
const SYSTEM: [&str; 11] = [
    "/bin",
    "/dev",
    "/lib",
    "/lib32",
    "/lib64",
    "/nonexistent",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
];

/// Writes them. Directories and file are the user's; a link that a former state of the home has in their place is an
/// error and not followed, because root writes here what a user may have prepared.
pub(super) fn write(user: &User, tables: &Tables, root: &Root) -> Result<()> {
    let keys = user.ssh_authorized_keys.as_deref().unwrap_or_default();
    let Some(account) = tables.passwd.find(&user.name).filter(|_| !keys.is_empty()) else {
        return Ok(());
    };
    let home = Path::new(account.field(HOME));
    let owner = Owner {
        uid: account.number(ID),
        gid: account.number(PRIMARY),
    };
    let mut directory = open_home(user, home, owner, root)?;
    let mut path = home.to_owned();
    let file = Path::new(AUTHORIZED_KEYS);
    for part in file.parent().into_iter().flat_map(Path::iter) {
        path.push(part);
        let place = Place::new(directory, part, &path);
        directory = match place.node()? {
            None => place.make_directory(0o700, owner)?,
            Some(node) if node.kind == Kind::Directory => place.directory()?,
            Some(node) => return Err(blocked(user, &path, node.kind)),
        };
    }
    let name = file.file_name().unwrap_or_default();
    path.push(name);
    let place = Place::new(directory, name, &path);
    let mut text = keys.join("\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    place.write(text.as_bytes(), 0o600, owner)
}

/// The home directory. That of an account of the image may be missing on a new root: `/root` is made by tmpfiles, in the
/// system that then starts, and stays as it is made here.
fn open_home(user: &User, home: &Path, owner: Owner, root: &Root) -> Result<OwnedFd> {
    let missing = || Error::NoHome {
        user: user.name.clone(),
        home: home.to_owned(),
    };
    if !home.is_absolute() {
        return Err(missing());
    }
    // The last part of a path is not followed, and that of a home has to be.
    let inside = root.resolve(home.join(".ssh"))?;
    let place = inside.parent().unwrap_or(Path::new("/"));
    if place == Path::new("/") || SYSTEM.iter().any(|system| place.starts_with(system)) {
        return Err(Error::SystemHome {
            user: user.name.clone(),
            home: home.to_owned(),
        });
    }
    match root.directory(home)? {
        Some(directory) => Ok(directory),
        None if user.no_create_home == Some(true) => Err(missing()),
        None => root.place(place)?.make_directory(0o700, owner),
    }
}

fn blocked(user: &User, path: &Path, found: Kind) -> Error {
    Error::KeysBlocked {
        user: user.name.clone(),
        path: path.to_owned(),
        found,
    }
}
