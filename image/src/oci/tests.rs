//! What other programs read in the archive, told from its bytes.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use super::{Container, File};
use crate::digest::sha256;

fn container() -> Container {
    Container {
        reference: "localhost/acl/pause:1".parse().unwrap(),
        files: vec![File {
            path: "usr/bin/pause".to_owned(),
            mode: 0o755,
            bytes: b"program".to_vec(),
        }],
        entrypoint: vec!["/usr/bin/pause".to_owned(), "-P".to_owned()],
        user: 65535,
    }
}

/// Each entry's path, with its mode, owner, time and content.
fn entries(archive: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header();
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let (mode, time) = (header.mode().unwrap(), header.mtime().unwrap());
        let said = format!("{mode:o} {uid}:{gid} {time}");
        (entry.path().unwrap().display().to_string(), said, bytes)
    });
    entries.collect()
}

#[test]
fn every_blob_is_found_by_its_digest() {
    let archive = container().archive().unwrap();
    let files: BTreeMap<_, _> = entries(&archive)
        .into_iter()
        .map(|(path, said, bytes)| {
            assert_eq!(said, "644 0:0 1750000000");
            (path, bytes)
        })
        .collect();
    assert_eq!(files.len(), 5);
    assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
    let follow = |entry: &Value| {
        let digest = entry["digest"].as_str().unwrap().replace(':', "/");
        let blob = &files[&format!("blobs/{digest}")];
        assert_eq!(entry["size"], blob.len());
        assert_eq!(digest, format!("sha256/{}", sha256(blob)));
        blob.clone()
    };
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let index = read(&files["index.json"]);
    let entry = &index["manifests"][0];
    let names = json!({
        "io.containerd.image.name": "localhost/acl/pause:1",
        "org.opencontainers.image.ref.name": "1",
    });
    assert_eq!(entry["annotations"], names);
    let manifest = read(&follow(entry));
    let layer = follow(&manifest["layers"][0]);
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/bin/pause", "-P"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "User": "65535:65535",
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
    });
    assert_eq!(read(&follow(&manifest["config"])), config);
    let root = [
        ("usr", "755 0:0 1750000000", ""),
        ("usr/bin", "755 0:0 1750000000", ""),
        ("usr/bin/pause", "755 0:0 1750000000", "program"),
    ];
    let root = root.map(|(path, said, text)| (path.to_owned(), said.to_owned(), text.into()));
    assert_eq!(entries(&layer), root);
}

#[test]
fn the_archive_depends_on_its_contents_only() {
    let archive = container().archive().unwrap();
    assert_eq!(container().archive().unwrap(), archive);
    let mut other = container();
    other.files[0].bytes.push(b'!');
    assert_ne!(other.archive().unwrap(), archive);
}
