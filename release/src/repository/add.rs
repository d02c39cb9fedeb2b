//! A build becomes a release of the repository: its files packed, its manifest signed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::signature::VeritySignature;
use acl_host::verity::{self, RootHash};
use serde::Deserialize;
use tempfile::NamedTempFile;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Artifacts, Blob, Manifest, Package, Part, SCHEMA};
use crate::payload::pack::{Packed, pack};
use crate::repository::documents::{digest_of, listed};
use crate::repository::publish::{Change, Publisher};
use crate::repository::store::{Metadata, Store, digest, to_json};
use crate::trust::roles;
use crate::version::Version;

/// What `acl-image build` says about its result, in `<image_id>_<version>.json` beside the files.
#[derive(Debug, Deserialize)]
struct Build {
    schema: u32,
    version: Version,
    arch: String,
    image_id: String,
    root_hash: Digest,
    files: BTreeMap<String, String>,
    packages: Vec<Package>,
}

impl Publisher {
    /// Adds a build: the directory, or the description in it when it holds several. Returns the release's manifest.
    ///
    /// What the repository has, whole, is not packed again. Nodes see nothing of it before it is promoted. `tell` is
    /// called before each file.
    ///
    /// # Errors
    /// [`Error::Build`] when the build is not whole; [`Error::ReleaseExists`] when the version is taken by other
    /// content; those of keys and files.
    pub fn add(
        &self,
        build: &Path,
        level: i32,
        tell: &mut dyn FnMut(Part, u64),
    ) -> Result<Manifest> {
        let mut metadata = Metadata::load(&self.store)?;
        let (dir, build) = find(build)?;
        check_verity(&dir, &build)?;
        let known = self.store.manifests(&metadata)?;
        let artifact = |part, tell: &mut dyn FnMut(Part, u64)| {
            self.artifact(&dir, &build, part, &known, level, tell)
        };
        let artifacts = Artifacts {
            usr: artifact(Part::Usr, tell)?,
            verity: artifact(Part::Verity, tell)?,
            signature: artifact(Part::Signature, tell)?,
            uki: artifact(Part::Uki, tell)?,
        };
        let Build {
            version,
            arch,
            image_id,
            root_hash,
            mut packages,
            ..
        } = build;
        packages.sort();
        let manifest = Manifest {
            schema: SCHEMA,
            version,
            arch,
            image_id,
            root_hash,
            artifacts,
            packages,
        };
        let name = Manifest::target(&manifest.version, &manifest.arch);
        let bytes = to_json("manifest", &manifest)?;
        match listed(&metadata.targets.signed, &name).map(digest_of) {
            Some(digest) if digest == Some(Digest::of(&bytes)) => return Ok(manifest),
            Some(_) => {
                return Err(Error::ReleaseExists {
                    version: manifest.version,
                    arch: manifest.arch,
                });
            }
            None => {}
        }
        self.store.write_document(&name, &bytes)?;
        roles::list(&mut metadata.targets.signed, &name, &bytes)?;
        let targets = metadata.targets.signed.clone();
        self.publish(
            metadata,
            Change {
                targets: Some(targets),
                ..Change::default()
            },
        )?;
        Ok(manifest)
    }

    /// Packs a file, unless a release has it already.
    fn artifact(
        &self,
        dir: &Path,
        build: &Build,
        part: Part,
        known: &[Manifest],
        level: i32,
        tell: &mut dyn FnMut(Part, u64),
    ) -> Result<Artifact> {
        let path = file_of(dir, build, part)?;
        let (size, sha256) = digest(&path)?;
        tell(part, size);
        let same = |artifact: &&Artifact| artifact.size == size && artifact.sha256 == sha256;
        let whole = |artifact: &&Artifact| {
            self.store.has(&artifact.index) && self.store.has(&artifact.pack)
        };
        let found = known
            .iter()
            .flat_map(|manifest| Part::ALL.map(|part| manifest.artifacts.part(part)))
            .filter(same)
            .find(whole);
        match found {
            Some(artifact) => Ok(artifact.clone()),
            None => pack_file(&self.store, &path, level, (size, sha256)),
        }
    }
}

