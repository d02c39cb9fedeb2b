//! Nothing leaves the root, whatever is in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use acl_host::error::chain;
use acl_provision::root::{Kind, Owner, Place};

use proptest::prelude::*;

use crate::scene::{Scene, is_root, sorted};

/// Where a file is written through each hostile link, as the root's own tree.
#[test]
fn links_lead_to_places_inside() {
    for (link, path, after) in [
        ("a 0:0 -> /", "/a/x", "a 0:0 -> /\nx 0644 0:0 \"in\""),
        (
            "a 0:0 -> ../../..",
            "/a/x",
            "a 0:0 -> ../../..\nx 0644 0:0 \"in\"",
        ),
        (
            "a 0:0 -> /tmp/..",
            "/a/x",
            "a 0:0 -> /tmp/..\ntmp/ 0755 0:0\nx 0644 0:0 \"in\"",
        ),
        (
            "a 0:0 -> /b/c",
            "/a/d/x",
            "a 0:0 -> /b/c\nb/ 0755 0:0\nb/c/ 0755 0:0\nb/c/d/ 0755 0:0\nb/c/d/x 0644 0:0 \"in\"",
        ),
        (
            "a/ 0755 0:0\na/b 0:0 -> c/d",
            "/a/b/x",
            "a/ 0755 0:0\na/b 0:0 -> c/d\na/c/ 0755 0:0\na/c/d/ 0755 0:0\na/c/d/x 0644 0:0 \"in\"",
        ),
        (
            "a/ 0755 0:0\na/b 0:0 -> ../c",
            "/a/b/x",
            "a/ 0755 0:0\na/b 0:0 -> ../c\nc/ 0755 0:0\nc/x 0644 0:0 \"in\"",
        ),
        ("a 0:0 -> /etc/shadow", "/a", "a 0644 0:0 \"in\""),
        ("a 0:0 -> a", "/a", "a 0644 0:0 \"in\""),
        ("", "/../../x", "x 0644 0:0 \"in\""),
        ("", "x", "x 0644 0:0 \"in\""),
        ("", "//y/.//x", "y/ 0755 0:0\ny/x 0644 0:0 \"in\""),
    ] {
        let scene = Scene::new(link);
        scene.root().write(path, b"in", 0o644).unwrap();
        assert_eq!(sorted(&scene.tree()), sorted(after), "{link}");
        scene.assert_outside_untouched();
    }
}

#[test]
fn an_absolute_link_to_the_real_outside_leads_inside() {
    let scene = Scene::new("");
    symlink(scene.outside(), scene.path().join("door")).unwrap();
    symlink(scene.outside().join("secret"), scene.path().join("end")).unwrap();
    let root = scene.root();
    assert_eq!(root.read("/door/secret").unwrap(), None);
    assert_eq!(root.read("/end").unwrap(), None);
    assert!(root.find("/door/secret").unwrap().is_none());
    root.write("/door/secret", b"mine", 0o600).unwrap();
    root.write("/end", b"mine", 0o600).unwrap();
    root.place("/door").unwrap().remove().unwrap();
    assert!(!scene.path().join("door").exists());
    assert_eq!(fs::read(scene.path().join("end")).unwrap(), b"mine");
    let inside = scene
        .path()
        .join(scene.outside().strip_prefix("/").unwrap());
    assert_eq!(fs::read(inside.join("secret")).unwrap(), b"mine");
    scene.assert_outside_untouched();
}

#[test]
fn loops_and_files_in_the_way_are_errors() {
    let tree = "a 0:0 -> b\nb 0:0 -> a\nf 0644 0:0 \"\"\nl 0:0 -> l/l";
    let scene = Scene::new(tree);
    let root = scene.root();
    let no_loop = "inside the new root: Too many levels of symbolic links (os error 40)";
    let no_directory = "inside the new root: Not a directory (os error 20)";
    for (path, message) in [
        ("/a/x", format!("cannot resolve /a {no_loop}")),
        ("/l/x", format!("cannot resolve /l {no_loop}")),
        ("/f/x", format!("cannot resolve /f {no_directory}")),
        ("/f/x/y", format!("cannot resolve /f/x {no_directory}")),
    ] {
        let error = root.place(path).unwrap_err();
        assert_eq!(chain(&error), message, "{path}");
    }
    let invalid = "inside the new root: Invalid argument (os error 22)";
    for path in ["", "..", "/a/..", "/nul\0/x"] {
        let error = root.place(path).unwrap_err();
        assert!(
            chain(&error).ends_with(invalid),
            "{path}: {}",
            chain(&error)
        );
    }
    assert_eq!(sorted(&scene.tree()), sorted(tree));
}

