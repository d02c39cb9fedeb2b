//! Packages into a tree: what dpkg would unpack, without what its scripts would do.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::Error;
use crate::archive::package::Package;
use crate::archive::store::Store;
use crate::archive::{deb, tree::Tree};
use crate::lock::Lock;
use crate::recipe::{Recipe, Take};

/// Threads that decompress; one more writes what they give, in the order of the packages.
const THREADS: usize = 2;

/// Composes the tree of `recipe` from the packages of `lock` in `root`, an empty directory.
///
/// # Errors
/// [`Error::Unpack`] names the package and the path; [`Error::NoFileToTake`], [`Error::DamagedPackage`].
pub fn compose(recipe: &Recipe, lock: &Lock, store: &Store, root: &Path) -> Result<(), Error> {
    let omitted = |name: &str| {
        recipe
            .packages
            .omit
            .iter()
            .any(|omission| omission.package.name == name)
    };
    let laid: Vec<Package> = lock
        .packages
        .iter()
        .filter(|package| !omitted(&package.name))
        .cloned()
        .collect();
    let mut tree = Tree::new(root);
    unpack_all(&laid, store, &mut tree)?;
    for (take, package) in recipe.takes.iter().zip(&lock.takes) {
        take_files(take, package, store, &mut tree)?;
    }
    Ok(())
}

/// Unpacks whole packages in `root`, an empty directory.
///
/// # Errors
/// As [`compose`].
pub fn unpack(packages: &[Package], store: &Store, root: &Path) -> Result<(), Error> {
    unpack_all(packages, store, &mut Tree::new(root))
}

fn unpack_all(packages: &[Package], store: &Store, tree: &mut Tree) -> Result<(), Error> {
    thread::scope(|scope| {
        let start = |first: usize| {
            let (sender, receiver) = sync_channel(1);
            let mine = packages.iter().skip(first).step_by(THREADS);
            scope.spawn(move || decompress(mine, store, &sender));
            receiver
        };
        let lanes: Vec<Receiver<Result<Vec<u8>, Error>>> = (0..THREADS).map(start).collect();
        for (package, lane) in packages.iter().zip(lanes.iter().cycle()) {
            let data = lane
                .recv()
                .map_err(|error| refuse(package, error.to_string()))??;
            tree.unpack(&package.name, &data, |_| true)
                .map_err(|reason| refuse(package, reason))?;
        }
        Ok(())
    })
}

fn decompress<'a>(
    packages: impl Iterator<Item = &'a Package>,
    store: &Store,
    to: &SyncSender<Result<Vec<u8>, Error>>,
) {
    for package in packages {
        if to.send(data(package, store)).is_err() {
            // The writer has failed and says why.
            return;
        }
    }
}

fn take_files(take: &Take, package: &Package, store: &Store, tree: &mut Tree) -> Result<(), Error> {
    let data = data(package, store)?;
    let wanted: Vec<PathBuf> = take.files.iter().map(PathBuf::from).collect();
    let found = tree.unpack(&package.name, &data, |path| {
        wanted.iter().any(|wanted| wanted == path)
    });
    let found = found.map_err(|reason| refuse(package, reason))?;
    match wanted.iter().find(|wanted| !found.contains(wanted)) {
        None => Ok(()),
        Some(missing) => Err(Error::NoFileToTake {
            place: take.package.place.clone(),
            package: package.name.clone(),
            file: missing.display().to_string(),
        }),
    }
}

fn data(package: &Package, store: &Store) -> Result<Vec<u8>, Error> {
    deb::data(&store.read(package)?).map_err(|reason| refuse(package, reason))
}

fn refuse(package: &Package, reason: String) -> Error {
    Error::Unpack {
        package: package.name.clone(),
        reason,
    }
}
