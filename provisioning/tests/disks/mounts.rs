//! Mounting in order, unmounting in reverse, and never outside of the root.

use std::fs::{create_dir_all, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use acl_host::error::chain;
use acl_provision::config::spec::Config;
use acl_provision::stage::disks::Done;
use acl_provision::stage::{mount, umount};
use acl_provision::{Error, Result};

use super::programs::{Answer, Recorder, image, recorded};

/// A machine with three disks and a root below `/sysroot`.
struct Node {
    temp: tempfile::TempDir,
    machine: acl_provision::stage::disks::Machine,
    recorder: Recorder,
}

impl Node {
    fn new(answer: Answer) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for name in ["vdb", "vdc", "vdd"] {
            image(temp.path(), name, 1);
        }
        create_dir_all(temp.path().join("sysroot")).unwrap();
        let (machine, recorder) = recorded(temp.path(), answer);
        let node = Self {
            temp,
            machine,
            recorder,
        };
        node.mounted(&[]);
        node
    }

    fn root(&self) -> std::path::PathBuf {
        self.machine.root.join("sysroot")
    }

    fn mounted(&self, places: &[&str]) {
        let line = |place: &&str| {
            let place = self.root().join(place);
            format!(
                "30 1 8:1 / {} rw - ext4 /dev/x rw\n",
                place.display().to_string().replace(' ', "\\040")
            )
        };
        create_dir_all(self.temp.path().join("proc/self")).unwrap();
        let lines: String = places.iter().map(line).collect();
        write(self.temp.path().join("proc/self/mountinfo"), lines).unwrap();
    }
}

