//! A tools tree is used without chroot: the dynamic linker of the tree, the libraries of the tree.
//!
//! The tree here is made of scripts that print how they were started, so the test needs no Debian root.

use std::fs::{create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use acl_host::tool::{Tool, Tools};

/// A tree whose dynamic linker prints its arguments and what Python would be told.
fn tree() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    for directory in ["usr/bin", "usr/sbin", "usr/lib64", "etc/alternatives"] {
        create_dir_all(root.join(directory)).unwrap();
    }
    program(
        &root.join("usr/lib64/ld-linux-x86-64.so.2"),
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\necho ${PYTHONHOME-none} $LC_ALL\n",
    );
    program(&root.join("usr/bin/python3"), "\x7fELF");
    program(&root.join("usr/bin/mkfs.erofs"), "\x7fELF");
    program(&root.join("usr/bin/kmod"), "\x7fELF");
    program(
        &root.join("usr/bin/virt-fw-vars"),
        "#!/usr/bin/python3\nimport x\n",
    );
    program(&root.join("usr/bin/openssl.real"), "\x7fELF");
    symlink("../bin/kmod", root.join("usr/sbin/depmod")).unwrap();
    symlink("/usr/bin/kmod", root.join("usr/sbin/modinfo")).unwrap();
    symlink("/etc/alternatives/openssl", root.join("usr/bin/openssl")).unwrap();
    symlink(
        "/usr/bin/openssl.real",
        root.join("etc/alternatives/openssl"),
    )
    .unwrap();
    temp
}

fn program(path: &Path, text: &str) {
    write(path, text).unwrap();
    set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn started(root: &Path, tool: Tool) -> String {
    let command = Tools::tree(root).command(tool).args(["-x", "y"]);
    let said = String::from_utf8(command.run().unwrap()).unwrap();
    said.replace(&root.display().to_string(), "TREE")
}

const LIBRARIES: &str = "--library-path\nTREE/usr/lib/x86_64-linux-gnu:TREE/usr/lib/x86_64-linux-gnu/systemd:TREE/usr/lib/x86_64-linux-gnu/pulseaudio:\
    TREE/usr/lib/x86_64-linux-gnu/swtpm\n";

/// A link that leads to itself stands for a disk that fails: the recipe does not lack the package.
#[test]
fn a_program_that_cannot_be_looked_at_is_not_missing() {
    let tree = tree();
    let strip = tree.path().join("usr/bin/strip");
    symlink("strip", &strip).unwrap();
    let failed = Tools::tree(tree.path()).require(&Tool::Strip).unwrap_err();
    assert_eq!(
        acl_host::error::chain(&failed),
        format!(
            "cannot read {}: Too many levels of symbolic links (os error 40)",
            strip.display()
        )
    );
    std::fs::remove_file(&strip).unwrap();
    let missing = Tools::tree(tree.path()).require(&Tool::Strip).unwrap_err();
    assert!(
        matches!(missing, acl_host::Error::FindToolInTree { .. }),
        "{missing}"
    );
}

#[test]
fn programs_start_through_the_trees_linker() {
    let tree = tree();
    for (tool, name, path) in [
        (Tool::MkfsErofs, "usr/bin/mkfs.erofs", "usr/bin/mkfs.erofs"),
        (Tool::Depmod, "usr/sbin/depmod", "usr/sbin/depmod"),
        // On the host, these links would lead to the host's program or nowhere.
        (Tool::Openssl, "usr/bin/openssl", "usr/bin/openssl.real"),
        (Tool::Modinfo, "usr/sbin/modinfo", "usr/bin/kmod"),
    ] {
        let expected =
            format!("{LIBRARIES}--argv0\nTREE/{name}\nTREE/{path}\n-x\ny\nnone C.UTF-8\n");
        assert_eq!(started(tree.path(), tool), expected);
    }
}

#[test]
fn python_programs_start_with_the_trees_python() {
    let tree = tree();
    let expected = format!(
        "{LIBRARIES}--argv0\nTREE/usr/bin/python3\nTREE/usr/bin/python3\nTREE/usr/bin/virt-fw-vars\n-x\ny\nTREE/usr C.UTF-8\n"
    );
    assert_eq!(started(tree.path(), Tool::VirtFwVars), expected);
}

#[test]
fn data_lies_below_the_root() {
    let firmware = "usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
    assert_eq!(
        Tools::tree("/t").data(firmware),
        Path::new("/t/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
    );
    assert_eq!(
        Tools::host().data(firmware),
        Path::new("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
    );
}

#[test]
fn a_tree_by_a_relative_path_works_from_every_directory() {
    let tree = tree();
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count());
    let relative = format!("{up}{}", tree.path().display());
    let command = Tools::tree(relative).command(Tool::MkfsErofs);
    assert!(command.current_dir(tree.path()).run().is_ok());
}

#[test]
fn the_linker_is_the_trees_even_where_its_name_leads_out() {
    let tree = tree();
    let (name, real) = (
        tree.path().join("usr/lib64/ld-linux-x86-64.so.2"),
        tree.path()
            .join("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    );
    let before = started(tree.path(), Tool::MkfsErofs);
    create_dir_all(real.parent().unwrap()).unwrap();
    std::fs::rename(&name, &real).unwrap();
    symlink("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", &name).unwrap();
    assert_eq!(started(tree.path(), Tool::MkfsErofs), before);
}

/// The host's own `/usr` is a tree, too: real programs start in this way.
#[test]
fn real_programs_start() {
    let temp = tempfile::tempdir().unwrap();
    symlink("/usr", temp.path().join("usr")).unwrap();
    symlink("/usr/bin", temp.path().join("bin")).unwrap();
    let version = |tool| {
        let said = Tools::tree(temp.path())
            .command(tool)
            .arg("--version")
            .run();
        String::from_utf8(said.unwrap()).unwrap()
    };
    assert!(version(Tool::Sfdisk).starts_with("sfdisk from util-linux "));
    assert!(version(Tool::Veritysetup).starts_with("veritysetup "));
}
