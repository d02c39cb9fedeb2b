//! What firmware, boot loader and kernel make of the disks as they are.
//!
//! systemd-boot 262 lists what ends in `.efi` and reads as a unified kernel image, takes those with tries left first, of
//! them the newest, and counts a try before it starts one; an image that it cannot start costs a try and a reboot. The
//! kernel panics on a slot that is not what the image names, which costs a try as well. Without a counter either would
//! go on for ever: then the machine is lost.

use acl_host::{
    disk::Disk,
    entry::{EntryName, Tries},
    file,
    gpt::Table,
    slot,
    verity::{self, RootHash},
};
use acl_release::version::Version;

use crate::{node::Node, site::Site};

/// As much of an image as the loader reads to list it: headers and command line.
const HEAD: usize = 1536;

/// A release as it was published.
pub(crate) struct Release {
    version: String,
    root: RootHash,
    image: Vec<u8>,
    signature: Vec<u8>,
}

/// All releases that there are.
pub(crate) struct Releases(Vec<Release>);

/// An image that the loader lists.
struct Listed<'r> {
    name: String,
    tries: Option<Tries>,
    release: &'r Release,
    /// Whether it is whole, so that it starts.
    starts: bool,
}

impl Releases {
    pub(crate) fn of(site: &Site, versions: &[&str]) -> Self {
        let release = |version: &&str| {
            let (version, dir) = ((*version).to_owned(), site.build(version));
            let read = |suffix| file::read(dir.join(format!("acl_{version}.{suffix}"))).unwrap();
            let image = read("efi");
            Release {
                root: crate::node::root_hash_of(&image).unwrap(),
                image,
                signature: read("usr.verity-sig.json"),
                version,
            }
        };
        Self(versions.iter().map(release).collect())
    }

    /// Boot: the version that comes up, its try counted; or why none does.
    pub(crate) fn boot(&self, node: &Node) -> Result<String, String> {
        self.no_mixture(node)?;
        self.start(node)
    }

    /// The same, when mixtures may be found and need not start.
    pub(crate) fn start(&self, node: &Node) -> Result<String, String> {
        for _ in 0..10 {
            let mut listed = self.listed(node);
            listed.sort_by_key(Listed::rank);
            let Some(entry) = listed.pop() else {
                return Err("there is no boot entry".into());
            };
            if entry.starts && entry.release.is_in_a_slot(node) {
                if let Some(Tries { left, done }) = entry.tries
                    && left > 0
                {
                    entry.count(node, left - 1, done.unwrap_or_default() + 1);
                }
                return Ok(entry.release.version.clone());
            }
            match entry.tries {
                Some(Tries { left, .. }) if left > 0 => entry.count(node, 0, left),
                _ => return Err(format!("{} is tried for ever", entry.name)),
            }
        }
        Err("no boot entry starts".into())
    }

    /// The release that a whole image is of.
    pub(crate) fn version_of(&self, image: &[u8]) -> Option<&str> {
        let found = self.0.iter().find(|release| release.image == image);
        found.map(|release| &*release.version)
    }

    /// No image that starts may name a slot that is not whole.
    fn no_mixture(&self, node: &Node) -> Result<(), String> {
        let listed = self.listed(node);
        let mixed = listed
            .iter()
            .find(|entry| entry.starts && !entry.release.is_in_a_slot(node));
        mixed.map_or(Ok(()), |entry| {
            Err(format!("{} boots a slot that is not whole", entry.name))
        })
    }

    fn listed(&self, node: &Node) -> Vec<Listed<'_>> {
        let files = file::list(node.esp().entries_directory()).unwrap_or_default();
        files.iter().filter_map(|path| self.list(path)).collect()
    }

    fn list(&self, path: &std::path::Path) -> Option<Listed<'_>> {
        let name = path.file_name()?.to_str()?.to_owned();
        let bytes = file::read(path).unwrap();
        let head = bytes.get(..HEAD)?;
        let release = self
            .0
            .iter()
            .find(|release| release.image[..HEAD] == *head)?;
        let is_image = name.to_ascii_lowercase().ends_with(".efi");
        is_image.then(|| Listed {
            tries: name.parse().ok().and_then(|name: EntryName| name.tries()),
            starts: release.image == bytes,
            release,
            name,
        })
    }
}

impl Listed<'_> {
    /// The loader takes the greatest.
    fn rank(&self) -> (bool, Version) {
        let is_bad = self.tries.is_some_and(|tries| tries.left == 0);
        (!is_bad, self.release.version.parse().unwrap())
    }

    fn count(&self, node: &Node, left: u32, done: u32) {
        let version = &self.release.version;
        let directory = node.esp().entries_directory();
        let to = directory.join(format!("acl_{version}+{left}-{done}.efi"));
        std::fs::rename(directory.join(&self.name), to).unwrap();
    }
}

impl Release {
    fn is_in_a_slot(&self, node: &Node) -> bool {
        let Ok(table) = Table::read(node.disk()) else {
            return false;
        };
        let disk = Disk::open_read_only(node.disk()).unwrap();
        let slots = slot::both(&table).unwrap();
        slots
            .iter()
            .filter(|slot| slot.holds(&self.root))
            .any(|slot| {
                let region = |name, range| disk.region(name, range).unwrap();
                let usr = region("usr", slot.usr.range());
                let tree = region("verity", slot.verity.range());
                let mut signature = vec![0; self.signature.len()];
                let read = region("signature", slot.signature.range()).read_at(&mut signature, 0);
                read.is_ok()
                    && signature == self.signature
                    && verity::check(&usr, &tree, &self.root).is_ok()
            })
    }
}
