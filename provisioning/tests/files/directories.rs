//! `storage.directories`.

use serde_json::{Value, json};

use crate::scene::{fails, gives, is_root};

fn directory(directory: Value) -> Value {
    json!({ "storage": { "directories": [directory] } })
}

#[test]
fn made_and_kept() {
    for (before, wanted, after) in [
        ("", json!({ "path": "/a" }), "a/ 0755 0:0"),
        ("", json!({ "path": "/a", "mode": 0o700 }), "a/ 0700 0:0"),
        ("", json!({ "path": "/a", "mode": 0o3775 }), "a/ 3775 0:0"),
        ("", json!({ "path": "/a", "mode": 0o500 }), "a/ 0500 0:0"),
        (
            "",
            json!({ "path": "/a/b/c", "mode": 0o700 }),
            "a/ 0755 0:0\na/b/ 0755 0:0\na/b/c/ 0700 0:0",
        ),
        (
            "",
            json!({ "path": "/a", "overwrite": true }),
            "a/ 0755 0:0",
        ),
        (
            "a/ 1700 0:0\na/f 0600 0:0",
            json!({ "path": "/a" }),
            "a/ 1700 0:0\na/f 0600 0:0 \"\"",
        ),
        (
            "a/ 0700 0:0\na/f 0600 0:0",
            json!({ "path": "/a", "mode": 0o755 }),
            "a/ 0755 0:0\na/f 0600 0:0 \"\"",
        ),
        (
            "a/ 0700 0:0\na/f 0600 0:0",
            json!({ "path": "/a", "overwrite": true }),
            "a/ 0755 0:0",
        ),
        (
            "a 0600 0:0",
            json!({ "path": "/a", "overwrite": true }),
            "a/ 0755 0:0",
        ),
        (
            "b/ 0700 0:0\na 0:0 -> b",
            json!({ "path": "/a", "overwrite": true }),
            "a/ 0755 0:0\nb/ 0700 0:0",
        ),
        (
            "b/ 0700 0:0\na 0:0 -> b",
            json!({ "path": "/a/c" }),
            "a 0:0 -> b\nb/ 0700 0:0\nb/c/ 0755 0:0",
        ),
        ("", json!({ "path": "/", "mode": 0o700 }), "./ 0700 0:0"),
    ] {
        gives(before, directory(wanted), after);
    }
}

#[test]
fn refused() {
    let occupied = |found: &str| {
        format!(
            "cannot create the directory /a: a {found} is there already; set overwrite, or choose another path"
        )
    };
    fails(
        "a 0644 0:0 \"x\"",
        directory(json!({ "path": "/a" })),
        &occupied("file"),
    );
    fails(
        "a 0:0 -> b\nb/ 0755 0:0",
        directory(json!({ "path": "/a" })),
        &occupied("symbolic link"),
    );
    fails(
        "a|",
        directory(json!({ "path": "/a" })),
        &occupied("device node, FIFO or socket"),
    );
    fails(
        "a 0644 0:0 \"x\"",
        directory(json!({ "path": "/a/b" })),
        "cannot resolve /a inside the new root: Not a directory (os error 20)",
    );
    fails(
        "kept 0600 0:0 \"x\"",
        directory(json!({ "path": "/", "overwrite": true })),
        "cannot remove /: Invalid argument (os error 22)",
    );
}

#[test]
fn as_root_owners() {
    if !is_root("as_root_owners") {
        return;
    }
    let tables = "etc/ 0755 0:0\netc/group 0644 0:0 \"docker:x:998:\\n\"\netc/passwd 0644 0:0 \"core:x:1000:1000::/home/core:/bin/sh\\n\"\n";
    let with = |line: &str| format!("{line}\n{tables}");
    for (before, wanted, after) in [
        (
            "",
            json!({ "path": "/a", "user": { "id": 7 }, "group": { "id": 8 } }),
            "a/ 0755 7:8",
        ),
        (
            "",
            json!({ "path": "/a", "user": { "name": "core" }, "group": { "name": "docker" } }),
            "a/ 0755 1000:998",
        ),
        (
            "",
            json!({ "path": "/a", "user": { "id": 7, "name": "core" } }),
            "a/ 0755 7:0",
        ),
        (
            "",
            json!({ "path": "/a", "user": { "name": "" } }),
            "a/ 0755 0:0",
        ),
        (
            "a/ 3755 5:6",
            json!({ "path": "/a", "user": { "id": 7 } }),
            "a/ 3755 7:6",
        ),
        ("a/ 0700 5:6", json!({ "path": "/a" }), "a/ 0700 5:6"),
        (
            "a/ 0700 5:6",
            json!({ "path": "/a", "overwrite": true }),
            "a/ 0755 0:0",
        ),
    ] {
        gives(&with(before), directory(wanted), &with(after));
    }
}
