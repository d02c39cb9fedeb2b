//! What is said of the maintainer scripts that did not run.

use std::fs;
use std::io::{Read, Write};

use acl_host::file::scratch;
use acl_image::archive::package::Package;
use acl_image::archive::store::Store;
use acl_image::step::scripts;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::archive::Site;

/// A package as Debian's nginx-common was: a user by a script, a directory for its log.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
fn what_scripts_of_added_packages_leave_undone_is_listed() {
    let site = Site::new();
    let deb = package(
        &[
            (
                "postinst",
                "#!/bin/sh\nadduser --system --group web\nadduser --system old\n\
                 deb-systemd-helper enable on.service\ndeb-systemd-helper enable off.service\n\
                 ln -s /etc/web/a /etc/web/there\nln -s /etc/web/b /etc/web/missing\n",
            ),
            ("prerm", "mkdir /srv/gone\n"),
        ],
        &["./usr/sbin/web", "./var/log/web/", "./var/lib/web/"],
    );
    let plain = package(&[], &["./usr/bin/plain"]);
    let zipped = compressed(&package(&[("preinst", "")], &["./usr/bin/zipped"]));
    let store = Store::open(&site.path("packages")).unwrap();
    let mut lock = site
        .lock(&site.recipe("install = [\"extra\"]", ""))
        .unwrap();
    lock.packages.clear();
    let old = String::from_utf8_lossy(&plain).replace("control.tar  ", "control.tar.Z");
    let old = old.into_bytes();
    for (name, deb) in [
        ("web", &deb),
        ("base", &deb),
        ("plain", &plain),
        ("old", &old),
        ("zipped", &zipped),
    ] {
        let package = Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            arch: "all".to_owned(),
            sha256: hex::encode(ring::digest::digest(&ring::digest::SHA256, deb)),
            size: deb.len() as u64,
            source: "test".to_owned(),
            path: "x.deb".to_owned(),
        };
        scratch(store.path(&package), deb).unwrap();
        lock.packages.push(package);
    }
    lock.added = Some(
        ["web", "plain", "old", "zipped"]
            .map(str::to_owned)
            .to_vec(),
    );
    let tree = site.path("tree");
    for (path, text) in [
        ("usr/share/acl/etc/passwd", "old:x:1:1::/:\n"),
        ("usr/share/acl/etc/group", "old:x:1:\n"),
        (
            "usr/lib/tmpfiles.d/web.conf",
            "d /var/lib/web/ 0750 web web\nr /var/log/web\n",
        ),
        ("usr/lib/tmpfiles.d/web.conf.old", "d /var/log/web\n"),
        (
            "usr/share/acl/etc/systemd/system/a.target.wants/on.service",
            "",
        ),
        ("usr/share/acl/etc/systemd/system/off.service.d/x.conf", ""),
        ("usr/share/acl/etc/web/there", ""),
    ] {
        fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
        scratch(tree.join(path), text.as_bytes()).unwrap();
    }
    let lines = scripts::left_undone(&lock, &store, &tree).unwrap();
    let read = format!(
        "dpkg-deb --info {} postinst",
        store.path(&lock.packages[0]).display()
    );
    let expected = [
        format!("web: postinst did not run; to read: {read}"),
        "web: the image has no user or group web: state it in usr/lib/sysusers.d".to_owned(),
        "web: /var/log/web is not made on the machine as the package wants it: state it in usr/lib/tmpfiles.d".to_owned(),
        "web: the image has no link /etc/web/missing to /etc/web/b: lay it in a [[tree]]".to_owned(),
        "web: off.service is not enabled: if it is to start, enable it in usr/lib/systemd/system-preset".to_owned(),
        "old: its scripts cannot be read: control.tar.Z: the compression .Z is not known; gz, xz and zst are".to_owned(),
        format!(
            "zipped: preinst did not run; to read: dpkg-deb --info {} preinst",
            store.path(&lock.packages[4]).display()
        ),
    ];
    assert_eq!(lines, expected);

    // A lock of an earlier acl-image.
    lock.added = None;
    assert_eq!(
        scripts::left_undone(&lock, &store, &tree).unwrap(),
        [
            "the lock does not say which packages the recipe adds to its base, so what their scripts would have done is \
          not listed; build once without --locked to make a lock that does"
        ]
    );
}

/// The same `.deb` with `control.tar.gz`, as third parties still make them.
fn compressed(deb: &[u8]) -> Vec<u8> {
    let mut from = ar::Archive::new(deb);
    let mut to = ar::Builder::new(Vec::new());
    while let Some(member) = from.next_entry() {
        let mut member = member.unwrap();
        let mut name = member.header().identifier().to_vec();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        if name == b"control.tar" {
            name.extend(b".gz");
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&bytes).unwrap();
            bytes = packed.finish().unwrap();
        }
        let header = ar::Header::new(name, bytes.len() as u64);
        to.append(&header, bytes.as_slice()).unwrap();
    }
    to.into_inner().unwrap()
}

/// A `.deb` with these scripts and paths.
pub(crate) fn package(scripts: &[(&str, &str)], paths: &[&str]) -> Vec<u8> {
    let tar = |entries: Vec<(String, &str)>| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o755);
            let kind = match name.ends_with('/') {
                true => tar::EntryType::Directory,
                false => tar::EntryType::Regular,
            };
            header.set_entry_type(kind);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let control = tar(scripts
        .iter()
        .map(|(name, text)| (format!("./{name}"), *text))
        .collect());
    let data = tar(paths.iter().map(|path| ((*path).to_owned(), "")).collect());
    let mut deb = ar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &control),
        ("data.tar", &data),
    ] {
        let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        deb.append(&header, bytes).unwrap();
    }
    deb.into_inner().unwrap()
}
