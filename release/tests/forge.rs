//! Metadata as someone with keys writes it, past what `acl-release` would: other keys, versions, delegations.

use std::num::NonZeroU64;
use std::path::PathBuf;

use acl_release::trust::keys::{Key, Keyring};
use acl_release::trust::roles::{self, metafile};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tough::schema::{RoleType, Root, Signed, Snapshot, Targets, Timestamp};

use crate::site::{Site, copy};

/// A repository on disk and keys for it.
pub(crate) struct Forge {
    pub(crate) repo: PathBuf,
    pub(crate) keys: Keyring,
}

impl Forge {
    /// The publisher's own.
    pub(crate) fn of(site: &Site) -> Self {
        Self::with(site.path("repo"), site.path("keys"))
    }

    /// A copy of the repository and the keys as they are now, for a thief.
    pub(crate) fn thief(site: &Site) -> Self {
        copy(&site.path("repo"), &site.path("thief"));
        copy(&site.path("keys"), &site.path("stolen"));
        Self::with(site.path("thief"), site.path("stolen"))
    }

    fn with(repo: PathBuf, keys: PathBuf) -> Self {
        let keys = Keyring {
            dir: Some(keys),
            ..Keyring::default()
        };
        Self { repo, keys }
    }

    /// Puts the metadata in the place of what the site serves.
    pub(crate) fn serve_at(&self, site: &Site) {
        std::fs::remove_dir_all(site.path("repo/metadata")).unwrap();
        copy(&self.repo.join("metadata"), &site.path("repo/metadata"));
    }

    /// What is signed in a file of metadata.
    pub(crate) fn read<T: DeserializeOwned>(&self, file: &str) -> T {
        let bytes = std::fs::read(self.repo.join("metadata").join(file)).unwrap();
        serde_json::from_slice::<Signed<T>>(&bytes).unwrap().signed
    }

    /// Signs a role by these keys, and writes it.
    pub(crate) fn write<T: Serialize>(&self, file: &str, role: T, keys: &[&Key]) -> Vec<u8> {
        let (_, bytes) = roles::sign("targets", role, keys).unwrap();
        acl_host::file::scratch(self.repo.join("metadata").join(file), &bytes).unwrap();
        bytes
    }

    pub(crate) fn key(&self, role: &str) -> Key {
        self.keys.key(role).unwrap()
    }

    /// The version of the newest root.
    pub(crate) fn newest_root(&self) -> u64 {
        let exists = |version: &u64| {
            let file = format!("metadata/{version}.root.json");
            self.repo.join(file).exists()
        };
        (1..).take_while(exists).last().unwrap()
    }

    /// The next root, with new keys for these roles, changed like this.
    pub(crate) fn root(&self, rotate: &[&str], change: impl FnOnce(&mut Root)) {
        let version = self.newest_root();
        let mut root: Root = self.read(&format!("{version}.root.json"));
        let before = self.key("root");
        for role in rotate {
            let dir = self.keys.dir.clone().unwrap();
            std::fs::remove_file(dir.join(format!("{role}.key"))).unwrap();
            self.keys.make_missing(role).unwrap();
            let key = self.key(role);
            let id = roles::key_id(role, &key).unwrap();
            root.keys.insert(id.clone(), key.public());
            let role: RoleType = role.parse().unwrap();
            root.roles.get_mut(&role).unwrap().keyids = vec![id];
        }
        root.version = NonZeroU64::new(version + 1).unwrap();
        change(&mut root);
        let after = self.key("root");
        let both = [&before, &after];
        let keys = if rotate.contains(&"root") {
            &both[..]
        } else {
            &both[..1]
        };
        self.write(&format!("{}.root.json", version + 1), root, keys);
    }

    /// The next snapshot and timestamp, changed like this.
    pub(crate) fn snapshot(&self, change: impl FnOnce(&mut Snapshot)) {
        let timestamp: Timestamp = self.read("timestamp.json");
        let listed = timestamp.meta["snapshot.json"].version;
        let mut snapshot: Snapshot = self.read(&format!("{listed}.snapshot.json"));
        snapshot.version = listed.checked_add(1).unwrap();
        change(&mut snapshot);
        let version = snapshot.version;
        let file = format!("{version}.snapshot.json");
        let bytes = self.write(&file, snapshot, &[&self.key("snapshot")]);
        self.timestamp(|timestamp| {
            let listed = metafile(version, &bytes);
            timestamp.meta.insert("snapshot.json".to_owned(), listed);
        });
    }

    /// The next timestamp, changed like this.
    pub(crate) fn timestamp(&self, change: impl FnOnce(&mut Timestamp)) {
        let mut timestamp: Timestamp = self.read("timestamp.json");
        timestamp.version = timestamp.version.checked_add(1).unwrap();
        change(&mut timestamp);
        self.write("timestamp.json", timestamp, &[&self.key("timestamp")]);
    }

    /// The next version of targets or of a channel's role, changed like this, in the next snapshot.
    pub(crate) fn targets(&self, role: &str, change: impl FnOnce(&mut Targets)) {
        let timestamp: Timestamp = self.read("timestamp.json");
        let listed = timestamp.meta["snapshot.json"].version;
        let snapshot: Snapshot = self.read(&format!("{listed}.snapshot.json"));
        let file = format!("{role}.json");
        let version = snapshot.meta[&file].version;
        let mut targets: Targets = self.read(&format!("{version}.{file}"));
        targets.version = version.checked_add(1).unwrap();
        change(&mut targets);
        let version = targets.version;
        let bytes = self.write(&format!("{version}.{file}"), targets, &[&self.key(role)]);
        self.snapshot(|snapshot| {
            snapshot.meta.insert(file, metafile(version, &bytes));
        });
    }

    /// Writes a document and lists it in a role.
    pub(crate) fn document(&self, role: &str, name: &str, document: &[u8]) {
        let digest = acl_release::digest::Digest::of(document);
        let (dir, file) = name.rsplit_once('/').unwrap();
        let dir = self.repo.join("targets").join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        acl_host::file::scratch(dir.join(format!("{digest}.{file}")), document).unwrap();
        self.targets(role, |targets| {
            roles::list(targets, name, document).unwrap()
        });
    }
}
