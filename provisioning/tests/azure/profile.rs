//! The administrator, the keys and the name that Azure gives.

use acl_host::error::chain;
use acl_provision::config::spec::Config;
use acl_provision::platform::azure::imds::Instance;
use acl_provision::platform::azure::ovf::{Password, Provisioning, PublicKey};
use acl_provision::platform::azure::profile::config;
use acl_provision::platform::{Machine, Platform};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{Fake, Reply, ok};
use super::ovf::ovf;
use crate::platform::{machine, told, write};

const SALT: &str = "0123456789abcdef";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn instance() -> Instance {
    Instance {
        host_name: some("aks-1"),
        user_name: some("azureuser"),
        password_disabled: Some(true),
        keys: vec!["ssh-rsa AAAA one".to_owned()],
    }
}

fn provisioning() -> Provisioning {
    Provisioning {
        host_name: some("ovf-host"),
        user_name: some("ovf-user"),
        password_disabled: true,
        keys: vec![key("ssh-rsa BBBB two")],
        ..Provisioning::default()
    }
}

fn key(value: &str) -> PublicKey {
    PublicKey {
        value: some(value),
        ..PublicKey::default()
    }
}

/// A whole config; members that are null count as left out.
fn expect(document: &Value) -> Config {
    serde_json::from_value(document.clone()).unwrap()
}

fn hostname(base64: &str) -> Value {
    json!({"path": "/etc/hostname", "mode": 0o644, "overwrite": true, "contents": {"source": format!("data:;base64,{base64}")}})
}

fn user(name: &str, keys: &[&str]) -> Value {
    json!({"name": name, "groups": ["sudo"], "shell": "/bin/bash", "sshAuthorizedKeys": keys})
}

fn whole(files: &[Value], users: &[Value]) -> Config {
    let mut document = json!({"ignition": {"version": "3.6.0"}});
    if !files.is_empty() {
        document["storage"] = json!({"files": files});
    }
    if !users.is_empty() {
        document["passwd"] = json!({"users": users});
    }
    expect(&document)
}

fn makes(instance: Option<&Instance>, provisioning: Option<&Provisioning>, expected: &Config) {
    let made = config(instance, provisioning, SALT).unwrap();
    assert_eq!(made, *expected, "{instance:?} {provisioning:?}");
}

#[test]
fn imds_counts_before_the_medium_and_keys_are_joined() {
    let (instance, medium) = (instance(), provisioning());
    let joined = user("azureuser", &["ssh-rsa AAAA one", "ssh-rsa BBBB two"]);
    makes(
        Some(&instance),
        Some(&medium),
        &whole(&[hostname("YWtzLTEK")], &[joined]),
    );
    let of_imds = user("azureuser", &["ssh-rsa AAAA one"]);
    makes(
        Some(&instance),
        None,
        &whole(&[hostname("YWtzLTEK")], &[of_imds]),
    );
    let of_medium = whole(
        &[hostname("b3ZmLWhvc3QK")],
        &[user("ovf-user", &["ssh-rsa BBBB two"])],
    );
    makes(None, Some(&medium), &of_medium);
    makes(Some(&Instance::default()), Some(&medium), &of_medium);
}

#[test]
fn what_azure_does_not_say_is_not_made() {
    let nothing = Instance::default();
    makes(None, None, &whole(&[], &[]));
    makes(Some(&nothing), None, &whole(&[], &[]));
    makes(
        Some(&nothing),
        Some(&Provisioning::default()),
        &whole(&[], &[]),
    );
    let name = Instance {
        host_name: some("h"),
        ..Instance::default()
    };
    makes(Some(&name), None, &whole(&[hostname("aAo=")], &[]));
    let user = Instance {
        user_name: some("a"),
        ..Instance::default()
    };
    let bare = json!({"name": "a", "groups": ["sudo"], "shell": "/bin/bash"});
    makes(Some(&user), None, &whole(&[], &[bare]));
}

#[test]
fn keys_are_taken_once_and_not_from_certificates() {
    let instance = Instance {
        keys: vec![
            "ssh-rsa AAAA one\r\n".into(),
            " ssh-rsa AAAA one".into(),
            String::new(),
        ],
        ..instance()
    };
    let certificate = PublicKey {
        fingerprint: some("AB"),
        ..PublicKey::default()
    };
    let medium = Provisioning {
        keys: vec![key("ssh-rsa AAAA one"), certificate],
        ..provisioning()
    };
    let expected = whole(
        &[hostname("YWtzLTEK")],
        &[user("azureuser", &["ssh-rsa AAAA one"])],
    );
    makes(Some(&instance), Some(&medium), &expected);
}

/// The administrator's hash, and whether sshd is told to take passwords.
fn password(text: &str, disabled: (Option<bool>, bool)) -> (Option<String>, bool) {
    let instance = Instance {
        password_disabled: disabled.0,
        ..instance()
    };
    let provisioning = Provisioning {
        password: Some(Password(text.to_owned())),
        password_disabled: disabled.1,
        ..provisioning()
    };
    let made = config(Some(&instance), Some(&provisioning), SALT).unwrap();
    let hash = made.passwd.unwrap().users.unwrap()[0].password_hash.clone();
    let files = made.storage.unwrap().files.unwrap();
    let sshd = files.iter().find(|file| file.path != "/etc/hostname");
    if let Some(file) = sshd {
        assert_eq!(file.path, "/etc/ssh/sshd_config.d/50-azure.conf");
        let source = file.contents.as_ref().unwrap().source.as_deref();
        // "PasswordAuthentication yes\n"
        assert_eq!(
            source,
            Some("data:;base64,UGFzc3dvcmRBdXRoZW50aWNhdGlvbiB5ZXMK")
        );
    }
    (hash, sshd.is_some())
}

