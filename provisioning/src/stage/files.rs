//! The files stage: the tree becomes what the config says.
//!
//! Follows the stage of that name of Ignition 2.x: users and groups first, because files belong to them; then
//! directories, files and links, parents before children; then units. Two things are stricter on purpose: a stage that was
//! interrupted, or is run again on its own result, ends with the same tree (Ignition then fails on the first file that
//! exists), and every entry is there whole or not at all.
//!
//! Leaves to others: whether the config makes sense as a document, filesystems and what is mounted where,
//! `/etc/crypttab`, and SELinux labels, which this system does not have.

mod appended;
mod directory;
mod entries;
mod file;
mod link;
mod owner;
mod passwd;
mod units;

pub use passwd::AUTHORIZED_KEYS;
pub use units::PRESET;

use crate::Result;
use crate::config::spec;
use crate::fetch::Fetcher;
use crate::root::Root;
use crate::stage::disks::Done;
use crate::stage::{crypttab, mount};

/// Makes users, groups, directories, files, links and units of `config` inside `root`, and tells what was done: a line
/// each, in the order of the work, without contents and keys.
///
/// Nothing is rolled back on an error: the machine does not come up, and the stage can be run again on what is there.
///
/// # Errors
/// What the config cannot have (who must act: the operator), what the disk refuses (the environment), and those of
/// [`Fetcher::fetch_to`].
pub async fn apply(config: &spec::Config, root: &Root, fetcher: &Fetcher) -> Result<Vec<Done>> {
    crypttab::withdraw(config, root)?;
    let mut done = Vec::new();
    if let Some(passwd) = &config.passwd {
        let mounted: Vec<_> = mount::wanted(config)
            .iter()
            .map(|(path, _)| *path)
            .collect();
        done.extend(passwd::apply(passwd, &mounted, root)?);
    }
    if let Some(storage) = &config.storage {
        done.extend(entries::apply(storage, root, fetcher).await?);
    }
    if let Some(systemd) = &config.systemd {
        done.extend(units::apply(systemd, root)?);
    }
    Ok(done)
}
