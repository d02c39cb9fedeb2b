//! What the stage tells that it did: every user, group, node and unit, and nothing of their contents.

use serde_json::{Value, json};

use crate::scene::{Scene, contents};

/// One of each kind; SECRET is what must not be told.
fn config() -> Value {
    let key = "ssh-ed25519 SECRET";
    json!({
        "passwd": {
            "groups": [{ "name": "staff", "passwordHash": "SECRET" }, { "name": "gone", "shouldExist": false }],
            "users": [
                { "name": "core", "sshAuthorizedKeys": [key, key], "passwordHash": "SECRET" },
                { "name": "one", "noCreateHome": true, "homeDir": "/h", "sshAuthorizedKeys": [key] },
                { "name": "plain", "noCreateHome": true },
                { "name": "old", "shouldExist": false },
            ],
        },
        "storage": {
            "directories": [{ "path": "/d", "mode": 0o700 }],
            "files": [
                { "path": "/d/new", "contents": contents("SECRET") },
                { "path": "/d/more", "append": [contents("SECRET")] },
                { "path": "/d/over", "overwrite": true, "contents": contents("SECRET") },
            ],
            "links": [
                { "path": "/d/soft", "target": "SECRET" },
                { "path": "/d/hard", "target": "/d/new", "hard": true },
            ],
        },
        "systemd": { "units": [
            { "name": "site.service", "enabled": true, "contents": "#SECRET\n[Install]\nWantedBy=m.target\n",
              "dropins": [{ "name": "1.conf", "contents": "SECRET" }] },
            { "name": "static.service", "enabled": true, "contents": "#SECRET" },
            { "name": "none.service", "enabled": true },
            { "name": "a.service", "mask": true, "enabled": true },
            { "name": "b.service", "mask": false, "enabled": false },
            { "name": "c.service" },
        ] },
    })
}

#[test]
fn once_and_again() {
    if !crate::scene::is_root("once_and_again") {
        return;
    }
    let me = rustix::process::geteuid().as_raw();
    let config = config();
    let scene = Scene::new(&format!(
        "etc/ 0755 0:0\netc/passwd 0644 0:0 \"old:x:{me}:1::/x:/bin/sh\\n\"\nh/ 0755 0:0\nd/ 0755 0:0\nd/more 0644 0:0 \"x\""
    ));
    let units = [
        "unit site.service: written, 1.conf written, enabled",
        "unit static.service: written, enabled by its preset only: it has no [Install] section",
        "unit none.service: enabled by its preset only: there is no such unit",
        "unit a.service: masked, enabled by its preset only: it is masked",
        "unit b.service: disabled, not masked",
        "unit c.service: nothing to do",
    ];
    let first = [
        "group staff: made",
        "group gone: is not there",
        "user core: made, 2 SSH keys written",
        "user one: made, 1 SSH key written",
        "user plain: made, without SSH key and password: nobody can log in as it",
        "user old: removed",
        "/d: directory is there already",
        "/d/new: written",
        "/d/more: appended to",
        "/d/over: written",
        "/d/soft: link made",
        "/d/hard: hard link made",
    ];
    assert_eq!(scene.told(&config), [&first[..], &units].concat());
    let second = [
        "group staff: is there already",
        "group gone: is not there",
        "user core: is there already, 2 SSH keys written",
        "user one: is there already, 1 SSH key written",
        "user plain: is there already",
        "user old: is not there",
        "/d: directory is there already",
        "/d/new: is there already",
        "/d/more: is there already",
        "/d/over: written",
        "/d/soft: link is there already",
        "/d/hard: link is there already",
    ];
    assert_eq!(scene.told(&config), [&second[..], &units].concat());
    scene.assert_outside_untouched();
    assert_eq!(Scene::new("").told(&json!({})), [""; 0]);
}
