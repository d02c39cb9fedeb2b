//! `storage.files`.

use serde_json::{Value, json};

use crate::scene::{Scene, contents, fails, gives, is_root, sorted};

fn file(file: Value) -> Value {
    json!({ "storage": { "files": [file] } })
}

const NOTED: &str = "var/ 0755 0:0\nvar/lib/ 0755 0:0\nvar/lib/acl/ 0755 0:0\nvar/lib/acl/provision/ 0755 0:0\nvar/lib/acl/provision/appended 0600 0:0 (1)";

#[test]
fn made() {
    for (before, wanted, after) in [
        ("", json!({ "path": "/f" }), "f 0644 0:0 \"\""),
        (
            "",
            json!({ "path": "/f", "contents": {} }),
            "f 0644 0:0 \"\"",
        ),
        (
            "",
            json!({ "path": "/f", "contents": { "source": "" } }),
            "f 0644 0:0 \"\"",
        ),
        (
            "",
            json!({ "path": "/f", "contents": contents("a\n"), "mode": 0o600 }),
            "f 0600 0:0 \"a\\n\"",
        ),
        (
            "",
            json!({ "path": "/f", "contents": contents("a"), "mode": 0o4755 }),
            "f 4755 0:0 \"a\"",
        ),
        (
            "",
            json!({ "path": "/f", "contents": contents("a"), "mode": 0o7400 }),
            "f 7400 0:0 \"a\"",
        ),
        (
            "",
            json!({ "path": "/f", "contents": contents("a"), "append": [contents("b"), contents("c")] }),
            "f 0644 0:0 \"abc\"",
        ),
        (
            "",
            json!({ "path": "/d/e/f", "contents": contents("a") }),
            "d/ 0755 0:0\nd/e/ 0755 0:0\nd/e/f 0644 0:0 \"a\"",
        ),
    ] {
        gives(before, file(wanted), after);
    }
}

#[test]
fn kept_and_replaced() {
    for (before, wanted, after) in [
        (
            "f 0600 0:0 \"old\"",
            json!({ "path": "/f" }),
            "f 0600 0:0 \"old\"",
        ),
        (
            "f 0600 0:0 \"old\"",
            json!({ "path": "/f", "mode": 0o640 }),
            "f 0640 0:0 \"old\"",
        ),
        (
            "f 0600 0:0 \"old\"",
            json!({ "path": "/f", "contents": contents("a"), "overwrite": true }),
            "f 0644 0:0 \"a\"",
        ),
        (
            "f 0600 0:0 \"old\"",
            json!({ "path": "/f", "overwrite": true }),
            "f 0644 0:0 \"\"",
        ),
        (
            "f 0600 0:0 \"same\"",
            json!({ "path": "/f", "contents": contents("same") }),
            "f 0600 0:0 \"same\"",
        ),
        (
            "f 0600 0:0 \"same\"",
            json!({ "path": "/f", "contents": contents("sa"), "append": [contents("me")], "mode": 0o644 }),
            "f 0644 0:0 \"same\"",
        ),
        (
            "f/ 0755 0:0\nf/g 0644 0:0",
            json!({ "path": "/f", "contents": contents("a"), "overwrite": true }),
            "f 0644 0:0 \"a\"",
        ),
        (
            "f|",
            json!({ "path": "/f", "contents": contents("a"), "overwrite": true }),
            "f 0644 0:0 \"a\"",
        ),
        (
            "g 0600 0:0 \"g\"\nf 0:0 -> g",
            json!({ "path": "/f", "contents": contents("a"), "overwrite": true }),
            "f 0644 0:0 \"a\"\ng 0600 0:0 \"g\"",
        ),
        (
            "g 0600 0:0 \"g\"\nf = g",
            json!({ "path": "/f", "contents": contents("a"), "overwrite": true }),
            "f 0644 0:0 \"a\"\ng 0600 0:0 \"g\"",
        ),
        (
            "etc 0:0 -> /private/etc",
            json!({ "path": "/etc/f", "contents": contents("a") }),
            "etc 0:0 -> /private/etc\nprivate/ 0755 0:0\nprivate/etc/ 0755 0:0\nprivate/etc/f 0644 0:0 \"a\"",
        ),
    ] {
        gives(before, file(wanted), after);
    }
}

#[test]
fn appended_once() {
    let append = |texts: &[&str]| {
        let pieces: Vec<Value> = texts.iter().map(|text| contents(text)).collect();
        file(json!({ "path": "/f", "append": pieces }))
    };
    for (before, config, after) in [
        ("", append(&["a", "b"]), "f 0644 0:0 \"ab\""),
        ("f 4750 0:0 \"x\"", append(&["a"]), "f 4750 0:0 \"xa\""),
        ("f 0600 0:0 \"a\"", append(&["a"]), "f 0600 0:0 \"aa\""),
        (
            "f 0600 0:0 \"aa\"",
            append(&["a", "a"]),
            "f 0600 0:0 \"aaaa\"",
        ),
    ] {
        gives(before, config, &format!("{after}\n{NOTED}"));
    }
    let before = "f 0600 0:0 \"x\"";
    gives(before, append(&[]), before);
    gives(
        before,
        file(json!({ "path": "/f", "append": [{}] })),
        before,
    );
}

