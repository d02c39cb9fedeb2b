//! Which packs of the repository a new one takes chunks from.

use std::fs::File;

use super::build::Build;
use super::patches::read_index;
use crate::manifest::{Manifest, Part};
use crate::payload::earlier::Earlier;
use crate::payload::way::Way;
use crate::repository::store::Store;

/// How many releases are looked at, newest first: as many as usually get a patch, whose packs are read for that anyway.
const RELEASES: usize = 3;

/// The packs of a part in the newest releases of the same image. What is missing or damaged is left out.
pub(super) fn find(
    store: &Store,
    known: &[Manifest],
    build: &Build,
    part: Part,
    level: i32,
) -> Earlier {
    let mut earlier = Earlier::none(Way::of(level));
    let alike = |old: &&Manifest| old.image_id == build.image_id && old.arch == build.arch;
    for old in known.iter().rev().filter(alike).take(RELEASES) {
        let artifact = old.artifacts.part(part);
        let unpacked = artifact.unpacked.as_ref().map(|_| artifact.comparable().1);
        for form in [Some(artifact.plain()), unpacked].into_iter().flatten() {
            let pack = File::open(store.blob(&form.pack.sha256));
            if let (Ok(index), Ok(pack)) = (read_index(store, &form), pack) {
                earlier.add(pack, &index);
            }
        }
    }
    earlier
}
