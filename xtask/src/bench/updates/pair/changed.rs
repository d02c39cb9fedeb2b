//! A release that differs from another in known bytes of its files, made by the tools that make real ones.
//!
//! `/usr` is unpacked, changed, and written again by the builder's own step. The kernel image stays, but for the root hash
//! on its command line: its signature and the root hash's are no longer good, which matters to firmware and kernel only.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::signature::VeritySignature;
use acl_host::tool::Tool;
use acl_host::verity::{self, RootHash};
use acl_image::step::usr;
use acl_tests::stamp::{Inputs, reuse};
use anyhow::{Context, Result, ensure};

use super::Sides;
use crate::bench::updates::image::{Description, Image};
use crate::bench::updates::kit::Kit;

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// A byte is inserted in the middle of the largest program, so that all after it moves.
    OneFile,
    /// The byte in the middle of each file is inverted.
    EveryFile,
}

impl What {
    const fn version(self) -> &'static str {
        match self {
            Self::OneFile => "1.0.1",
            Self::EveryFile => "1.0.2",
        }
    }
}

/// The release and its changed copy.
pub(super) fn sides(kit: &Kit, old: Image, what: What) -> Result<Sides> {
    let version = what.version();
    let directory = kit.directory.join("images").join(version);
    let inputs = old.identify(Inputs::default().word(format!("{what:?}")))?;
    reuse(&directory, &inputs, |empty| make(kit, &old, what, empty))?;
    let new = Image::read(&directory, version)?;
    Ok(Sides { old, new })
}

fn make(kit: &Kit, old: &Image, what: What, out: &Path) -> Result<()> {
    let tree = out.join("tree");
    kit.tools
        .command(Tool::FsckErofs)
        .arg(format!("--extract={}", tree.display()))
        .arg(old.file("usr")?)
        .run()?;
    change(&tree, what)?;
    let stem = format!("acl_{}", what.version());
    let path = |end: &str| out.join(format!("{stem}.{end}"));
    let (image, archive) = (path("usr.erofs"), out.join("usr.tar"));
    usr::build(&tree, &archive, &image, &kit.tools)?;
    fs::remove_file(archive)?;
    fs::remove_dir_all(tree)?;

    let data = File::open(&image)?;
    let made = verity::build(&data, &verity::Parameters::from_data(&data)?)?;
    file::scratch(path("usr.verity"), &made.bytes)?;
    let signature = VeritySignature {
        root_hash: made.root,
        ..VeritySignature::parse(&file::read(old.file("signature")?)?)?
    };
    file::scratch(path("usr.verity-sig.json"), signature.to_json().as_bytes())?;
    let uki = with_root_hash(&file::read(old.file("uki")?)?, old, made.root)?;
    file::scratch(path("efi"), &uki)?;
    describe(old, what.version(), &stem, made.root, &path("json"))
}

fn describe(old: &Image, version: &str, stem: &str, root: RootHash, to: &Path) -> Result<()> {
    let ends = [
        ("usr", "usr.erofs"),
        ("verity", "usr.verity"),
        ("signature", "usr.verity-sig.json"),
        ("uki", "efi"),
    ];
    let description = Description {
        version: version.to_owned(),
        root_hash: root.to_string(),
        files: ends
            .map(|(part, end)| (part.to_owned(), format!("{stem}.{end}")))
            .into(),
        ..old.description.clone()
    };
    Ok(file::scratch(
        to,
        &serde_json::to_vec_pretty(&description)?,
    )?)
}

/// The kernel image with another root hash in the place of its own, which has the same length.
fn with_root_hash(uki: &[u8], old: &Image, root: RootHash) -> Result<Vec<u8>> {
    let (from, to) = (&old.description.root_hash, root.to_string());
    let key = format!("usrhash={from}");
    let at = uki
        .windows(key.len())
        .position(|window| window == key.as_bytes())
        .context("the kernel image has no usrhash= on its command line")?;
    let at = at + key.len() - from.len();
    ensure!(from.len() == to.len(), "root hashes of different lengths");
    let mut changed = uki.to_vec();
    changed[at..at + to.len()].copy_from_slice(to.as_bytes());
    Ok(changed)
}

fn change(tree: &Path, what: What) -> Result<()> {
    let mut files = Vec::new();
    find(tree, &mut files, &mut HashSet::new())?;
    match what {
        What::EveryFile => files.iter().try_for_each(|path| invert(path)),
        What::OneFile => {
            let size = |path: &&PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
            let bin = tree.join("bin");
            let programs = files.iter().filter(|path| path.starts_with(&bin));
            insert(
                programs
                    .max_by_key(size)
                    .context("no program in /usr/bin")?,
            )
        }
    }
}

/// Every regular file, one with several names once.
fn find(directory: &Path, files: &mut Vec<PathBuf>, seen: &mut HashSet<u64>) -> Result<()> {
    for path in file::list(directory)? {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            find(&path, files, seen)?;
        } else if metadata.is_file() && seen.insert(metadata.ino()) {
            files.push(path);
        }
    }
    Ok(())
}

fn invert(path: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        let mut byte = [0];
        file.read_exact_at(&mut byte, length / 2)?;
        file.write_all_at(&[!byte[0]], length / 2)?;
    }
    Ok(())
}

fn insert(path: &Path) -> Result<()> {
    let mut bytes = file::read(path)?;
    bytes.insert(bytes.len() / 2, b'+');
    // Not replaced: its mode and its other names stay.
    let file = File::options().write(true).open(path)?;
    Ok(file.write_all_at(&bytes, 0)?)
}

#[cfg(test)]
mod tests {
    use super::{What, change};
    use acl_host::file::{read, scratch};

    #[test]
    fn one_byte_of_each_file_or_one_file() {
        let make = |what| {
            let tree = tempfile::tempdir().unwrap();
            let at = |name: &str| tree.path().join(name);
            std::fs::create_dir(at("bin")).unwrap();
            scratch(at("bin/big"), b"\x01\x02\x03\x04").unwrap();
            scratch(at("bin/small"), b"\x05").unwrap();
            scratch(at("larger"), &[6; 9]).unwrap();
            scratch(at("empty"), b"").unwrap();
            std::fs::hard_link(at("bin/big"), at("bin/same")).unwrap();
            change(tree.path(), what).unwrap();
            ["bin/big", "bin/same", "bin/small", "larger", "empty"]
                .map(|name| read(at(name)).unwrap())
        };
        let [big, same, small, larger, empty] = make(What::EveryFile);
        assert_eq!((&big[..], &same), (&[1, 2, !3, 4][..], &big));
        assert_eq!(
            (&small[..], larger[4], larger[3], empty.len()),
            (&[!5][..], !6, 6, 0)
        );
        let [big, same, small, larger, empty] = make(What::OneFile);
        assert_eq!((&big[..], &same), (&[1, 2, b'+', 3, 4][..], &big));
        assert_eq!(
            (&small[..], &larger[..], empty.len()),
            (&[5][..], &[6; 9][..], 0)
        );
    }
}
