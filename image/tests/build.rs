//! What a build refuses before it makes or fetches anything.

use std::fs;
use std::path::Path;

use acl_host::Who;
use acl_host::error::chain;
use acl_image::build::{Request, build};

use crate::archive::Site;
use crate::program::{keys, now};

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
