//! Repositories that say what `acl-release` would not let anyone publish, with good signatures: keys get into wrong hands,
//! and publishers have programs of their own.

use acl_host::{
    clock::{Clock, SystemClock},
    file,
};
use acl_release::{digest::Digest, trust::roles};
use serde_json::{Value, json};

use crate::site::Site;

impl Site {
    /// Change the channel's document.
    pub(crate) fn forge_channel(&self, change: impl FnOnce(&mut Value)) {
        self.forge("channel-stable", "channels/stable.json", change);
    }

    /// Change the manifest of a release.
    pub(crate) fn forge_manifest(&self, version: &str, change: impl FnOnce(&mut Value)) {
        let name = format!("releases/{version}/x86-64.json");
        self.forge("targets", &name, change);
    }

    /// List and offer releases that are like release 3, but for their versions and what is changed.
    pub(crate) fn forge_releases(
        &self,
        versions: std::ops::Range<u32>,
        change: impl Fn(&mut Value),
    ) {
        let releases = self.repository().join("targets/releases");
        let manifest = serde_json::to_value(self.manifest("3")).unwrap();
        let (mut listing, old) = self.newest("targets");
        for number in versions.clone() {
            let mut manifest = manifest.clone();
            manifest["version"] = json!(number.to_string());
            change(&mut manifest);
            let bytes = serde_json::to_vec(&manifest).unwrap();
            let digest = Digest::of(&bytes).to_string();
            let directory = releases.join(number.to_string());
            std::fs::create_dir(&directory).unwrap();
            file::write(directory.join(format!("{digest}.x86-64.json")), &bytes).unwrap();
            listing["targets"][format!("releases/{number}/x86-64.json")] =
                json!({"length": bytes.len(), "hashes": {"sha256": digest}});
        }
        self.sign_listing("targets", listing, old);
        self.forge_channel(|channel| {
            let releases = channel["releases"].as_array_mut().unwrap();
            releases.extend(versions.map(|number| Self::entry(&number.to_string())));
        });
    }

    /// Change a document and sign everything that leads to it.
    fn forge(&self, role: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let (directory, file_name) = name.rsplit_once('/').unwrap();
        let directory = self.repository().join("targets").join(directory);
        let (mut listing, old) = self.newest(role);
        let target = &mut listing["targets"][name];
        let digest = target["hashes"]["sha256"].as_str().unwrap();
        let path = directory.join(format!("{digest}.{file_name}"));
        let mut document = serde_json::from_slice(&file::read(path).unwrap()).unwrap();
        change(&mut document);
        let bytes = serde_json::to_vec(&document).unwrap();
        let digest = Digest::of(&bytes).to_string();
        file::write(directory.join(format!("{digest}.{file_name}")), &bytes).unwrap();
        target["length"] = json!(bytes.len());
        target["hashes"]["sha256"] = json!(digest);
        self.sign_listing(role, listing, old);
    }

    /// Sign the next version of a role that lists documents, and everything that leads to it.
    fn sign_listing(&self, role: &str, listing: Value, old: u64) {
        let (version, length, hash) = self.sign_next(role, listing, old);
        let (mut snapshot, old) = self.newest("snapshot");
        snapshot["meta"][format!("{role}.json")] =
            json!({"version": version, "length": length, "hashes": {"sha256": hash}});
        let (version, length, hash) = self.sign_next("snapshot", snapshot, old);
        let path = self.repository().join("metadata/timestamp.json");
        let mut timestamp: Value = serde_json::from_slice(&file::read(path).unwrap()).unwrap();
        let mut timestamp = timestamp["signed"].take();
        let old = timestamp["version"].as_u64().unwrap();
        timestamp["meta"]["snapshot.json"] =
            json!({"version": version, "length": length, "hashes": {"sha256": hash}});
        self.sign_next("timestamp", timestamp, old);
    }

    /// The newest metadata of a role, and its version.
    fn newest(&self, role: &str) -> (Value, u64) {
        let path = |version| {
            let name = format!("metadata/{version}.{role}.json");
            self.repository().join(name)
        };
        let version = (1..).take_while(|version| path(*version).exists()).last();
        let version = version.unwrap();
        let mut signed: Value =
            serde_json::from_slice(&file::read(path(version)).unwrap()).unwrap();
        (signed["signed"].take(), version)
    }

    /// Write the next version of a role; its version, length and digest.
    fn sign_next(&self, role: &str, mut signed: Value, old: u64) -> (u64, usize, String) {
        let version = old + 1;
        signed["version"] = json!(version);
        // Of the order of members nothing depends: what is signed is canonical.
        let key = self.keys().key(role).unwrap();
        let (_, bytes) = roles::sign(role, signed, &[&key]).unwrap();
        let name = match role {
            "timestamp" => "metadata/timestamp.json".to_owned(),
            role => format!("metadata/{version}.{role}.json"),
        };
        file::write(self.repository().join(name), &bytes).unwrap();
        (version, bytes.len(), Digest::of(&bytes).to_string())
    }

    /// An entry of a channel that may be taken now.
    pub(crate) fn entry(version: &str) -> Value {
        let starts = SystemClock.now().to_string();
        json!({"version": version, "starts": starts})
    }
}
