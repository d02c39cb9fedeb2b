//! SSH keys in configs: what sshd cannot use is told. Each verdict is compared with `ssh-keygen`, which reads the same
//! lines, where it judges that.

use acl_host::{Tool, Tools};
use acl_provision::config;
use serde_json::json;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDQMk/zJriN0foR8Jk0Fp0emHY7C1yW+jg/YH6y0zBIP";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCWS+X8EeGtWIsOSF06aVd83XH9L9JIgWrPo8tDgYdl9ylDDFG3tHDkpCF576rRKdvHppRLxpJzfHa7BA5jnlCIiKE8+9TyiAmUnwoCpXqCp41QwRW/M7rlGgJWpYjZeIkqqiXb8iLTl2ZVjskhLCy5LtOl4q1KbLK1icYPEyS0UkdxKQM865WhUyIPN8LVUFbFTQYL5tKlc2TdxDmUvsJgofhHscv6ES9KTl0C0R6S6KzaCOH8z9qjLr4a/M0NtaVZpxvoXG5KtrjAf03x8wxZwjvj59N7EAFOaEpuvSZ7P9juNnhdBFKVXpmFPrFfSwGz22XciujMikd3uPOY2UCn";
const NISTP256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLboeHNqkWpvJ+TnxJKJ7b42XRMyR14Bx2VyVQRIpA+sGCXpnCppfrU2YzuEgFuGaPMPCTC6ZZ9ElKp55JiD04Q=";
const NISTP384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBBVQSnhfvrsW40AV205/q+qcrkVgxKoTs1KQIOIn2iPcGNfWf1ej6b+5+l25LhrLVrI99PmFhHN3H35QDGF67q1Ei3++ji7I9EVZ1+POf+2iUDyszbFOAvbJEwjL2Ajn1A==";
const NISTP521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAG3fNr93HkCwRWOd90BuMDkOESQAK0rH0orPqB7zbnYOEl5qSd1XUUE1T6ND/DD2XjvwIvRrimKg2fs/8bKMDr3bgCIHRXqTtsdAdQV4I26iqlXhjMuID5x+pVuQO/V/ri9eQRio3Xy9NdLHb9wWrLq8vE/1B2PSEJzF3GcojcWWIldAA==";
const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAJG+N6shl8fxUSEiTeU86dtk2ayuKse8d81F+qW71B6kP0gHBY7ZgEW5tt1Z4P9q3zwkbzZIgWHeSoZRengrGO4HWWOOk0Iyx2VAPbyBXuOR0RBoA9RlpXuNM9kdeWbDDGDO7vciRSb8kKmB0XFulRraMKhNsOKfP6CCJPUelzbnAAAAFQC8NBFJ1g/zA3s67h6RCWfvsa0JSQAAAIBX8951sdQwNEJHAbAC/DowD1wPjQA0Fxyz+pn72+O0ARyWjUmWkJh/ZhoYcNB2crvvmYfmQi3rSqrRaCQPmf7PAMqEMhzeYE50DvVSrnl9b0Jl/wggNQG+lJwVVU5OOuoRW4Eq5Jqba33m3Z2lixZATj353q8WYB4b52A5XIeVlwAAAIAv92uUVQktHSzsG0qytx0RSa2Tqf2xQez+cSIpVWWXd+NkqlLJdc48pNuSMZPdcRu1LiP388pM6hVNBiSuJRPCCUFAu1lCAgi9kLnY+J6t0TgfZmHsAvrl+9896m4ZeoO8seGo1jdzD3bJWS8H226tZYlB6WR3Tv8D2Q/JPQGOmg==";
/// An RSA key of 768 bits.
const SHORT: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAYQDDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

/// What `validate` says of a key.
fn told(key: &str) -> Option<String> {
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "passwordHash": "$y$x", "sshAuthorizedKeys": [key]}]},
    });
    let report = config::parse(config.to_string().as_bytes()).report;
    assert!(report.is_valid(), "Ignition accepts any text: {key}");
    assert!(report.entries.len() < 2, "{:?}", report.entries);
    let entry = report.entries.into_iter().next()?;
    assert_eq!(
        entry.path.to_string(),
        "$.passwd.users.0.sshAuthorizedKeys.0"
    );
    let why = entry.message.strip_prefix("sshd cannot use this key: ");
    Some(why.unwrap_or(&entry.message).to_owned())
}

