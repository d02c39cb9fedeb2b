use acl_host::tool::Tool;
use acl_host::verity::RootHash;
use acl_image::pe::Image;
use acl_image::step::{sign, uki};

use crate::program::{keys, program, run, text};

fn root() -> RootHash {
    "4b2c94f8f0d4ed7f2a8e6d7c18f9b4a5c3d2e1f00f1e2d3c4b5a69788796a5b4"
        .parse()
        .unwrap()
}

#[test]
fn sbverify_accepts_a_signed_program_and_refuses_a_changed_one() {
    let (dir, keys) = keys();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("uki.efi");
    let program = program();
    let sections = uki::Sections {
        osrel: b"ID=acl",
        cmdline: b"quiet",
        uname: b"6.12",
        linux: &program,
        initrd: b"odd",
    };
    let mut signed = sign::program(&uki::build(&program, sections).unwrap(), &keys.db).unwrap();
    acl_host::file::scratch(&path, &signed).unwrap();
    let verify = |cert: &str| {
        let cert = dir.join(cert);
        acl_host::tool::Tools::host()
            .command(Tool::Sbverify)
            .args(["--cert", text(&cert), text(&path)])
            .run()
    };
    if let Err(error) = verify("db.crt") {
        panic!("{}", acl_host::error::chain(&error));
    }
    let refused = |cert: &str| acl_host::error::chain(&verify(cert).unwrap_err());
    // Why, it writes to its output, not to its error output.
    // Signed by db, it must not pass for one signed by kek.
    assert_eq!(
        refused("kek.crt"),
        "sbverify failed (exit status: 1) and said nothing"
    );

    let at = Image::parse(signed.clone()).unwrap().sections()[3].offset;
    signed[at] ^= 1;
    acl_host::file::scratch(&path, &signed).unwrap();
    // One flipped bit of the command line must be noticed.
    let told = refused("db.crt");
    assert!(told.ends_with("\nImage fails hash check"), "{told}");
}

#[test]
fn signing_twice_gives_the_same_bytes() {
    let (_, keys) = keys();
    assert!(
        sign::program(&program(), &keys.db).unwrap()
            == sign::program(&program(), &keys.db).unwrap()
    );
}

#[test]
fn a_signed_program_is_not_signed_again() {
    let (_, keys) = keys();
    let signed = sign::program(&program(), &keys.db).unwrap();
    let error = sign::program(&signed, &keys.db).unwrap_err();
    assert_eq!(
        acl_host::error::chain(&error),
        "the EFI program cannot be signed: it is signed already; give the unsigned file"
    );
}

#[test]
fn what_lies_after_the_sections_is_signed_too_padded_to_eight_bytes() {
    let (dir, keys) = keys();
    let mut longer = program();
    longer.extend(b"odd");
    let digest = |bytes: &[u8]| acl_image::authenticode::digest(bytes).unwrap();
    assert_ne!(digest(&program()), digest(&longer));
    let signed = sign::program(&longer, &keys.db).unwrap();
    longer.extend([0; 5]);
    assert_eq!(digest(&signed), digest(&longer));
    let scratch = tempfile::NamedTempFile::new().unwrap();
    acl_host::file::scratch(scratch.path(), &signed).unwrap();
    run(
        Tool::Sbverify,
        ["--cert", text(&dir.join("db.crt")), text(scratch.path())],
    );
}

#[test]
fn the_signature_of_a_root_hash_is_what_openssl_makes() {
    let (dir, keys) = keys();
    let scratch = tempfile::tempdir().unwrap();
    let hash = scratch.path().join("roothash");
    let out = scratch.path().join("signature");
    acl_host::file::scratch(&hash, root().to_string().as_bytes()).unwrap();
    run(
        Tool::Openssl,
        "smime -sign -nocerts -noattr -binary -outform der -in"
            .split(' ')
            .chain([
                text(&hash),
                "-inkey",
                text(&dir.join("verity.key")),
                "-signer",
                text(&dir.join("verity.crt")),
                "-out",
                text(&out),
            ]),
    );
    let ours = sign::root_hash(root(), &keys.verity).unwrap();
    assert_eq!(
        hex::encode(&ours.signature),
        hex::encode(std::fs::read(&out).unwrap())
    );
}

#[test]
fn the_fingerprint_is_that_of_the_certificate() {
    let (dir, keys) = keys();
    let certificate = dir.join("verity.crt");
    let printed = run(
        Tool::Openssl,
        [
            "x509",
            "-noout",
            "-fingerprint",
            "-sha256",
            "-in",
            text(&certificate),
        ],
    );
    let wanted = printed
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    let signature = sign::root_hash(root(), &keys.verity).unwrap();
    assert_eq!(hex::encode(signature.certificate_fingerprint), wanted);
    assert_eq!(signature.root_hash, root());
}
