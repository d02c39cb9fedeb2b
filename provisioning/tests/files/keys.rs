//! `passwd.users.sshAuthorizedKeys`.

use serde_json::{Value, json};

use crate::scene::{Scene, fails, gives, is_root};

fn keys(keys: Value) -> Value {
    json!({ "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": keys }] } })
}

/// A user who runs the tests, so that nothing changes its owner.
const ME: &str = "etc/ 0755 0:0\netc/passwd 0644 0:0 \"core:x:ME:/home/core:/bin/sh\\n\"\nhome/ 0755 0:0\nhome/core/ 0750 0:0\n";

fn me() -> String {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    ME.replace("ME", &format!("{}:{}:", uid.as_raw(), gid.as_raw()))
}

const SSH: &str = "home/core/.ssh/ 0700 0:0\nhome/core/.ssh/authorized_keys.d/ 0700 0:0\nhome/core/.ssh/authorized_keys.d/ignition 0600 0:0";

#[test]
fn written_and_replaced() {
    let two = || keys(json!(["ssh-ed25519 AAAA a", "ssh-rsa BBBB b"]));
    let text = "\"ssh-ed25519 AAAA a\\nssh-rsa BBBB b\\n\"";
    gives(&me(), two(), &format!("{}{SSH} {text}", me()));
    gives(
        &format!("{}{SSH} \"old\"", me()),
        two(),
        &format!("{}{SSH} {text}", me()),
    );
    let line = || keys(json!(["ssh-ed25519 AAAA a\n"]));
    gives(
        &me(),
        line(),
        &format!("{}{SSH} \"ssh-ed25519 AAAA a\\n\"", me()),
    );
    gives(&me(), keys(json!([])), &me());
    // What is there keeps its mode, and keys that are not ours stay.
    let there = "home/core/.ssh/ 0755 0:0\nhome/core/.ssh/authorized_keys 0600 0:0 \"mine\"\n";
    let rest = SSH.split_once('\n').unwrap().1;
    gives(
        &format!("{}{there}", me()),
        two(),
        &format!("{}{there}{rest} {text}", me()),
    );
}

#[test]
fn links_in_the_home_are_not_followed() {
    let message = |path: &str, found: &str| {
        format!(
            "cannot write the SSH keys of core: {path} is a {found}, not a directory; remove it"
        )
    };
    let before = format!("{}home/core/.ssh 0:0 -> /etc", me());
    fails(
        &before,
        keys(json!(["k"])),
        &message("/home/core/.ssh", "symbolic link"),
    );
    let before = format!(
        "{}home/core/.ssh/ 0700 0:0\nhome/core/.ssh/authorized_keys.d 0:0 -> /etc",
        me()
    );
    fails(
        &before,
        keys(json!(["k"])),
        &message("/home/core/.ssh/authorized_keys.d", "symbolic link"),
    );
    let before = format!("{}home/core/.ssh 0600 0:0 \"\"", me());
    fails(
        &before,
        keys(json!(["k"])),
        &message("/home/core/.ssh", "file"),
    );
    // A link in the place of the file is replaced.
    let link = SSH.replace("ignition 0600 0:0", "ignition 0:0 -> /etc/passwd");
    gives(
        &format!("{}{link}", me()),
        keys(json!(["k"])),
        &format!("{}{SSH} \"k\\n\"", me()),
    );
}

#[test]
fn without_a_home() {
    let config = json!({ "passwd": { "users": [{ "name": "core", "noCreateHome": true, "sshAuthorizedKeys": ["k"] }] } });
    let scene = Scene::new("");
    let message = "cannot write the SSH keys of core: the home directory /home/core does not exist; leave noCreateHome out";
    assert_eq!(scene.apply(&config), Err(message.to_owned()));
}

#[test]
fn a_home_that_is_no_path_is_not_the_root() {
    for home in ["", "home"] {
        let before = format!(
            "etc/ 0755 0:0\netc/passwd 0644 0:0 \"core:x:1:1::{home}:/bin/sh\\n\"\nhome/ 0755 0:0"
        );
        let message = format!(
            "cannot write the SSH keys of core: the home directory {home} does not exist; leave noCreateHome out"
        );
        fails(&before, keys(json!(["k"])), &message);
    }
}