/// The directory and the description of a build.
fn find(path: &Path) -> Result<(PathBuf, Build)> {
    let refuse = |problem: String| Error::Build {
        path: path.to_owned(),
        problem,
    };
    if path.is_file() {
        return Ok((
            path.parent().unwrap_or(Path::new("")).to_owned(),
            parse(path)?,
        ));
    }
    let entries = std::fs::read_dir(path).map_err(|source| Error::Publish {
        action: "list",
        path: path.to_owned(),
        source,
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| describes(name))
        .collect();
    names.sort();
    match names.as_slice() {
        [name] => Ok((path.to_owned(), parse(&path.join(name))?)),
        [] => Err(refuse(
            "it holds no <image>_<version>.json; run `acl-image build` first".to_owned(),
        )),
        several => Err(refuse(format!(
            "it holds {}; name one of them",
            several.join(", ")
        ))),
    }
}

/// Whether a file may be a build's description: other JSON beside it has a second word before its ending.
fn describes(name: &str) -> bool {
    let others = [
        ".lock.json",
        ".verity-sig.json",
        ".spdx.json",
        ".provenance.json",
    ];
    name.contains('_')
        && name.ends_with(".json")
        && !others.iter().any(|other| name.ends_with(other))
}

fn parse(path: &Path) -> Result<Build> {
    let refuse = |problem: String| Error::Build {
        path: path.to_owned(),
        problem,
    };
    let build: Build =
        serde_json::from_slice(&file::read(path)?).map_err(|source| refuse(source.to_string()))?;
    if build.schema != SCHEMA {
        return Err(refuse(format!(
            "its schema is {}, this program knows {SCHEMA}",
            build.schema
        )));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if build.arch.is_empty() || !build.arch.bytes().all(plain) {
        return Err(refuse(format!(
            "'{}' is not an architecture such as x86-64",
            build.arch
        )));
    }
    Ok(build)
}

fn file_of(dir: &Path, build: &Build, part: Part) -> Result<PathBuf> {
    let refuse = |problem: String| Error::Build {
        path: dir.to_owned(),
        problem,
    };
    let name = build
        .files
        .get(part.as_str())
        .ok_or_else(|| refuse(format!("its description names no file for {part}")))?;
    if name.contains('/') || name.starts_with('.') {
        return Err(refuse(format!("'{name}' is not the name of a file in it")));
    }
    let path = dir.join(name);
    if !path.is_file() {
        return Err(refuse(format!("{name} is missing")));
    }
    Ok(path)
}

/// The tree, the signature and the description must all mean the usr file system that is published: a node would find
/// out only after it has fetched everything.
fn check_verity(dir: &Path, build: &Build) -> Result<()> {
    let refuse = |file: &Path, error: acl_host::Error| Error::Build {
        path: dir.to_owned(),
        problem: format!("{}: {}", file.display(), acl_host::error::chain(&error)),
    };
    let root_hash = RootHash(*build.root_hash.bytes());
    let [usr, tree, signature] =
        [Part::Usr, Part::Verity, Part::Signature].map(|part| file_of(dir, build, part));
    let (usr, tree, signature) = (usr?, tree?, signature?);
    let open = |path: &Path| {
        File::open(path).map_err(|source| Error::Publish {
            action: "read",
            path: path.to_owned(),
            source,
        })
    };
    verity::check(&open(&usr)?, &open(&tree)?, &root_hash).map_err(|error| refuse(&tree, error))?;
    let signed = VeritySignature::parse(&file::read(&signature)?)
        .map_err(|error| refuse(&signature, error))?;
    if signed.root_hash != root_hash {
        let problem = format!(
            "{} signs the root hash {}, not {root_hash}",
            signature.display(),
            signed.root_hash
        );
        return Err(Error::Build {
            path: dir.to_owned(),
            problem,
        });
    }
    Ok(())
}

/// Packs a file into blobs; neither has its name before it is whole and durable.
fn pack_file(store: &Store, path: &Path, level: i32, expected: (u64, Digest)) -> Result<Artifact> {
    let blobs = store.dir().join("blobs");
    let failed = |source| Error::Publish {
        action: "pack",
        path: path.to_owned(),
        source,
    };
    let temporary = NamedTempFile::new_in(&blobs).map_err(failed)?;
    let mut out = BufWriter::new(temporary);
    let packed = pack(File::open(path).map_err(failed)?, &mut out, level).map_err(failed)?;
    if (packed.size, packed.sha256) != expected {
        return Err(failed(std::io::Error::other(
            "it changed while it was read",
        )));
    }
    out.flush().map_err(failed)?;
    let temporary = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    install(store, temporary, &packed.pack_sha256).map_err(failed)?;
    let index = packed.index.format().map_err(failed)?;
    let blob = Blob {
        sha256: Digest::of(&index),
        size: index.len() as u64,
    };
    file::write(store.blob(&blob.sha256), &index)?;
    file::sync_dir(&blobs)?;
    Ok(describe(&packed, blob))
}

fn install(store: &Store, temporary: NamedTempFile, digest: &Digest) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // A temporary file is its owner's alone; a web server runs as someone else.
    temporary
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    temporary
        .persist(store.blob(digest))
        .map_err(|error| error.error)?;
    Ok(())
}

fn describe(packed: &Packed, index: Blob) -> Artifact {
    Artifact {
        size: packed.size,
        sha256: packed.sha256,
        index,
        pack: Blob {
            sha256: packed.pack_sha256,
            size: packed.pack_size,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::describes;

    #[test]
    fn descriptions_by_name() {
        for (name, is) in [
            ("acl_1.2.json", true),
            ("acl_1.2.lock.json", false),
            ("acl_1.2.usr.verity-sig.json", false),
            ("summary.json", false),
            ("acl_1.2.efi", false),
        ] {
            assert_eq!(describes(name), is, "{name}");
        }
    }
}