#[test]
fn fifos_and_devices_are_not_opened() {
    let scene = Scene::new("pipe|\nlink 0:0 -> pipe");
    let root = scene.root();
    let special = "it is a device node, FIFO or socket, not a file";
    for path in ["/pipe", "/link"] {
        let error = root.read(path).unwrap_err();
        assert_eq!(chain(&error), format!("cannot read {path}: {special}"));
    }
    let place = root.place("/pipe").unwrap();
    assert_eq!(place.node().unwrap().unwrap().kind, Kind::Special);
    let error = place.open().unwrap_err();
    assert_eq!(chain(&error), format!("cannot read /pipe: {special}"));
    place.set(Some(0o777), Owner::default()).unwrap();
    place.write(b"in", 0o600, Owner::default()).unwrap();
    let after = "link 0:0 -> pipe\npipe 0600 0:0 \"in\"";
    assert_eq!(scene.tree(), after);
}

#[test]
fn as_root_device_nodes_are_not_opened() {
    if !is_root("as_root_device_nodes_are_not_opened") {
        return;
    }
    let scene = Scene::new("");
    // A device number that no driver has, and that root of a user namespace may use.
    let device = rustix::fs::makedev(0, 0);
    let (kind, mode) = (
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
    );
    let path = scene.path().join("device");
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, device).unwrap();
    let error = scene.root().read("/device").unwrap_err();
    let special = "it is a device node, FIFO or socket, not a file";
    assert_eq!(chain(&error), format!("cannot read /device: {special}"));
    scene.root().place("/device").unwrap().remove().unwrap();
    assert_eq!(scene.tree(), "");
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let scene = Scene::new("etc/ 0755 0:0");
    let place = scene.root().place("/etc/file").unwrap();
    fs::rename(scene.path().join("etc"), scene.path().join("was")).unwrap();
    symlink(scene.outside(), scene.path().join("etc")).unwrap();
    place.write(b"in", 0o644, Owner::default()).unwrap();
    let outside = scene.outside();
    let after = format!(
        "etc 0:0 -> {}\nwas/ 0755 0:0\nwas/file 0644 0:0 \"in\"",
        outside.display()
    );
    assert_eq!(scene.tree(), after);
    scene.assert_outside_untouched();
}

#[test]
fn removing_a_tree_removes_links_and_not_what_they_lead_to() {
    let scene = Scene::new("a/ 0755 0:0\na/b/ 0700 0:0\na/b/f 0600 0:0 \"\"\na/p|\nkept/ 0755 0:0");
    symlink(scene.outside(), scene.path().join("a/b/door")).unwrap();
    symlink("../kept", scene.path().join("a/kept")).unwrap();
    let root = scene.root();
    root.place("/a").unwrap().remove().unwrap();
    root.place("/a").unwrap().remove().unwrap();
    assert_eq!(scene.tree(), "kept/ 0755 0:0");
    let error = root.place("/").unwrap().remove().unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot remove /: Invalid argument (os error 22)"
    );
    assert_eq!(scene.tree(), "kept/ 0755 0:0");
    scene.assert_outside_untouched();
}

