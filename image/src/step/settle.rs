//! What the packages' maintainer scripts would have done, done from outside.
//!
//! No script of a package runs in a build: that would need root, a chroot, or both, and what it leaves behind differs
//! from run to run. An image needs little of it: accounts, kernel modules, enabled units, the bundle of certificates.

mod accounts;
mod certificates;
mod modules;
mod release;
mod root;
mod units;

use std::fs;
use std::path::Path;

use acl_host::file;
use acl_host::tool::Tools;

pub use release::Identity;
pub use root::Root;

use crate::Error;

/// Where the image keeps its `/etc`, the lower layer of the node's overlay; relative to the tree.
pub const FACTORY_ETC: &str = "usr/share/acl/etc";

/// Settles `tree`, in which the packages were unpacked and the recipe's files were laid.
///
/// Afterwards `/etc` has moved to [`FACTORY_ETC`] and everything that the image consists of is under `/usr`.
///
/// # Errors
/// When a tool fails, or when the tree lacks what every image needs: one kernel, the account masters.
pub fn settle(tree: &Path, tools: &Tools, identity: &Identity, root: Root) -> Result<(), Error> {
    accounts::make(tree, tools)?;
    modules::index(tree, tools)?;
    certificates::bundle(tree)?;
    release::write(tree, identity)?;
    root::define(tree, root)?;
    units::preset(tree, tools)?;
    move_etc(tree)
}

pub use modules::kernel_version;

/// Moves `/etc` below `/usr`, marked as settled for the release's whole life: systemd would otherwise rebuild its
/// caches at the first boot of each release (`ConditionNeedsUpdate=`, systemd.unit(5)).
fn move_etc(tree: &Path) -> Result<(), Error> {
    let etc = tree.join("etc");
    file::scratch(
        etc.join(".updated"),
        b"# The image is whole: nothing is rebuilt at boot.\nTIMESTAMP_NSEC=4102444800000000000\n",
    )?;
    let target = tree.join(FACTORY_ETC);
    let tree_error = |source| Error::ChangeTree {
        path: target.clone(),
        source,
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(tree_error)?;
    }
    fs::rename(&etc, &target).map_err(tree_error)
}