/// Accounts of the image whose home is made later, by tmpfiles, or never was.
#[test]
fn homes_of_the_image_that_are_missing() {
    let keyed = |home: &str| {
        SSH.replace("home/core", home)
            .replace("ignition 0600 0:0", "ignition 0600 0:0 \"k\\n\"")
    };
    let mut places = [
        ("/root", "", "root/ 0700 0:0\n", "root"),
        ("/root/", "", "root/ 0700 0:0\n", "root"),
        (
            "/var/lib/core",
            "",
            "var/ 0755 0:0\nvar/lib/ 0755 0:0\nvar/lib/core/ 0700 0:0\n",
            "var/lib/core",
        ),
        // Links are followed, also to what is not there yet.
        (
            "/root",
            "root 0:0 -> var/roothome\n",
            "root 0:0 -> var/roothome\nvar/ 0755 0:0\nvar/roothome/ 0700 0:0\n",
            "var/roothome",
        ),
        // A home that is there keeps its mode.
        ("/root", "root/ 0755 0:0\n", "root/ 0755 0:0\n", "root"),
    ];
    for (home, before, after, inside) in &mut places {
        let account = me().replace("/home/core", home);
        let before = format!("{account}{before}");
        let after = format!("{account}{after}{}", keyed(inside));
        gives(&before, keys(json!(["k"])), &after);
    }
    let none = json!({ "passwd": { "users": [{ "name": "core", "noCreateHome": true, "sshAuthorizedKeys": ["k"] }] } });
    let message = "cannot write the SSH keys of core: the home directory /root does not exist; leave noCreateHome out";
    fails(&me().replace("/home/core", "/root"), none, message);
}

#[test]
fn homes_that_belong_to_the_system() {
    for (home, tree) in [
        ("/nonexistent", ""),
        ("/", ""),
        ("/home/..", ""),
        (
            "/bin",
            "usr/ 0755 0:0\nusr/bin/ 0755 0:0\nbin 0:0 -> usr/bin",
        ),
        ("/bin", ""),
        ("/dev", "dev/ 0755 0:0"),
        ("/usr", "usr/ 0755 0:0"),
        ("/usr/games", ""),
        ("/home/../usr/x", ""),
        ("/run/x", ""),
        ("/var/run/x", "var/ 0755 0:0\nvar/run 0:0 -> ../run"),
        ("/proc/1", ""),
        ("/opt", "opt 0:0 -> /usr/opt"),
    ] {
        let account = me().replace(":/home/core:", &format!(":{home}:"));
        let message = format!(
            "cannot write the SSH keys of core: its home directory is {home}, which belongs to the system; \
             set homeDir, for example to /home/core"
        );
        fails(&format!("{account}{tree}"), keys(json!(["k"])), &message);
    }
}

#[test]
fn as_root_a_home_is_its_accounts() {
    if !is_root("as_root_a_home_is_its_accounts") {
        return;
    }
    let before =
        "etc/ 0755 0:0\netc/passwd 0644 0:0 \"core:x:33:34::/var/www:/usr/sbin/nologin\\n\"\n";
    let after = format!(
        "{before}var/ 0755 0:0\nvar/www/ 0700 33:34\n{} \"k\\n\"",
        SSH.replace("home/core", "var/www").replace("0:0", "33:34")
    );
    gives(before, keys(json!(["k"])), &after);
}

#[test]
fn as_root_keys_are_the_users() {
    if !is_root("as_root_keys_are_the_users") {
        return;
    }
    let after = "etc/ 0755 0:0\netc/group 0644 0:0 \"core:x:1000:\\n\"\netc/gshadow 0640 0:0 \"core:!::\\n\"\n\
        etc/passwd 0644 0:0 \"core:x:1000:1000::/home/core:/bin/sh\\n\"\netc/shadow 0640 0:0 \"core:*::0:99999:7:::\\n\"\n\
        home/ 0755 0:0\nhome/core/ 0755 1000:1000\nhome/core/.ssh/ 0700 1000:1000\n\
        home/core/.ssh/authorized_keys.d/ 0700 1000:1000\nhome/core/.ssh/authorized_keys.d/ignition 0600 1000:1000 \"k\\n\"";
    gives("", keys(json!(["k"])), after);
}
