//! `storage` as a whole: the order, and entries that meet.

use serde_json::json;

use crate::scene::{contents, fails, gives};

#[test]
fn parents_come_first_however_they_are_listed() {
    let config = json!({ "storage": {
        "files": [{ "path": "/a/b/c", "contents": contents("c") }],
        "directories": [{ "path": "/a/b", "mode": 0o700 }, { "path": "/a", "mode": 0o750 }],
        "links": [
            { "path": "/h", "target": "/a/b/c", "hard": true },
            { "path": "/a/l", "target": "b" },
        ],
    }});
    let after = "a/ 0750 0:0\na/b/ 0700 0:0\na/b/c 0644 0:0 \"c\"\na/l 0:0 -> b\nh = a/b/c";
    gives("", config, after);
}

#[test]
fn a_directory_that_is_overwritten_loses_the_old_and_keeps_the_new() {
    let config = json!({ "storage": {
        "files": [{ "path": "/x/y/d/new", "contents": contents("new") }],
        "directories": [{ "path": "/x/y/d", "overwrite": true }],
    }});
    // The link makes the file's path shorter than the directory's, if it is not followed.
    let before = "d/ 0700 0:0\nd/old 0644 0:0 \"\"\nx/ 0755 0:0\nx/y 0:0 -> /";
    let after = "d/ 0755 0:0\nd/new 0644 0:0 \"new\"\nx/ 0755 0:0\nx/y 0:0 -> /";
    gives(before, config, after);
    let config = json!({ "storage": {
        "files": [{ "path": "/d/new", "contents": contents("new") }],
        "directories": [{ "path": "/x/y/d", "overwrite": true }],
    }});
    gives(before, config, after);
}

#[test]
fn a_link_made_here_is_followed_by_what_lies_deeper() {
    let config = json!({ "storage": {
        "directories": [{ "path": "/real" }],
        "files": [{ "path": "/l/d/f", "contents": contents("f") }],
        "links": [{ "path": "/l", "target": "/real" }],
    }});
    let after = "l 0:0 -> /real\nreal/ 0755 0:0\nreal/d/ 0755 0:0\nreal/d/f 0644 0:0 \"f\"";
    gives("", config, after);
}

#[test]
fn two_paths_to_one_place() {
    let both = |place: &str| {
        format!("/a/f and /b/f are both {place} when links are followed: keep one of them")
    };
    let config = || {
        json!({ "storage": {
            "files": [{ "path": "/b/f", "contents": contents("1") }],
            "directories": [{ "path": "/a/f" }],
        }})
    };
    fails("a/ 0755 0:0\nb 0:0 -> a", config(), &both("/a/f"));
    fails(
        "a 0:0 -> /c/d\nb 0:0 -> ../../c//d",
        config(),
        &both("/c/d/f"),
    );
    let config = json!({ "storage": {
        "links": [{ "path": "/x", "target": "1" }, { "path": "/./x", "target": "2" }],
    }});
    fails(
        "",
        config,
        "/x and /./x are both /x when links are followed: keep one of them",
    );
    fails(
        "l 0:0 -> l",
        json!({ "storage": { "files": [{ "path": "/l/f" }] } }),
        "cannot resolve /l/f inside the new root: Too many levels of symbolic links (os error 40)",
    );
}

#[test]
fn nothing_asked_for_is_nothing_done() {
    for config in [
        json!({}),
        json!({ "passwd": {}, "storage": {}, "systemd": {} }),
        json!({
            "passwd": { "users": [], "groups": [] }, "storage": { "files": [] }, "systemd": { "units": [] },
        }),
    ] {
        gives("", config, "");
    }
}
