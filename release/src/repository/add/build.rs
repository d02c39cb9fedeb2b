//! What `acl-image build` wrote, and whether it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::signature::VeritySignature;
use acl_host::verity::{self, RootHash};
use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Package, Part, SCHEMA};
use crate::version::Version;

/// What `acl-image build` says about its result, in `<image_id>_<version>.json` beside the files.
#[derive(Debug, Deserialize)]
pub(super) struct Build {
    pub(super) schema: u32,
    pub(super) version: Version,
    pub(super) arch: String,
    pub(super) image_id: String,
    pub(super) root_hash: Digest,
    pub(super) files: BTreeMap<String, String>,
    pub(super) packages: Vec<Package>,
}

/// The directory and the description of a build.
pub(super) fn find(path: &Path) -> Result<(PathBuf, Build)> {
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

pub(super) fn file_of(dir: &Path, build: &Build, part: Part) -> Result<PathBuf> {
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
pub(super) fn check_verity(dir: &Path, build: &Build) -> Result<()> {
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
