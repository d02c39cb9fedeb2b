//! Filesystems in homes: the stage `mount` makes the way to them before there are users.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};

use crate::files::users::BASE;
use crate::scene::{Scene, gives, is_root};

fn core(home: &str, mounted: &[&str]) -> Value {
    let filesystems: Vec<_> = mounted
        .iter()
        .map(|path| json!({ "device": "/dev/a", "format": "ext4", "path": path }))
        .collect();
    let mut config = json!({
        "storage": { "filesystems": filesystems },
        "passwd": { "users": [{ "name": "core" }] },
    });
    if !home.is_empty() {
        config["passwd"]["users"][0]["homeDir"] = json!(home);
    }
    config
}

/// The tree with the account; `@` is the owner of what is on the way.
#[track_caller]
fn check(home: &str, mounted: &[&str], before: &str, after: &str) {
    let path = if home.is_empty() { "/home/core" } else { home };
    let accounts = BASE.with(
        &format!("core:x:1501:1501::{path}:/bin/sh\n"),
        "core:*::0:99999:7:::\n",
        "core:x:1501:\n",
        "core:!::\n",
    );
    gives(
        &format!("{}{before}", BASE.tree()),
        core(home, mounted),
        &format!("{accounts}{after}"),
    );
}

#[test]
fn the_way_to_a_filesystem_in_a_home_is_the_users() {
    if !is_root("the_way_to_a_filesystem_in_a_home_is_the_users") {
        return;
    }
    let before = "home/ 0755 0:0\nhome/core/ 0755 0:0\nhome/core/.local/ 0755 0:0\nhome/core/.local/share/ 0755 0:0\n\
                  home/core/.local/share/containers/ 0755 0:0\n\
                  home/core/.local/share/containers/lost+found/ 0700 0:0\nhome/core/.local/else/ 0755 0:0";
    let after = "home/ 0755 0:0\nhome/core/ 0700 1501:1501\nhome/core/.local/ 0700 1501:1501\n\
                 home/core/.local/share/ 0700 1501:1501\nhome/core/.local/share/containers/ 0700 1501:1501\n\
                 home/core/.local/share/containers/lost+found/ 0700 0:0\nhome/core/.local/else/ 0755 0:0";
    let mounted = &["/home/core/.local/share/containers", "/var/data"];
    check("", mounted, before, after);
}

#[test]
fn a_filesystem_that_is_the_home_is_the_users() {
    if !is_root("a_filesystem_that_is_the_home_is_the_users") {
        return;
    }
    for (home, at) in [("", "home/core/"), ("/core", "core/")] {
        let above = if home.is_empty() {
            "home/ 0755 0:0\n"
        } else {
            ""
        };
        check(
            home,
            &[&format!("/{}", at.trim_end_matches('/'))],
            &format!("{above}{at} 0755 0:0\n{at}lost+found/ 0700 0:0"),
            &format!("{above}{at} 0700 1501:1501\n{at}lost+found/ 0700 0:0"),
        );
    }
}

/// A filesystem that was kept has its owners already, and what is the system's is nobody's home.
#[test]
fn what_belongs_to_someone_stays() {
    if !is_root("what_belongs_to_someone_stays") {
        return;
    }
    let before = "home/ 0755 0:0\nhome/core/ 0755 0:0\nhome/core/kept/ 0750 1234:1234";
    let after = "home/ 0755 0:0\nhome/core/ 0700 1501:1501\nhome/core/kept/ 0750 1234:1234";
    check("", &["/home/core/kept"], before, after);
    let tree = "var/ 0755 0:0\nvar/lib/ 0755 0:0\nvar/lib/data/ 0755 0:0";
    check("/var/lib", &["/var/lib/data"], tree, tree);
    let tree = "srv/ 0755 0:0\nsrv/data/ 0755 0:0";
    check("/srv", &["/srv/data"], tree, tree);
}

/// The directories of root's own home are root's already, and keep their modes.
#[test]
fn a_filesystem_in_the_home_of_root_changes_nothing() {
    if !is_root("a_filesystem_in_the_home_of_root_changes_nothing") {
        return;
    }
    let mut config = core("", &["/root", "/root/data"]);
    config["passwd"]["users"][0]["name"] = json!("root");
    let tree = format!("{}root/ 0755 0:0\nroot/data/ 0755 0:0\n", BASE.tree());
    gives(&tree, config, &tree);
}

/// An empty file system; unmounted when it is dropped, whatever happened meanwhile.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: &Path, flags: MountFlags) -> Self {
        mount("none", path, "tmpfs", flags, c"mode=0755").unwrap();
        Self(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

/// `mountOptions: ["ro"]`: the root of such a file system is nobody's to change, and the machine boots all the same.
#[test]
fn a_filesystem_that_cannot_be_written_to_stays_as_it_is() {
    if !is_root("a_filesystem_that_cannot_be_written_to_stays_as_it_is") {
        return;
    }
    let way = "home/ 0755 0:0\nhome/core/ 0755 0:0\nhome/core/disc/ 0755 0:0";
    let scene = Scene::new(&format!("{}{way}", BASE.tree()));
    let mounted = Mounted::new(&scene.path().join("home/core/disc"), MountFlags::RDONLY);
    assert_eq!(scene.apply(&core("", &["/home/core/disc"])), Ok(()));
    let tree = scene.tree();
    let homes: Vec<_> = tree
        .lines()
        .filter(|line| line.starts_with("home/"))
        .collect();
    drop(mounted);
    assert_eq!(
        homes,
        [
            "home/ 0755 0:0",
            "home/core/ 0700 1501:1501",
            "home/core/disc/ 0755 0:0",
        ]
    );
}
