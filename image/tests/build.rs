//! What a build refuses before it makes or fetches anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use acl_host::Who;
use acl_host::environment::variable;
use acl_host::error::chain;
use acl_host::file::{make_parents, scratch};
use acl_host::tool::{Tool, Tools};
use acl_image::archive::package::Package;
use acl_image::archive::store::Store;
use acl_image::build::{Request, build};
use acl_image::lock::Lock;

use crate::archive::Site;
use crate::program::{keys, now};
use crate::scripts::package;

fn request(site: &Site) -> Request {
    Request {
        version: "1.0.0".to_owned(),
        out: site.path("out"),
        keys: keys().0.clone(),
        programs: site.path("programs"),
        cache: site.path("cache"),
        locked: None,
        after: None,
        formats: Vec::new(),
        now: now(),
    }
}

/// The text of the error that the operator must act on; nothing may have been made.
fn refused(site: &Site, rest: &str, request: &Request) -> String {
    let error = build(&site.recipe("install = [\"app\"]", rest), request).unwrap_err();
    assert_eq!(error.who(), Who::Operator, "{error}");
    assert!(!request.out.exists() && !request.cache.exists(), "{error}");
    chain(&error).replace(site.dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn a_version_that_could_not_be_a_boot_entry() {
    let site = Site::new();
    for version in ["", "1.0+3", "1/0", "1 0"] {
        let request = Request {
            version: version.to_owned(),
            ..request(&site)
        };
        let expected = format!(
            "the version may hold letters, digits and the characters `.`, `^`, `~` and `-`: {version:?} cannot be part of the name \
             of a boot entry"
        );
        assert_eq!(refused(&site, "", &request), expected);
    }
}

#[test]
fn a_program_that_was_not_built() {
    let site = Site::new();
    let program = "[[program]]\nname = \"aclctl\"\npath = \"usr/bin/aclctl\"\n";
    assert_eq!(
        refused(&site, program, &request(&site)),
        "there is no program DIR/programs/aclctl: build it first (`cargo build --release`), or name its directory with --programs"
    );
}

#[test]
fn a_key_that_does_not_fit_its_certificate() {
    let site = Site::new();
    let mixed = site.path("keys");
    fs::create_dir(&mixed).unwrap();
    for entry in fs::read_dir(&keys().0).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), mixed.join(entry.file_name())).unwrap();
    }
    fs::copy(mixed.join("kek.key"), mixed.join("db.key")).unwrap();
    let request = Request {
        keys: mixed,
        ..request(&site)
    };
    assert_eq!(
        refused(&site, "", &request),
        "the key DIR/keys/db.key does not belong to the certificate DIR/keys/db.crt: put back the file that was exchanged, \
         or move both away and run `acl-image keys init`"
    );
}

/// `--after`: a build takes nothing that is older than what an earlier one was made of.
#[test]
fn an_archive_that_is_behind_ends_the_build() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let mut earlier = site.lock(&recipe).unwrap();
    earlier.dates[0].date = "2025-11-01T00:00:01Z".parse().unwrap();
    let lock = site.path("earlier.json");
    acl_host::file::scratch(&lock, &earlier.to_json().unwrap()).unwrap();
    let request = Request {
        after: Some(lock),
        ..request(&site)
    };
    let error = build(&recipe, &request).unwrap_err();
    let text = chain(&error).replace(site.dir.path().to_str().unwrap(), "DIR");
    assert_eq!(
        text,
        "the archive test (test) is of 2025-11-01T00:00:00Z, and the lock DIR/earlier.json was made of one of 2025-11-01T00:00:01Z: \
         its mirror is behind or withholds updates; take another one with --mirror"
    );
    assert!(!request.out.exists());
}

