//! What `acl-image build` wrote, and whether it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use acl_host::signature::VeritySignature;
use acl_host::verity::{self, RootHash};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::Deserialize;

use super::pack::failed;
use super::uki;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Package, Part, SCHEMA};
use crate::repository::documents::LONGEST_NAME;
use crate::version::Version;

/// A build whose files are open: whatever its directory's names mean later, these files are checked and published.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) version: Version,
    pub(super) arch: String,
    pub(super) image_id: String,
    pub(super) root_hash: Digest,
    pub(super) packages: Vec<Package>,
    dir: PathBuf,
    files: BTreeMap<Part, (String, File)>,
}

/// What `acl-image build` says about its result, in `<image_id>_<version>.json` beside the files.
#[derive(Debug, Deserialize)]
struct Written {
    schema: u32,
    version: Version,
    arch: String,
    image_id: String,
    root_hash: Digest,
    files: BTreeMap<String, String>,
    packages: Vec<Package>,
}

impl Build {
    /// Opens a build by its directory, or by its description when the directory holds several.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let refuse = |problem: String| Error::Build {
            path: path.to_owned(),
            problem,
        };
        let (dir, name) = match (path.is_file(), path.file_name()) {
            (true, Some(name)) => {
                let above = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                let name = name.to_string_lossy().into_owned();
                (above.unwrap_or(Path::new(".")), name)
            }
            _ => (path, only_description(path)?),
        };
        let directory = File::open(dir).map_err(failed("open", dir))?;
        let open = |name: &str| open(&directory, name).map_err(refuse);
        let mut text = Vec::new();
        let mut description = open(&name)?;
        description
            .read_to_end(&mut text)
            .map_err(failed("read", &dir.join(&name)))?;
        let written = parse(&text).map_err(|problem| refuse(format!("{name}: {problem}")))?;
        let mut files = BTreeMap::new();
        for part in Part::ALL {
            let missing = || refuse(format!("{name} names no file for {part}"));
            let file = written.files.get(part.as_str()).ok_or_else(missing)?;
            files.insert(part, (file.clone(), open(file)?));
        }
        let mut packages = written.packages;
        packages.sort();
        Ok(Self {
            version: written.version,
            arch: written.arch,
            image_id: written.image_id,
            root_hash: written.root_hash,
            packages,
            dir: dir.to_owned(),
            files,
        })
    }

    /// A file of the build, and its path for messages.
    pub(super) fn file(&self, part: Part) -> Result<(&File, PathBuf)> {
        let missing = || self.refuse(format!("it has no {part}"));
        let (name, file) = self.files.get(&part).ok_or_else(missing)?;
        Ok((file, self.dir.join(name)))
    }

    /// The whole content of a small file.
    pub(super) fn read(&self, part: Part) -> Result<Vec<u8>> {
        let (mut file, path) = self.file(part)?;
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(failed("read", &path))?;
        Ok(bytes)
    }

    /// The tree, the signature, the kernel image and the description must all mean the usr file system that is
    /// published: a node would find out only after it has fetched everything.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |part, problem: String| match self.file(part) {
            Ok((_, path)) => self.refuse(format!("{}: {problem}", path.display())),
            Err(error) => error,
        };
        let told = |error: acl_host::Error| acl_host::error::chain(&error);
        let root_hash = RootHash(*self.root_hash.bytes());
        verity::check(
            self.file(Part::Usr)?.0,
            self.file(Part::Verity)?.0,
            &root_hash,
        )
        .map_err(|error| refuse(Part::Verity, told(error)))?;
        let signed = VeritySignature::parse(&self.read(Part::Signature)?)
            .map_err(|error| refuse(Part::Signature, told(error)))?;
        if signed.root_hash != root_hash {
            let other = signed.root_hash;
            let problem = format!("it signs the root hash {other}, not {root_hash}");
            return Err(refuse(Part::Signature, problem));
        }
        uki::check(&self.read(Part::Uki)?, &root_hash, &signed)
            .map_err(|problem| refuse(Part::Uki, problem.to_string()))
    }

    fn refuse(&self, problem: String) -> Error {
        Error::Build {
            path: self.dir.clone(),
            problem,
        }
    }
}

/// The name of the one description in a directory.
fn only_description(dir: &Path) -> Result<String> {
    let refuse = |problem: String| Error::Build {
        path: dir.to_owned(),
        problem,
    };
    let entries = std::fs::read_dir(dir).map_err(failed("list", dir))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| describes(name))
        .collect();
    names.sort();
    match names.as_slice() {
        [name] => Ok(name.clone()),
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

/// Opens a regular file that lies in the directory itself.
///
/// No symbolic link is followed: everything that is opened here is published, and a link may lead to a private key.
fn open(directory: &File, name: &str) -> std::result::Result<File, String> {
    // A dot at the beginning: `..`, and hidden files, which no build writes.
    if name.contains('/') || name.starts_with('.') {
        return Err(format!("'{name}' is not the name of a file in it"));
    }
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    // A FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::openat2(directory, name, flags, Mode::empty(), inside);
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Err(format!("{name} is missing")),
        Err(Errno::LOOP) => {
            return Err(format!(
                "{name} is a symbolic link, and what it leads to would be published; put the file itself there"
            ));
        }
        Err(error) => return Err(format!("{name} cannot be opened: {error}")),
    };
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => Err(format!("{name} is not a regular file")),
        Err(error) => Err(format!("{name} cannot be opened: {error}")),
    }
}

fn parse(text: &[u8]) -> std::result::Result<Written, String> {
    let build: Written = serde_json::from_slice(text).map_err(|source| source.to_string())?;
    if build.schema != SCHEMA {
        return Err(format!(
            "its schema is {}, this program knows {SCHEMA}",
            build.schema
        ));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if build.arch.is_empty() || !build.arch.bytes().all(plain) {
        return Err(format!(
            "'{}' is not an architecture such as x86-64",
            build.arch
        ));
    }
    if build.image_id.len() > LONGEST_NAME || build.arch.len() > LONGEST_NAME {
        return Err(format!(
            "the names of its image and architecture have {} and {} bytes, and nodes read {LONGEST_NAME} at most: \
             choose shorter ones",
            build.image_id.len(),
            build.arch.len()
        ));
    }
    Ok(build)
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
