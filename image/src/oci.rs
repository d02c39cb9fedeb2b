//! A container image as one file: an OCI image layout (OCI Image Format 1.1) in a tar archive, as `ctr images import`,
//! `podman load` and `skopeo` read it.
//!
//! One layer, not compressed, for one platform. The same contents give the same bytes.

mod layer;
mod reference;

use std::io;

use serde_json::{Value, json};
use tar::{Builder, EntryType};

use crate::digest::sha256;
use crate::tar_entry;

pub use layer::File;
pub use reference::Reference;

/// The only architecture so far, by Go's name for it.
const ARCHITECTURE: &str = "amd64";

/// A container image: files, and how its program is started.
#[derive(Debug, Clone)]
pub struct Container {
    /// Under which name a container runtime finds it.
    pub reference: Reference,
    /// The files of its root; directories above them come by themselves.
    pub files: Vec<File>,
    /// The program and its arguments.
    pub entrypoint: Vec<String>,
    /// The number of the user and the group that the program runs as.
    pub user: u32,
}

impl Container {
    /// The archive.
    ///
    /// # Errors
    /// When a path is not one that a tar archive can hold.
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        let layer = layer::tar(&self.files)?;
        let config = self.config(&layer).to_string().into_bytes();
        let manifest = manifest(&config, &layer).to_string().into_bytes();
        let index = self.index(&manifest).to_string().into_bytes();
        let mut archive = Builder::new(Vec::new());
        let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        append(&mut archive, "oci-layout", layout.as_bytes())?;
        append(&mut archive, "index.json", &index)?;
        for blob in [manifest, config, layer] {
            append(
                &mut archive,
                &format!("blobs/sha256/{}", sha256(&blob)),
                &blob,
            )?;
        }
        archive.into_inner()
    }

    fn config(&self, layer: &[u8]) -> Value {
        let user = self.user;
        json!({
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "User": format!("{user}:{user}"),
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [named_digest(layer)]},
        })
    }

    /// The entry point of the layout. Its annotations are what gives the image its name; containerd reads the first,
    /// everybody else the second (OCI Image Format, "Pre-Defined Annotation Keys").
    fn index(&self, manifest: &[u8]) -> Value {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
        entry["platform"] = json!({"architecture": ARCHITECTURE, "os": "linux"});
        entry["annotations"] = json!({
            "io.containerd.image.name": self.reference.to_string(),
            "org.opencontainers.image.ref.name": self.reference.tag(),
        });
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        })
    }
}

fn manifest(config: &[u8], layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": named_digest(blob), "size": blob.len()})
}

fn named_digest(blob: &[u8]) -> String {
    format!("sha256:{}", sha256(blob))
}

fn append(archive: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut head = tar_entry::head(EntryType::Regular, 0o644);
    head.set_size(bytes.len() as u64);
    archive.append_data(&mut head, path, bytes)
}

#[cfg(test)]
mod tests;
