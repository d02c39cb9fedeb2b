//! What `add` looks for in a build before it publishes anything of it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use acl_host::Who;
use acl_host::file::scratch;
use acl_host::signature::VeritySignature;
use acl_release::repository::add::{Added, Outcome};

use crate::site::{EFFORT, Site, build, cmdline, error, files, flip, told};
use crate::uki::{Section, signed, unsigned};

fn add(site: &Site, build: &Path) -> acl_release::Result<Added> {
    site.publisher().add(build, &EFFORT, &mut |_| {})
}

/// That a build is refused for this reason, and the repository is as it was.
fn refused(site: &Site, build: &Path, problem: &str) {
    let before = files(&site.path("repo"));
    let refused = error(add(site, build).map(|_| ()));
    assert_eq!(
        acl_host::error::chain(&refused),
        format!("the build in {} cannot be used: {problem}", build.display())
    );
    assert_eq!(refused.who(), Who::Operator);
    assert_eq!(files(&site.path("repo")), before);
}

/// The build of a release 2 that has not been added.
fn second(site: &Site) -> PathBuf {
    build(&site.path("builds"), "2", 2)
}

/// A link of a build may lead to a private key, which would be published.
#[tokio::test]
async fn symbolic_links_are_not_followed() {
    let site = Site::new().await;
    let build = second(&site);
    for name in ["usr", "verity", "signature", "uki", "acl_2.json"] {
        let (path, elsewhere) = (build.join(name), site.path("elsewhere"));
        std::fs::rename(&path, &elsewhere).unwrap();
        for target in [elsewhere.clone(), site.path("keys/root.key")] {
            symlink(target, &path).unwrap();
            let problem = format!(
                "{name} is a symbolic link, and what it leads to would be published; put the file itself there"
            );
            refused(&site, &build, &problem);
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::rename(&elsewhere, &path).unwrap();
    }
    // The operator named the directory, by whatever name.
    let link = site.path("latest");
    symlink(&build, &link).unwrap();
    assert_eq!(add(&site, &link).unwrap().outcome, Outcome::New);
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let site = Site::new().await;
    let build = second(&site);
    let uki = build.join("uki");
    std::fs::remove_file(&uki).unwrap();
    refused(&site, &build, "uki is missing");
    std::fs::create_dir(&uki).unwrap();
    refused(&site, &build, "uki is not a regular file");
    std::fs::remove_dir(&uki).unwrap();
    // Opening it must not wait for a writer.
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &uki, fifo, 0o600.into(), 0).unwrap();
    refused(&site, &build, "uki is not a regular file");
}