fn config(filesystems: &str) -> Config {
    let text = format!(
        r#"{{"ignition": {{"version": "3.6.0"}}, "storage": {{"filesystems": [{filesystems}]}}}}"#
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn said(result: Result<Vec<Done>>) -> String {
    match result {
        Ok(done) => done
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => chain(&error),
    }
}

const THREE: &str = r#"
    {"device": "/dev/vdb", "format": "ext4", "path": "/var/lib/a b"},
    {"device": "/dev/vdc", "format": "xfs", "path": "/srv", "mountOptions": ["noatime", "ro"]},
    {"device": "/dev/vdd", "format": "btrfs", "path": "/var", "mountOptions": []},
    {"device": "/dev/none", "format": "swap", "path": "/swap"},
    {"device": "/dev/none", "format": "none", "path": "/none"},
    {"device": "/dev/none", "path": "/no-format"},
    {"device": "/dev/none", "format": "ext4", "path": ""},
    {"device": "/dev/none", "format": "ext4"}"#;

#[test]
fn shallow_first_and_back() {
    let node = Node::new(|_| Ok(""));
    let config = config(THREE);
    let done = said(mount::apply(&config, &node.root(), &node.machine));
    assert_eq!(
        done,
        "/srv: /dev/vdc mounted; /var: /dev/vdd mounted; /var/lib/a b: /dev/vdb mounted"
    );
    assert_eq!(
        node.recorder.taken(),
        [
            "mount -o noatime,ro -t xfs /dev/vdc /sysroot/srv",
            "mount -t btrfs /dev/vdd /sysroot/var",
            r#"mount -t ext4 /dev/vdb "/sysroot/var/lib/a b""#,
        ]
    );
    let mode = |path: &str| {
        std::fs::metadata(node.root().join(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(
        [mode("srv") & 0o7777, mode("var/lib") & 0o7777],
        [0o755, 0o755]
    );

    node.mounted(&["srv", "var", "var/lib/a b"]);
    let done = said(umount::apply(&config, &node.root(), &node.machine));
    assert_eq!(
        done,
        "/var/lib/a b: unmounted; /var: unmounted; /srv: unmounted"
    );
    let lines = [
        r#"umount "/sysroot/var/lib/a b""#,
        "umount /sysroot/var",
        "umount /sysroot/srv",
    ];
    assert_eq!(node.recorder.taken(), lines);

    // What is not mounted is left out.
    node.mounted(&["srv"]);
    assert_eq!(
        said(umount::apply(&config, &node.root(), &node.machine)),
        "/srv: unmounted"
    );
    assert_eq!(node.recorder.taken(), ["umount /sysroot/srv"]);
}

#[test]
fn a_mount_that_fails_undoes_the_others() {
    let node = Node::new(|line| {
        if line.contains("/dev/vdb") {
            Err(32)
        } else {
            Ok("")
        }
    });
    // As the kernel would tell it after the first two.
    node.mounted(&["srv", "var"]);
    let error = said(mount::apply(&config(THREE), &node.root(), &node.machine));
    assert_eq!(
        error,
        "cannot mount /dev/vdb (ext4) at /var/lib/a b: mount failed (exit status: 32) and said nothing"
    );
    let lines = node.recorder.taken();
    assert_eq!(lines[3..], ["umount /sysroot/var", "umount /sysroot/srv"]);
}

#[test]
fn an_unmount_that_fails_does_not_keep_the_others() {
    let node = Node::new(|line| {
        if line.contains("umount /sysroot/var") {
            Err(32)
        } else {
            Ok("")
        }
    });
    for path in ["srv", "var"] {
        create_dir_all(node.root().join(path)).unwrap();
    }
    node.mounted(&["srv", "var"]);
    let result = umount::apply(&config(THREE), &node.root(), &node.machine);
    assert!(matches!(result, Err(Error::Prepare { .. })));
    assert_eq!(
        node.recorder.taken(),
        ["umount /sysroot/var", "umount /sysroot/srv"]
    );
}

/// A place that cannot be looked at may still be mounted: that is an error, and the others are unmounted.
#[test]
fn a_mount_point_that_cannot_be_looked_at_is_not_taken_for_unmounted() {
    let node = Node::new(|_| Ok(""));
    create_dir_all(node.root().join("srv")).unwrap();
    symlink("var", node.root().join("var")).unwrap();
    node.mounted(&["srv", "var"]);
    let error = said(umount::apply(&config(THREE), &node.root(), &node.machine));
    let loops = "Too many levels of symbolic links (os error 40)";
    assert!(
        error.starts_with("cannot read ") && error.ends_with(loops),
        "{error}"
    );
    assert_eq!(node.recorder.taken(), ["umount /sysroot/srv"]);
}

#[test]
fn mount_points_stay_inside() {
    let node = Node::new(|_| Ok(""));
    let root = node.root();
    let outside = node.temp.path().join("outside");
    create_dir_all(&outside).unwrap();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../outside", root.join("relative")).unwrap();
    create_dir_all(root.join("real")).unwrap();
    symlink("real", root.join("inner")).unwrap();
    write(root.join("file"), "").unwrap();
    for (path, reason) in [
        ("/absolute", "absolute is not a directory"),
        ("/absolute/x", "absolute is not a directory"),
        ("/relative/x", "relative is not a directory"),
        ("/inner/x", "inner is not a directory"),
        ("/file", "file is not a directory"),
        ("/file/x", "file is not a directory"),
        ("/real/../../outside/x", ""),
    ] {
        let config = config(&format!(
            r#"{{"device": "/dev/vdb", "format": "ext4", "path": "{path}"}}"#
        ));
        let error = said(mount::apply(&config, &root, &node.machine));
        let expected = match reason {
            "" => format!("cannot mount at {path}: it has a part .."),
            reason => format!("cannot mount at {path}: {}/{reason}", root.display()),
        };
        assert_eq!(error, expected);
    }
    assert_eq!(node.recorder.taken(), [""; 0]);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);

    // Nor is anything unmounted there.
    let config = config(r#"{"device": "/dev/vdb", "format": "ext4", "path": "/absolute"}"#);
    let line = format!(
        "30 1 8:1 / {} rw - ext4 /dev/x rw\n",
        outside.canonicalize().unwrap().display()
    );
    write(node.temp.path().join("proc/self/mountinfo"), line).unwrap();
    assert_eq!(said(umount::apply(&config, &root, &node.machine)), "");
    assert_eq!(node.recorder.taken(), [""; 0]);
}

#[test]
fn the_root_itself_and_a_device_that_is_missing() {
    let node = Node::new(|_| Ok(""));
    let slash = config(r#"{"device": "/dev/vdb", "format": "ext4", "path": "/"}"#);
    assert_eq!(
        said(mount::apply(&slash, &node.root(), &node.machine)),
        "/: /dev/vdb mounted"
    );
    assert_eq!(node.recorder.taken(), ["mount -t ext4 /dev/vdb /sysroot"]);
    let missing = config(r#"{"device": "/dev/md/x", "format": "ext4", "path": "/x"}"#);
    let error = said(mount::apply(&missing, &node.root(), &node.machine));
    assert_eq!(
        error,
        "the device /dev/md/x did not appear within 7 s; check its name in the config, and that the machine has it"
    );
    assert!(!Path::new(&node.root()).join("x").exists());
}

#[test]
fn a_mount_that_fails_names_device_type_and_options() {
    let node = Node::new(|line| {
        if line.starts_with("mount") {
            Err(32)
        } else {
            Ok("")
        }
    });
    let error = said(mount::apply(&config(THREE), &node.root(), &node.machine));
    assert_eq!(
        error,
        "cannot mount /dev/vdc (xfs, with options noatime,ro) at /srv: mount failed (exit status: 32) and said nothing"
    );
}
