//! The initrd: systemd and what it needs to find `/usr`, taken file by file from the tree of the release itself.

mod archive;
mod closure;
mod modules;

use std::path::Path;

use acl_host::tool::Tools;

use crate::Error;
use crate::recipe::Initrd;
use archive::Archive;

/// Where the initrd's own links and folders lead; as on the merged `/usr` of the system itself.
const LINKS: [(&str, &str); 8] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
    ("init", "usr/lib/systemd/systemd"),
    ("usr/lib/systemd/system/default.target", "initrd.target"),
    ("etc/os-release", "initrd-release"),
    ("usr/bin/sh", "bash"),
];

/// Compression of the archive: 13.0 MB of 34. A node that has the archive of the release before fetches what changed in it
/// and compresses it again by itself, which at this level takes 0.2 s and 7 MB of memory; level 7 saves 7 % and takes 0.6 s
/// and 12 MB, level 12 saves 9 % and takes 2.3 s and 58 MB. `acl-release` knows a frame that it can make again only by trying:
/// see its `payload::inner`.
const LEVEL: i32 = 3;

/// The initrd for the settled `tree`, as the recipe lists its `contents`: a cpio archive (newc), compressed with zstd.
///
/// The same inputs give the same bytes: entries are sorted, owned by root and carry no time.
///
/// # Errors
/// When the tree lacks a file, a library, a unit or a module that is asked for; the error names it.
pub fn build(
    tree: &Path,
    contents: &Initrd,
    os_release: &str,
    tools: &Tools,
) -> Result<Vec<u8>, Error> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "run", "sys", "sysroot", "tmp", "var"] {
        archive.folder(Path::new(folder));
    }
    for (path, target) in LINKS {
        archive.link(Path::new(path), Path::new(target));
    }
    archive.bytes(
        Path::new("etc/initrd-release"),
        os_release.as_bytes().to_vec(),
    );
    archive.bytes(Path::new("etc/machine-id"), Vec::new());
    for accounts in ["passwd", "group"] {
        archive.copy(
            tree,
            &Path::new(super::settle::FACTORY_ETC).join(accounts),
            &Path::new("etc").join(accounts),
        )?;
    }

    closure::add(&mut archive, tree, &contents.programs)?;
    units(&mut archive, tree, &contents.units)?;
    for file in &contents.files {
        archive.add(tree, Path::new(file))?;
    }
    modules::add(&mut archive, tree, &contents.modules, tools)?;
    for layer in &contents.layers {
        archive.overlay(&layer.path)?;
    }
    let plain = archive.write()?;
    zstd::stream::encode_all(plain.as_slice(), LEVEL)
        .map_err(|source| Error::CompressInitrd { source })
}

/// Adds the units, and those links of `.wants` folders that lead to one of them.
fn units(archive: &mut Archive, tree: &Path, names: &[String]) -> Result<(), Error> {
    let folder = Path::new("usr/lib/systemd/system");
    for name in names {
        archive.add(tree, &folder.join(name))?;
    }
    for target in [
        "sysinit",
        "sockets",
        "initrd",
        "initrd-root-device",
        "initrd-root-fs",
    ] {
        let wants = folder.join(format!("{target}.target.wants"));
        for name in names {
            let link = wants.join(name);
            if tree.join(&link).symlink_metadata().is_ok() {
                archive.add(tree, &link)?;
            }
        }
    }
    Ok(())
}