#[test]
fn another_append_on_the_same_file_is_not_taken_for_the_first() {
    let scene = Scene::new("f 0600 0:0 \"x\"");
    for (text, after) in [
        ("a", "xa"),
        ("a", "xa"),
        ("b", "xab"),
        ("b", "xab"),
        ("a", "xaba"),
    ] {
        let config = file(json!({ "path": "/f", "append": [contents(text)] }));
        assert_eq!(scene.apply(&config), Ok(()));
        let expected = format!("f 0600 0:0 {after:?}");
        assert_eq!(scene.tree().lines().next(), Some(expected.as_str()));
    }
}

#[test]
fn an_append_that_was_noted_and_not_made_is_made() {
    let config = file(json!({ "path": "/f", "append": [contents("a")] }));
    let scene = Scene::new("f 0600 0:0 \"x\"");
    assert_eq!(scene.apply(&config), Ok(()));
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(scene.path().join("f"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
        .unwrap();
    assert_eq!(scene.apply(&config), Ok(()));
    let after = format!("f 0600 0:0 \"xa\"\n{NOTED}");
    assert_eq!(sorted(&scene.tree()), sorted(&after));
}

#[test]
fn refused() {
    let occupied = |found: &str| {
        format!(
            "cannot create the file /f: a {found} is there already; set overwrite, or choose another path"
        )
    };
    let wanted = || file(json!({ "path": "/f", "contents": contents("a"), "mode": 0o600 }));
    let other = "cannot create the file /f: a file with other contents is there already; set overwrite, or choose another path";
    fails("f 0644 0:0 \"b\"", wanted(), other);
    fails("f 0644 0:0 \"ab\"", wanted(), other);
    fails("f 0644 0:0 \"\"", wanted(), other);
    fails("f/ 0755 0:0", wanted(), &occupied("directory"));
    fails("f 0:0 -> g", wanted(), &occupied("symbolic link"));
    fails("f|", wanted(), &occupied("device node, FIFO or socket"));
    fails(
        "f/ 0755 0:0",
        file(json!({ "path": "/f" })),
        &occupied("directory"),
    );
    fails(
        "f|",
        file(json!({ "path": "/f", "append": [contents("a")] })),
        &occupied("device node, FIFO or socket"),
    );
    fails(
        "",
        file(json!({ "path": "/" })),
        "cannot create the file /: a directory is there already; set overwrite, or choose another path",
    );
    fails(
        "",
        file(json!({ "path": "/a/.." })),
        "cannot resolve /a/.. inside the new root: Invalid argument (os error 22)",
    );
}

#[test]
fn what_cannot_be_fetched_changes_nothing() {
    let message = "cannot fill the file /f: cannot fetch gone:x: its scheme gone is not supported; \
                   use https, http, data or file";
    let gone = json!({ "source": "gone:x" });
    for before in [
        "f 0600 0:0 \"old\"",
        "f/ 0755 0:0\nf/g 0600 0:0 \"kept\"",
        "f 0:0 -> g",
        "",
    ] {
        let wanted = json!({ "path": "/f", "overwrite": true, "contents": gone });
        fails(before, file(wanted), message);
        let wanted =
            json!({ "path": "/f", "overwrite": true, "contents": contents("a"), "append": [gone] });
        fails(before, file(wanted), message);
    }
    let wanted = json!({ "path": "/f", "append": [contents("a"), gone] });
    fails("f 0600 0:0 \"old\"", file(wanted), message);
}

/// A config of all sections, of which the piece `gone` cannot be fetched.
fn whole(gone: Option<usize>) -> Value {
    let piece = |index: usize, text: &str| match gone == Some(index) {
        true => json!({ "source": "gone:x" }),
        false => contents(text),
    };
    json!({
        "passwd": { "users": [{ "name": "core", "groups": ["sudo"], "noCreateHome": true }] },
        "storage": {
            "directories": [{ "path": "/d", "mode": 0o700 }],
            "files": [
                { "path": "/a", "contents": piece(0, "a") },
                { "path": "/b", "append": [piece(1, "b"), piece(2, "bb")] },
                { "path": "/c", "contents": piece(3, "c"), "append": [piece(4, "cc")] },
                { "path": "/d/e", "contents": piece(5, "e"), "mode": 0o600 },
                { "path": "/d/n", "append": [piece(6, "n")] },
                { "path": "/o", "contents": piece(7, "o"), "overwrite": true },
            ],
            "links": [{ "path": "/l", "target": "a" }, { "path": "/h", "target": "/d/e", "hard": true }],
        },
        "systemd": { "units": [{ "name": "u.service", "enabled": true, "contents": "[Unit]\n" }] },
    })
}

#[test]
fn a_stage_that_failed_anywhere_is_run_again() {
    let before = "b 0600 0:0 \"x\"\netc/ 0755 0:0\netc/group 0644 0:0 \"sudo:x:27:\\n\"\no/ 0755 0:0\no/p 0644 0:0";
    let at_once = Scene::new(before);
    assert_eq!(at_once.apply(&whole(None)), Ok(()));
    let again = Scene::new(before);
    // Each run comes one piece further.
    for gone in 0..8 {
        let error = again.apply(&whole(Some(gone))).unwrap_err();
        let path = ["/a", "/b", "/b", "/c", "/c", "/d/e", "/d/n", "/o"][gone];
        assert_eq!(
            error,
            format!(
                "cannot fill the file {path}: cannot fetch gone:x: its scheme gone is not supported; use https, http, data \
                 or file"
            ),
            "piece {gone}"
        );
        assert!(!again.tree().contains("acl-new"), "piece {gone}");
        assert!(!again.tree().contains("u.service"), "piece {gone}");
    }
    assert_eq!(again.apply(&whole(None)), Ok(()));
    assert_eq!(again.tree(), at_once.tree());
    assert!(again.tree().contains("b 0600 0:0 \"xbbb\""));
}

#[test]
fn who_must_act() {
    let scene = Scene::new("f 0600 0:0 \"old\"");
    let wanted = file(json!({ "path": "/f", "contents": contents("a") }));
    assert_eq!(
        scene.try_apply(&wanted).unwrap_err().who(),
        acl_host::Who::Operator
    );
    let wanted = file(json!({ "path": "/f/x", "contents": contents("a") }));
    assert_eq!(
        scene.try_apply(&wanted).unwrap_err().who(),
        acl_host::Who::Environment
    );
    // Of what cannot be fetched the cause decides.
    let wanted = file(json!({ "path": "/g", "contents": { "source": "gone:x" } }));
    assert_eq!(
        scene.try_apply(&wanted).unwrap_err().who(),
        acl_host::Who::Operator
    );
}

#[test]
fn as_root_owners() {
    if !is_root("as_root_owners") {
        return;
    }
    let (user, group) = (json!({ "id": 7 }), json!({ "id": 8 }));
    for (before, wanted, after) in [
        (
            "",
            json!({ "path": "/f", "user": user, "group": group, "mode": 0o6755 }),
            "f 6755 7:8 \"\"",
        ),
        (
            "f 6755 5:6 \"old\"",
            json!({ "path": "/f", "user": user }),
            "f 6755 7:6 \"old\"",
        ),
        (
            "f 6755 5:6 \"old\"",
            json!({ "path": "/f", "mode": 0o600 }),
            "f 0600 5:6 \"old\"",
        ),
        (
            "f 6755 5:6 \"old\"",
            json!({ "path": "/f", "overwrite": true, "contents": contents("a") }),
            "f 0644 0:0 \"a\"",
        ),
        (
            "f 6755 5:6 \"a\"",
            json!({ "path": "/f", "contents": contents("a"), "group": group }),
            "f 6755 5:8 \"a\"",
        ),
    ] {
        gives(before, file(wanted), after);
    }
    let wanted = json!({ "path": "/f", "append": [contents("a")], "user": user });
    gives(
        "f 4750 5:6 \"x\"",
        file(wanted),
        &format!("f 4750 7:6 \"xa\"\n{NOTED}"),
    );
}

#[test]
fn owners_that_cannot_be() {
    let tables = "etc/ 0755 0:0\netc/passwd 0644 0:0 \"# no one\\nbroken\\n\"";
    let wanted =
        |user: Value, group: Value| file(json!({ "path": "/f", "user": user, "group": group }));
    let none = Value::Null;
    for (config, message) in [
        (
            wanted(json!({ "name": "core" }), none.clone()),
            "cannot give /f to the user 'core', which is not in /etc/passwd of the new root; create it in passwd.users, or give its id",
        ),
        (
            wanted(json!({ "name": "root" }), none.clone()),
            "cannot give /f to the user 'root', which is not in /etc/passwd of the new root; create it in passwd.users, or give its id",
        ),
        (
            wanted(json!({ "name": "broken" }), none.clone()),
            "cannot give /f to the user 'broken', which is not in /etc/passwd of the new root; create it in passwd.users, or give its id",
        ),
        (
            wanted(none.clone(), json!({ "name": "docker" })),
            "cannot give /f to the group 'docker', which is not in /etc/group of the new root; create it in passwd.groups, or give its id",
        ),
        (
            wanted(json!({ "id": -1 }), none.clone()),
            "-1 is not a user id for /f: it must be from 0 to 4294967294",
        ),
        (
            wanted(none, json!({ "id": 4_294_967_295_u32 })),
            "4294967295 is not a group id for /f: it must be from 0 to 4294967294",
        ),
    ] {
        fails(tables, config, message);
    }
}