/// "Secret-1" with the salt above, by `openssl passwd -6`.
const HASH: &str = "$6$0123456789abcdef$LHXGQBjgdjbxzeciXyo3qBPF/SSbVZ49NxbUtIZUWHqo1iXbvIuxB5WO5wpai7fTe.i3mp73KVhQinFDRrEkh.";

#[test]
fn passwords_are_hashed_and_count_only_where_azure_says_so() {
    for (disabled, told) in [
        ((Some(true), false), false),
        ((Some(false), true), true),
        ((None, true), false),
        ((None, false), true),
    ] {
        assert_eq!(
            password("Secret-1", disabled),
            (some(HASH), told),
            "{disabled:?}"
        );
    }
    assert_eq!(password(HASH, (None, true)), (some(HASH), false));
}

#[test]
fn names_and_keys_that_cannot_be_set() {
    let name = |host: &str| Instance {
        host_name: some(host),
        ..instance()
    };
    let user = |name: &str| Instance {
        user_name: some(name),
        ..instance()
    };
    let keys = |key: &str| Instance {
        keys: vec![key.to_owned()],
        ..instance()
    };
    let wrong = |what: &str, found: &str| {
        format!("Azure gives a wrong {what}: {found:?}; correct it in the machine's OS profile")
    };
    let long = "a".repeat(65);
    let cases = [
        (name("a b"), wrong("host name", "a b")),
        (name("-a"), wrong("host name", "-a")),
        (name("a\nb"), wrong("host name", "a\nb")),
        (name("../etc"), wrong("host name", "../etc")),
        (name(&long), wrong("host name", &long)),
        (user("a:b"), wrong("administrator's name", "a:b")),
        (user("-a"), wrong("administrator's name", "-a")),
        (user("1a"), wrong("administrator's name", "1a")),
        (user("a/../b"), wrong("administrator's name", "a/../b")),
        (user(&long), wrong("administrator's name", &long)),
        (
            keys("ssh-rsa A\nssh-rsa B"),
            wrong("SSH key (which must be one line)", "ssh-rsa A\nssh-rsa B"),
        ),
        (
            Instance {
                user_name: None,
                ..instance()
            },
            wrong("administrator's name", "none, although there are keys"),
        ),
    ];
    for (instance, expected) in cases {
        let error = config(Some(&instance), None, SALT).unwrap_err();
        assert_eq!(chain(&error), expected);
        assert_eq!(error.who(), acl_host::Who::Operator);
    }
    for name in ["aks-pool1-12345678-vmss00000A", "a.b.c", "9", &long[1..]] {
        let instance = Instance {
            host_name: some(name),
            ..instance()
        };
        assert!(config(Some(&instance), None, SALT).is_ok(), "{name}");
    }
}

const INSTANCE: &str = r#"{"compute": {"osProfile": {"adminUsername": "azureuser", "computerName": "aks-1",
    "disablePasswordAuthentication": "true"}, "publicKeys": [{"keyData": "ssh-rsa AAAA one", "path": "/x"}]}}"#;
const SET: &str = "<HostName>ovf-host</HostName><UserName>ovf-user</UserName><SSH><PublicKeys><PublicKey>\
    <Value>ssh-rsa BBBB two</Value></PublicKey></PublicKeys></SSH>";

/// What the platform says by itself, from a service and a medium.
async fn defaults(reply: Reply, medium: Option<&str>) -> Result<Config, String> {
    let fake = Fake::in_turn([reply]).await;
    let dir = TempDir::new().unwrap();
    if let Some(text) = medium {
        write(dir.path().join("medium/ovf-env.xml"), text);
    }
    let machine = Machine {
        imds: fake.base.clone(),
        ..machine(dir.path())
    };
    let told = told(&dir, Platform::Azure.defaults(&machine).await);
    told.map(Option::unwrap)
        .map_err(|error| error.replace(fake.base.as_str(), "IMDS/"))
}

#[tokio::test]
async fn one_of_the_two_may_be_missing() {
    let of_imds = whole(
        &[hostname("YWtzLTEK")],
        &[user("azureuser", &["ssh-rsa AAAA one"])],
    );
    let of_medium = whole(
        &[hostname("b3ZmLWhvc3QK")],
        &[user("ovf-user", &["ssh-rsa BBBB two"])],
    );
    let of_both = whole(
        &[hostname("YWtzLTEK")],
        &[user("azureuser", &["ssh-rsa AAAA one", "ssh-rsa BBBB two"])],
    );
    let broken = || Reply::Text(500, String::new());
    assert_eq!(defaults(ok(INSTANCE), Some(&ovf(SET))).await, Ok(of_both));
    assert_eq!(defaults(ok(INSTANCE), None).await, Ok(of_imds.clone()));
    assert_eq!(defaults(ok(INSTANCE), Some("<html>")).await, Ok(of_imds));
    assert_eq!(defaults(broken(), Some(&ovf(SET))).await, Ok(of_medium));
    assert_eq!(
        defaults(broken(), None).await,
        Err(
            "IMDS/metadata/instance?api-version=2021-02-01 answers 500 Internal Server Error"
                .to_owned()
        )
    );
}
