//! `storage.links`.

use serde_json::{Value, json};

use crate::scene::{fails, gives, is_root};

fn link(link: Value) -> Value {
    json!({ "storage": { "links": [link] } })
}

#[test]
fn soft() {
    for (before, wanted, after) in [
        (
            "",
            json!({ "path": "/l", "target": "/etc/../x" }),
            "l 0:0 -> /etc/../x",
        ),
        (
            "",
            json!({ "path": "/a/l", "target": "../../../gone", "hard": false }),
            "a/ 0755 0:0\na/l 0:0 -> ../../../gone",
        ),
        (
            "l 0:0 -> x",
            json!({ "path": "/l", "target": "x" }),
            "l 0:0 -> x",
        ),
        (
            "l 0:0 -> x",
            json!({ "path": "/l", "target": "./a/..//x" }),
            "l 0:0 -> x",
        ),
        (
            "l 0:0 -> /x/y",
            json!({ "path": "/l", "target": "/../x/y/" }),
            "l 0:0 -> /x/y",
        ),
        (
            "l 0:0 -> y",
            json!({ "path": "/l", "target": "x", "overwrite": true }),
            "l 0:0 -> x",
        ),
        (
            "l 0644 0:0 \"x\"",
            json!({ "path": "/l", "target": "x", "overwrite": true }),
            "l 0:0 -> x",
        ),
        (
            "l/ 0755 0:0\nl/f 0644 0:0",
            json!({ "path": "/l", "target": "x", "overwrite": true }),
            "l 0:0 -> x",
        ),
        (
            "d/ 0755 0:0\nl 0:0 -> d",
            json!({ "path": "/l/m", "target": "x" }),
            "d/ 0755 0:0\nd/m 0:0 -> x\nl 0:0 -> d",
        ),
    ] {
        gives(before, link(wanted), after);
    }
}

#[test]
fn hard() {
    for (before, wanted, after) in [
        (
            "f 0600 0:0 \"x\"",
            json!({ "path": "/l", "target": "/f", "hard": true }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
        (
            "f 0600 0:0 \"x\"",
            json!({ "path": "/l", "target": "/../../f", "hard": true }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
        (
            "f 0600 0:0 \"x\"",
            json!({ "path": "/l", "target": "f", "hard": true }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
        (
            "d/ 0755 0:0\nd/f 0600 0:0 \"x\"\ne 0:0 -> /d",
            json!({ "path": "/l", "target": "/e/f", "hard": true }),
            "d/ 0755 0:0\nd/f 0600 0:0 \"x\"\ne 0:0 -> /d\nl = d/f",
        ),
        (
            "f 0600 0:0 \"x\"\nl = f",
            json!({ "path": "/l", "target": "/f", "hard": true }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
        (
            "f 0600 0:0 \"x\"",
            json!({ "path": "/f", "target": "/f", "hard": true, "overwrite": true }),
            "f 0600 0:0 \"x\"",
        ),
        (
            "f 0600 0:0 \"x\"\nl/ 0755 0:0\nl/g 0644 0:0",
            json!({ "path": "/l", "target": "/f", "hard": true, "overwrite": true }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
        (
            "f 0600 0:0 \"x\"\nl 0644 0:0 \"y\"",
            json!({ "path": "/l", "target": "/f", "hard": true, "overwrite": true, "user": { "id": 77 } }),
            "f 0600 0:0 \"x\"\nl = f",
        ),
    ] {
        gives(before, link(wanted), after);
    }
}

#[test]
fn refused() {
    for (before, wanted, message) in [
        (
            "l 0:0 -> y",
            json!({ "path": "/l", "target": "x" }),
            "cannot create the link /l: it leads to y already, not to x; set overwrite, or choose another path",
        ),
        (
            "l 0:0 -> ../x",
            json!({ "path": "/l", "target": "x" }),
            "cannot create the link /l: it leads to ../x already, not to x; set overwrite, or choose another path",
        ),
        (
            "l 0644 0:0 \"\"",
            json!({ "path": "/l", "target": "x" }),
            "cannot create the symbolic link /l: a file is there already; set overwrite, or choose another path",
        ),
        (
            "l/ 0755 0:0",
            json!({ "path": "/l", "target": "x" }),
            "cannot create the symbolic link /l: a directory is there already; set overwrite, or choose another path",
        ),
        (
            "",
            json!({ "path": "/l" }),
            "cannot make the link /l: No such file or directory (os error 2)",
        ),
        (
            "",
            json!({ "path": "/l", "target": "/f", "hard": true }),
            "cannot create the hard link /l: its target /f does not exist; make it, or correct the target",
        ),
        (
            "",
            json!({ "path": "/l", "target": "/d/f", "hard": true }),
            "cannot create the hard link /l: its target /d/f does not exist; make it, or correct the target",
        ),
        (
            "f 0600 0:0 \"\"\nl 0644 0:0 \"\"",
            json!({ "path": "/l", "target": "/f", "hard": true }),
            "cannot create the hard link /l: something other than its target /f is there already; set overwrite, or choose another path",
        ),
        (
            "d/ 0755 0:0",
            json!({ "path": "/l", "target": "/d", "hard": true }),
            "cannot make the link /l: Operation not permitted (os error 1)",
        ),
    ] {
        fails(before, link(wanted), message);
    }
}

#[test]
fn as_root_owners_of_the_link_itself() {
    if !is_root("as_root_owners_of_the_link_itself") {
        return;
    }
    let target = "f 6755 5:6 \"x\"";
    let wanted =
        || link(json!({ "path": "/l", "target": "f", "user": { "id": 7 }, "group": { "id": 8 } }));
    let after = format!("{target}\nl 7:8 -> f");
    gives(target, wanted(), &after);
    gives(&format!("{target}\nl 1:2 -> f"), wanted(), &after);
}
