//! Releases small enough to be made in a moment, of the real kinds of files.

use std::path::Path;

use acl_host::{
    file,
    signature::VeritySignature,
    verity::{Parameters, RootHash, build},
};
use acl_release::{manifest::Inner, payload::inner};

use crate::uki::signed;

/// Bytes of the file system: more than are written at a time, and three windows that are flushed and read back.
pub(crate) const USR: usize = 1536 * 1024;
/// Bytes of the kernel.
const UKI: usize = 100 * 1024;
/// Bytes of the initrd, unpacked.
const INITRD: usize = 300 * 1024;
/// Bytes that differ from release to release.
pub(crate) const CHANGED: usize = 32 * 1024;

/// Write the build of `version` into `dir`, as the image builder does; its root hash.
pub(crate) fn write_build(dir: &Path, version: &str) -> RootHash {
    let usr = changed(noise("usr", USR), version);
    let tree = build(&usr[..], &Parameters::from_data(&usr[..]).unwrap()).unwrap();
    let signature = VeritySignature {
        root_hash: tree.root,
        certificate_fingerprint: [7; 32],
        signature: b"not checked by the agent, but by the kernel".to_vec(),
    };
    let stem = format!("acl_{version}");
    let put = |name: &str, bytes: &[u8]| file::scratch(dir.join(name), bytes).unwrap();
    std::fs::create_dir_all(dir).unwrap();
    put(&format!("{stem}.usr.erofs"), &usr);
    put(&format!("{stem}.usr.verity"), &tree.bytes);
    put(
        &format!("{stem}.usr.verity-sig.json"),
        signature.to_json().as_bytes(),
    );
    put(&format!("{stem}.efi"), &uki(version, &signature));
    put(
        &format!("{stem}.json"),
        format!(
            r#"{{"schema":1,"version":"{version}","arch":"x86-64","image_id":"acl","root_hash":"{}",
            "files":{{"usr":"{stem}.usr.erofs","verity":"{stem}.usr.verity",
            "signature":"{stem}.usr.verity-sig.json","uki":"{stem}.efi"}},
            "packages":{}}}"#,
            tree.root,
            packages(version)
        )
        .as_bytes(),
    );
    tree.root
}

/// The package list of a release: one that never changes, and one that always does.
pub(crate) fn packages(version: &str) -> String {
    format!(
        r#"[{{"name":"base-files","version":"13","arch":"amd64"}},
        {{"name":"linux","version":"{version}","arch":"amd64"}}]"#
    )
}

/// A signed PE image with the sections of a unified kernel image that matter here.
pub(crate) fn uki(version: &str, signature: &VeritySignature) -> Vec<u8> {
    let cmdline = format!(
        "quiet usrhash={} systemd.verity_usr_options=root-hash-signature=base64:{} panic=3\0",
        signature.root_hash,
        signature.signature_base64()
    );
    signed(&[
        (b".cmdline", cmdline.as_bytes()),
        (b".initrd\0", &initrd(version)),
        (b".linux\0\0", &noise(&format!("kernel {version}"), UKI)),
    ])
}

/// As the image builder compresses it.
fn initrd(version: &str) -> Vec<u8> {
    let mut plain = changed(noise("initrd", INITRD), version);
    plain.iter_mut().step_by(2).for_each(|byte| *byte = 0);
    let all = Inner {
        offset: 0,
        packed: 0,
        plain: plain.len() as u64,
        level: 7,
    };
    let mut frame = Vec::new();
    inner::press(&mut plain.as_slice(), &[all], &mut frame).unwrap();
    frame
}

/// The same bytes, but for some that are of the version.
fn changed(mut bytes: Vec<u8>, version: &str) -> Vec<u8> {
    let place = bytes.len() / 2;
    let new = noise(version, CHANGED);
    bytes[place..place + CHANGED].copy_from_slice(&new);
    bytes
}

/// Bytes that do not compress and differ from seed to seed (xorshift64).
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |s, b| {
        (s ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