#[test]
fn a_build_that_fails_leaves_the_older_one() {
    let site = Site::new();
    let request = request(&site);
    fs::create_dir(&request.out).unwrap();
    let older = request.out.join("t_1.0.0.json");
    acl_host::file::scratch(&older, b"older").unwrap();
    // The test archive has no kernel, so settling cannot succeed.
    build(&site.recipe("install = [\"app\"]", ""), &request).unwrap_err();
    let left: Vec<_> = fs::read_dir(&request.out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [Path::new("t_1.0.0.json")]);
    assert_eq!(acl_host::file::read(&older).unwrap(), b"older");
}

/// Set in the process whose output is looked at.
const INNER: &str = "ACL_IMAGE_TEST_INNER";

/// The build says it, and does not only know it. It runs in a process of its own, whose standard error is read, and with a
/// depmod that does nothing: there are no modules, and the machine of the tests need not have kmod.
#[test]
fn a_build_says_what_scripts_of_added_packages_left_undone() {
    if variable(INNER).is_some() {
        return build_with_an_added_package();
    }
    let dir = tempfile::tempdir().unwrap();
    let depmod = dir.path().join("depmod");
    scratch(&depmod, b"#!/bin/sh\n").unwrap();
    fs::set_permissions(&depmod, fs::Permissions::from_mode(0o755)).unwrap();
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut running = Tools::host()
        .command(Tool::Own(std::env::current_exe().unwrap()))
        .args([
            "--exact",
            "build::a_build_says_what_scripts_of_added_packages_left_undone",
        ])
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .env(INNER, "1")
        .stderr(said.reopen().unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(300)).unwrap().unwrap();
    let said = acl_host::file::read_to_string(said.path()).unwrap();
    assert!(status.success(), "{said}");
    let own: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(": web: "))
        .collect();
    let [script, account] = own.as_slice() else {
        panic!("{said}");
    };
    let start = "acl-image: web: postinst did not run; to read: dpkg-deb --info ";
    assert!(script.starts_with(start), "{script}");
    let lacks =
        "acl-image: web: the image has no user or group web: state it in usr/lib/sysusers.d";
    assert_eq!(*account, lacks);
}

/// Goes on to the scripts; without a kernel and a boot loader it cannot end.
fn build_with_an_added_package() {
    let site = Site::new();
    for (path, text) in [
        (
            "usr/share/base-passwd/passwd.master",
            "root:*:0:0:root:/root:/bin/sh\n",
        ),
        ("usr/share/base-passwd/group.master", "root:*:0:\n"),
        ("usr/lib/modules/6.12/modules.order", ""),
        ("usr/lib/sysusers.d/t.conf", "u t - -\n"),
        ("etc/hosts", ""),
    ] {
        let path = site.path("tree").join(path);
        make_parents(&path).unwrap();
        scratch(&path, text.as_bytes()).unwrap();
    }
    let tree = "[[tree]]\npath = \"tree\"\nreason = \"x\"\n";
    let recipe = site.recipe("install = [\"web\"]", tree);
    let script = "#!/bin/sh\nadduser --system web\n";
    let deb = package(&[("postinst", script)], &["./usr/sbin/web"]);
    let request = Request {
        locked: Some(site.path("lock.json")),
        ..request(&site)
    };
    let store = Store::open(&request.cache.join("packages")).unwrap();
    let web = Package {
        name: "web".to_owned(),
        version: "1".to_owned(),
        arch: "all".to_owned(),
        sha256: hex::encode(ring::digest::digest(&ring::digest::SHA256, &deb)),
        size: deb.len() as u64,
        source: "test".to_owned(),
        path: "x.deb".to_owned(),
    };
    scratch(store.path(&web), &deb).unwrap();
    let lock = Lock {
        packages: vec![web],
        added: Some(vec!["web".to_owned()]),
        ..Lock::empty(&recipe)
    };
    scratch(site.path("lock.json"), &lock.to_json().unwrap()).unwrap();
    let error = build(&recipe, &request).unwrap_err();
    // For whoever looks why the outer test failed.
    acl_image::progress::note(&chain(&error));
}