/// Whether `ssh-keygen` finds a key in the line.
fn ssh_keygen_reads(key: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authorized_keys");
    acl_host::file::scratch(&path, format!("{key}\n").as_bytes()).unwrap();
    Tools::host()
        .command(Tool::SshKeygen)
        .args(["-l", "-f"])
        .arg(&path)
        .run()
        .is_ok()
}

#[test]
fn keys_that_sshd_takes() {
    for key in [
        ED25519.to_owned(),
        format!("{RSA} someone at home"),
        NISTP256.to_owned(),
        NISTP384.to_owned(),
        NISTP521.to_owned(),
        format!("  {ED25519}\tx"),
        format!("restrict {ED25519}"),
        format!(
            "no-pty,Command=\"echo \\\"a, b\\\" # c\",from=\"10.0.0.0/8,!10.0.0.1\" {ED25519} x"
        ),
        format!("environment=\"A=b c\" {RSA}"),
        // Flags that sshd(8) has in one form only.
        format!("touch-required,no-touch-required {ED25519}"),
        format!("verify-required,no-verify-required {ED25519}"),
    ] {
        assert_eq!(told(&key), None, "{key}");
        assert!(ssh_keygen_reads(&key), "{key}");
    }
}

#[test]
fn keys_that_sshd_cannot_use() {
    let no_type = "it does not begin with a type such as ssh-ed25519, nor with options and a type";
    let cut_off = "its bytes are cut off or damaged; copy it whole";
    let not_base64 = "what follows its type is not base64, or not whole";
    let ed25519 = ED25519.strip_prefix("ssh-ed25519 ").unwrap();
    for (key, why) in [
        ("foo".to_owned(), no_type),
        ("foo bar".to_owned(), no_type),
        (ed25519.to_owned(), no_type),
        ("ssh-ed25519".to_owned(), "nothing follows its type"),
        ("ssh-ed25519 A a".to_owned(), not_base64),
        ("ssh-ed25519 AAAA a".to_owned(), cut_off),
        (ED25519[..ED25519.len() - 4].to_owned(), cut_off),
        (NISTP256.replace('=', ""), not_base64),
        (
            format!("ssh-rsa {ed25519}"),
            "it says ssh-rsa, and its bytes are those of \"ssh-ed25519\"",
        ),
        (
            NISTP256.replace("nistp256 ", "nistp384 "),
            "it says ecdsa-sha2-nistp384, and its bytes are those of \"ecdsa-sha2-nistp256\"",
        ),
        (
            format!("ssh-ed448 {ed25519}"),
            "the type \"ssh-ed448\" is not known; ssh-ed25519 is",
        ),
        (
            format!("command=\"x {ED25519}"),
            "the quotes of its options do not end",
        ),
        (
            format!("# {ED25519}"),
            "a line that begins with # is a comment",
        ),
    ] {
        assert_eq!(told(&key).as_deref(), Some(why), "{key}");
        assert!(!ssh_keygen_reads(&key), "{key}");
    }
}

/// `ssh-keygen` reads them, and sshd refuses them.
#[test]
fn keys_that_sshd_refuses_for_what_they_are() {
    let certificate = ED25519.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com ");
    for (key, why) in [
        (
            DSA.to_owned(),
            "OpenSSH does not take DSA any more; make an ssh-ed25519 key",
        ),
        (
            certificate,
            "a certificate is not a key; give the key of its authority, with the option cert-authority",
        ),
        (
            format!("no-such-option,pty {ED25519}"),
            "the option \"no-such-option\" is not known (sshd(8))",
        ),
        (
            format!("ssh-rsa {SHORT}"),
            "an RSA key of 768 bits is too short; make an ssh-ed25519 key",
        ),
    ] {
        assert_eq!(told(&key).as_deref(), Some(why), "{key}");
    }
    let two = format!("{ED25519}\n{RSA}");
    let why = "several lines are several keys; give each one its own entry";
    assert_eq!(told(&two).as_deref(), Some(why));
    assert_eq!(
        told(" ").as_deref(),
        Some("this key is empty and lets nobody in; give one, or leave it out")
    );
}