#[test]
fn a_tree_that_is_too_deep_is_an_error_and_not_a_crash() {
    let scene = Scene::new("");
    let mut at = rustix::fs::open(
        scene.path(),
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    for _ in 0..400 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    let error = scene.root().place("/d").unwrap().remove().unwrap_err();
    let message = "cannot remove /d: the tree is deeper than 256 directories";
    assert_eq!(chain(&error), message);
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let scene = Scene::new("f 0600 0:0 \"old\"");
    let root = scene.root();
    let place = root.place("/f").unwrap();
    let mut fresh = place.fresh().unwrap();
    fresh.write_all(b"half").unwrap();
    let while_written = ".f.acl-new 0600 0:0 \"half\"\nf 0600 0:0 \"old\"";
    assert_eq!(scene.tree(), while_written);
    drop(fresh);
    assert_eq!(scene.tree(), "f 0600 0:0 \"old\"");
}

#[test]
fn leftovers_of_an_interrupted_run_are_taken_away() {
    for leftover in [
        "NAME 0600 0:0 \"half\"",
        "NAME/ 0700 0:0\nNAME/f 0600 0:0 \"\"",
        "NAME 0:0 -> /etc",
        "NAME|",
    ] {
        let scene = |name: &str| Scene::new(&leftover.replace("NAME", name));
        let file = scene(".f.acl-new");
        file.root().write("/f", b"new", 0o640).unwrap();
        assert_eq!(file.tree(), "f 0640 0:0 \"new\"", "{leftover}");
        let directory = scene(".d.acl-new");
        let place = directory.root().place("/d").unwrap();
        place.make_directory(0o1777, Owner::default()).unwrap();
        assert_eq!(directory.tree(), "d/ 1777 0:0", "{leftover}");
        let link = scene(".l.acl-new");
        let place = link.root().place("/l").unwrap();
        place.link_to("t".as_ref(), Owner::default()).unwrap();
        assert_eq!(link.tree(), "l 0:0 -> t", "{leftover}");
    }
}

#[test]
fn names_as_long_as_they_can_be() {
    let scene = Scene::new("");
    let long = "n".repeat(255);
    scene.root().write(&long, b"in", 0o600).unwrap();
    assert_eq!(scene.tree(), format!("{long} 0600 0:0 \"in\""));
    let error = scene
        .root()
        .write("n".repeat(256), b"in", 0o600)
        .unwrap_err();
    assert!(chain(&error).ends_with(": File name too long (os error 36)"));
    assert_eq!(scene.tree(), format!("{long} 0600 0:0 \"in\""));
}

#[test]
fn where_paths_lead_to() {
    let tree = "a/ 0755 0:0\na/up 0:0 -> ..\na/b 0:0 -> /c/d\nloop 0:0 -> loop\nroot 0:0 -> /../..";
    let scene = Scene::new(tree);
    let root = scene.root();
    for (path, expected) in [
        ("/", "/"),
        ("/x", "/x"),
        ("/a/b", "/a/b"),
        ("/a/b/x", "/c/d/x"),
        ("/a/up/x", "/x"),
        ("/a/up/a/b/./x", "/c/d/x"),
        ("/a/b/../x", "/c/x"),
        ("/root/x/y", "/x/y"),
        ("/../x", "/x"),
        ("/missing/../x", "/x"),
    ] {
        assert_eq!(
            root.resolve(path).unwrap().to_str(),
            Some(expected),
            "{path}"
        );
    }
    let message = "cannot resolve /loop/x inside the new root: Too many levels of symbolic links (os error 40)";
    assert_eq!(chain(&root.resolve("/loop/x").unwrap_err()), message);
    assert_eq!(sorted(&scene.tree()), sorted(tree));
}

/// Parts that make the worst paths and targets of links.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "l", "m", "..", ".", "", "outside", "secret"]);
    let absolute = any::<bool>();
    (absolute, prop::collection::vec(part, 1..7)).prop_map(|(absolute, parts)| {
        let start = if absolute { "/" } else { "" };
        format!("{start}{}", parts.join("/"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever links there are and whatever is done at whatever path: no panic, and nothing outside changes.
    #[test]
    fn nothing_leaves(links in prop::collection::vec((hostile(), hostile()), 0..6), paths in prop::collection::vec((0..7, hostile()), 1..6)) {
        let scene = Scene::new("a/ 0755 0:0\na/b/ 0755 0:0\nm 0644 0:0 \"\"");
        let root = scene.root();
        for (path, target) in links {
            let _ = root.place(path).and_then(|place| place.link_to(target.as_ref(), Owner::default()));
        }
        for (action, path) in paths {
            let Ok(place) = root.place(&path) else { continue };
            let resolved = root.resolve(&path).unwrap();
            let same = root.place(&resolved).unwrap();
            let identity = |place: &Place| place.node().unwrap().map(|node| node.identity);
            prop_assert_eq!(identity(&same), identity(&place), "{} is {}", path, resolved.display());
            let _ = match action {
                0 => place.write(b"in", 0o600, Owner::default()),
                1 => place.make_directory(0o700, Owner::default()).map(drop),
                2 => place.remove(),
                3 => place.set(Some(0o640), Owner::default()),
                4 => root.place("/m").and_then(|link| link.hard_link_to(&place)),
                5 => root.read(&path).map(|bytes| assert_ne!(bytes.as_deref(), Some(&b"secret"[..]))),
                _ => root.list(&path).map(drop),
            };
        }
        scene.assert_outside_untouched();
    }
}
