//! Files that get their names together.
//!
//! To wait for the disk after every file is most of the time of a config with many. Here files wait under their
//! temporary names, complete, until one wait makes all of them durable; then each gets its name. So each is still there
//! whole or not at all. The names are durable after [`Root::sync`](super::Root::sync).

use std::collections::BTreeSet;
use std::io;

use super::fresh::Fresh;
use super::node::{Node, Owner};
use super::place::{Place, write_error};
use crate::Result;

/// How many files wait at most; two descriptors each, of the 1024 that a process has.
const MOST: usize = 128;

/// Complete files without their names. Dropped without [`Batch::commit`], it leaves nothing behind.
#[derive(Debug, Default)]
pub struct Batch {
    ready: Vec<Fresh>,
}

impl Batch {
    /// A new file for `place`, which no other file of this batch is for.
    ///
    /// # Errors
    /// As [`Place::fresh`] and [`Batch::commit`].
    pub fn fresh(&mut self, place: &Place) -> Result<Fresh> {
        // Its temporary name may be that of another long name: nothing waits under it.
        if place.is_long() {
            self.commit()?;
        }
        place.fresh()
    }

    /// Makes sure that nothing waits under the very name of `place`. To be called before it is looked at.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn make_way(&mut self, place: &Place) -> Result<()> {
        match place.is_temporary() {
            true => self.commit(),
            false => Ok(()),
        }
    }

    /// Gives a file its mode and owner, and later its name.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn add(&mut self, fresh: Fresh, mode: u32, owner: Owner) -> Result<()> {
        fresh.set(mode, owner)?;
        let now = fresh.place().is_long() || fresh.place().is_temporary();
        self.ready.push(fresh);
        match now || self.ready.len() == MOST {
            true => self.commit(),
            false => Ok(()),
        }
    }

    /// Gives all that wait their names, in the place of whatever file or link has one.
    ///
    /// # Errors
    /// [`acl_host::Error::WriteFile`]: some may have theirs, and the others are gone.
    pub fn commit(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        let mut synced = BTreeSet::new();
        for fresh in &ready {
            sync_once(fresh, &mut synced)
                .map_err(|source| write_error(fresh.place().path(), source))?;
        }
        ready.iter().try_for_each(Fresh::take_name)
    }
}

/// Makes everything durable on the filesystem of a file, unless that is done.
fn sync_once(fresh: &Fresh, synced: &mut BTreeSet<u64>) -> io::Result<()> {
    let (device, _) = Node::of(fresh.file())?.identity;
    if synced.insert(device) {
        rustix::fs::syncfs(fresh.file())?;
    }
    Ok(())
}
