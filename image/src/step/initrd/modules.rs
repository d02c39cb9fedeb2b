//! Kernel modules of the initrd, with what they depend on, and an index of just these.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};

use super::archive::Archive;
use crate::Error;
use crate::step::settle::kernel_version;

/// Index files that depmod does not make but reads, or that the kernel's build made.
const KEPT: [&str; 3] = [
    "modules.order",
    "modules.builtin",
    "modules.builtin.modinfo",
];

/// Adds the modules `names`; those that are built into the kernel need nothing.
pub(super) fn add(
    archive: &mut Archive,
    tree: &Path,
    names: &[String],
    tools: &Tools,
) -> Result<(), Error> {
    let version = kernel_version(tree)?;
    let base = Path::new("usr/lib/modules").join(&version);
    let dependencies = parse_dependencies(&read(&tree.join(&base).join("modules.dep"))?);
    let builtin = read(&tree.join(&base).join("modules.builtin"))?;
    let built_in: BTreeSet<String> = builtin.lines().map(module_name).collect();

    let mut wanted = BTreeSet::new();
    for name in names {
        if built_in.contains(&name.replace('-', "_")) {
            continue;
        }
        let module = dependencies
            .get(&name.replace('-', "_"))
            .ok_or_else(|| Error::NoModule {
                name: name.clone(),
                version: version.clone(),
            })?;
        wanted.extend(module.iter().cloned());
    }

    let scratch = tempfile::tempdir().map_err(|source| Error::ChangeTree {
        path: std::env::temp_dir(),
        source,
    })?;
    // depmod looks below `/lib`, as on a system with the merged `/usr`.
    std::os::unix::fs::symlink("usr/lib", scratch.path().join("lib")).map_err(|source| {
        Error::ChangeTree {
            path: scratch.path().join("lib"),
            source,
        }
    })?;
    for path in wanted
        .iter()
        .map(PathBuf::from)
        .chain(KEPT.map(PathBuf::from))
    {
        let path = base.join(path);
        archive.add(tree, &path)?;
        copy(&tree.join(&path), &scratch.path().join(&path))?;
    }
    tools
        .command(Tool::Depmod)
        .arg("-b")
        .arg(scratch.path())
        .arg(&version)
        .run()?;
    for name in [
        "modules.dep.bin",
        "modules.alias.bin",
        "modules.symbols.bin",
        "modules.softdep",
        "modules.builtin.bin",
        "modules.builtin.alias.bin",
    ] {
        archive.add(scratch.path(), &base.join(name))?;
    }
    Ok(())
}

/// Module name → the module's path and those that it needs, relative to the kernel's folder (modules.dep(5)).
fn parse_dependencies(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| {
            (
                module_name(path),
                std::iter::once(path)
                    .chain(needs.split_whitespace())
                    .map(str::to_owned)
                    .collect(),
            )
        })
        .collect()
}

/// The kernel's name for the module at `path`: without folder and ending, dashes as underscores.
fn module_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::ReadInput {
        path: path.to_owned(),
        source,
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let copy_error = |source| Error::ChangeTree {
        path: to.to_owned(),
        source,
    };
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(copy_error)?;
    }
    fs::copy(from, to).map_err(copy_error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_with_what_it_needs() {
        let text = "kernel/drivers/md/dm-verity.ko: kernel/drivers/md/dm-bufio.ko kernel/drivers/md/dm-mod.ko\nkernel/fs/erofs/erofs.ko:\n";
        let dependencies = parse_dependencies(text);
        assert_eq!(
            dependencies["dm_verity"],
            [
                "kernel/drivers/md/dm-verity.ko",
                "kernel/drivers/md/dm-bufio.ko",
                "kernel/drivers/md/dm-mod.ko"
            ]
        );
        assert_eq!(dependencies["erofs"], ["kernel/fs/erofs/erofs.ko"]);
    }
}