#[tokio::test]
async fn files_outside_of_the_build_are_refused() {
    let site = Site::new().await;
    let build = second(&site);
    let path = build.join("acl_2.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for name in ["../1/uki", "/etc/passwd", "..", ".uki"] {
        let text = text.replace(r#""uki":"uki""#, &format!(r#""uki":"{name}""#));
        scratch(&path, text.as_bytes()).unwrap();
        let problem = format!("'{name}' is not the name of a file in it");
        refused(&site, &build, &problem);
    }
    let text = text.replace(r#","uki":"uki""#, "");
    scratch(&path, text.as_bytes()).unwrap();
    refused(&site, &build, "acl_2.json names no file for uki");
}

#[tokio::test]
async fn descriptions_that_are_refused() {
    let site = Site::new().await;
    let build = second(&site);
    let path = build.join("acl_2.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = [
        (
            r#""schema":1"#,
            r#""schema":2"#,
            "acl_2.json: its schema is 2, this program knows 1",
        ),
        (
            "x86-64",
            "X86",
            "acl_2.json: 'X86' is not an architecture such as x86-64",
        ),
        (
            "{",
            "",
            "acl_2.json: invalid type: string \"arch\", expected struct Written at line 1 column 6",
        ),
    ];
    for (from, to, problem) in cases {
        scratch(&path, text.replacen(from, to, 1).as_bytes()).unwrap();
        refused(&site, &build, problem);
    }
    std::fs::remove_file(&path).unwrap();
    let none = "it holds no <image>_<version>.json; run `acl-image build` first";
    refused(&site, &build, none);
    scratch(path, text.as_bytes()).unwrap();
    scratch(build.join("acl_3.json"), text.as_bytes()).unwrap();
    let several = "it holds acl_2.json, acl_3.json; name one of them";
    refused(&site, &build, several);
    let named = add(&site, &build.join("acl_2.json")).unwrap();
    assert_eq!(named.outcome, Outcome::New);
}

#[tokio::test]
async fn the_files_must_mean_the_same_usr() {
    let site = Site::new().await;
    let build = second(&site);
    let root_hash = |build: &Path| {
        let text = std::fs::read(build.join("signature")).unwrap();
        VeritySignature::parse(&text).unwrap().root_hash
    };
    flip(&build.join("usr"), 5000);
    let problem = format!(
        "{}: the verity tree does not fit the data at byte 8192 of the tree",
        build.join("verity").display()
    );
    refused(&site, &build, &problem);
    flip(&build.join("usr"), 5000);
    std::fs::copy(build.join("signature"), site.path("signature")).unwrap();
    let one = site.path("builds/1");
    std::fs::copy(one.join("signature"), build.join("signature")).unwrap();
    let signature = build.join("signature");
    let own = VeritySignature::parse(&std::fs::read(site.path("signature")).unwrap()).unwrap();
    let problem = format!(
        "{}: it signs the root hash {}, not {}",
        signature.display(),
        root_hash(&one),
        own.root_hash
    );
    refused(&site, &build, &problem);
}

/// A node would find out at its next boot only.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
async fn the_kernel_image_must_be_the_releases_own_and_signed() {
    let site = Site::new().await;
    let build = second(&site);
    let signature = |build: &Path| {
        VeritySignature::parse(&std::fs::read(build.join("signature")).unwrap()).unwrap()
    };
    let (own, other) = (signature(&build), signature(&site.path("builds/1")));
    let line = cmdline(&own);
    let with = |line: &[u8]| {
        let sections: [Section<'_>; 2] = [(b".linux\0\0", b"kernel"), (b".cmdline", line)];
        signed(&sections)
    };
    let no_root_hash =
        "its kernel command line has no valid usrhash=, so it boots no verified /usr";
    let other_signature =
        "its kernel command line has another signature of the root hash than the build";
    let no_signature_text = "its kernel command line has no root-hash-signature= in systemd.verity_usr_options=, and no node \
                             boots a /usr that is not signed; build it with the signature of the root hash";
    let without = line.split(",root-hash-signature=").next().unwrap();
    let of_a_file = format!("{without},root-hash-signature=/usr.p7s");
    let changed = line.replace("base64:Ag", "base64:Aw");
    let sections: [Section<'_>; 2] = [(b".linux\0\0", b"kernel"), (b".cmdline", line.as_bytes())];
    let not_signed = "it has no Authenticode signature, and firmware with Secure Boot would refuse it; sign it with \
                      the db key";
    let whole = with(line.as_bytes());
    let mut other_kind = whole.clone();
    let table = whole.len() - 21;
    other_kind[table + 6] = 1;
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 1);
    let mut no_signature = whole.clone();
    no_signature[table + 12] ^= 1;
    let cases = [
        (
            std::fs::read(site.path("keys/root.key")).unwrap(),
            "it is not a unified kernel image: Invalid DOS magic".to_owned(),
        ),
        (
            signed(&sections[1..]),
            "it is not a unified kernel image: it has 0 sections .linux, not 1".to_owned(),
        ),
        (
            signed(&[sections[0], sections[1], sections[1]]),
            "it is not a unified kernel image: it has 2 sections .cmdline, not 1".to_owned(),
        ),
        (
            with(b"usrhash=\xff"),
            "its kernel command line is not UTF-8".to_owned(),
        ),
        (with(b"quiet"), no_root_hash.to_owned()),
        (with(b"usrhash=abc"), no_root_hash.to_owned()),
        (
            with(cmdline(&other).as_bytes()),
            format!(
                "it boots the /usr with the root hash {}, and this release's is {}",
                other.root_hash, own.root_hash
            ),
        ),
        (with(changed.as_bytes()), other_signature.to_owned()),
        (with(without.as_bytes()), no_signature_text.to_owned()),
        (with(of_a_file.as_bytes()), other_signature.to_owned()),
        (unsigned(&sections), not_signed.to_owned()),
        (other_kind, not_signed.to_owned()),
        (no_signature, not_signed.to_owned()),
        (cut, not_signed.to_owned()),
    ];
    for (uki, problem) in cases {
        let path = build.join("uki");
        scratch(&path, &uki).unwrap();
        refused(&site, &build, &format!("{}: {problem}", path.display()));
    }
    // Ended by a NUL byte, as some tools write the section.
    let plain = format!("{line}\0");
    scratch(build.join("uki"), &with(plain.as_bytes())).unwrap();
    assert_eq!(add(&site, &build).unwrap().outcome, Outcome::New);
}

/// Nodes pass over releases of another image, and never know why theirs does not come.
#[tokio::test]
async fn a_release_of_another_image_is_refused() {
    let site = Site::new().await;
    let build = second(&site);
    let path = build.join("acl_2.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let other = text.replace(r#""image_id":"acl""#, r#""image_id":"other""#);
    scratch(&path, other.as_bytes()).unwrap();
    let before = files(&site.path("repo"));
    let refused = error(add(&site, &build).map(|_| ()));
    assert_eq!(
        refused.to_string(),
        "release 2 is of image 'other', and the repository holds releases of image 'acl': nodes take only releases of \
         their own image; publish it in a repository of its own"
    );
    assert_eq!(refused.who(), Who::Operator);
    assert_eq!(files(&site.path("repo")), before);
}

#[tokio::test]
async fn versions_that_differ_only_in_case_are_refused() {
    let site = Site::new().await;
    let lower = build(&site.path("builds"), "2~rc1", 2);
    add(&site, &lower).unwrap();
    let upper = build(&site.path("builds"), "2~RC1", 3);
    assert_eq!(
        told(add(&site, &upper).map(|_| ())),
        "release 2~RC1 differs from release 2~rc1 of the repository only in upper and lower case, which the names of \
         boot entries do not tell apart: give the new build another version"
    );
    assert_eq!(add(&site, &lower).unwrap().outcome, Outcome::Unchanged);
}
