//! Files that get their names together.

use serde_json::{Value, json};

use crate::scene::{Scene, contents, gives};

fn files(files: Vec<Value>) -> Value {
    json!({ "storage": { "files": files } })
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn more_than_wait_at_a_time() {
    let name = |number: usize| format!("f{number:03}");
    let all = (0..300).map(|n| json!({"path": format!("/{}", name(n)), "contents": contents("a")}));
    let tree = (0..300).map(|n| format!("{} 0644 0:0 \"a\"", name(n)));
    gives("", files(all.collect()), &lines(tree));
}

/// The name in the making is cut, and is then that of another.
#[test]
fn names_that_differ_at_their_end() {
    let names = [246, 247, 250, 255].map(|length| "n".repeat(length));
    let entry = |name: &String| json!({"path": format!("/{name}"), "contents": contents(&name.len().to_string())});
    let tree = names
        .iter()
        .map(|name| format!("{name} 0644 0:0 \"{}\"", name.len()));
    gives("", files(names.iter().map(entry).collect()), &lines(tree));
    let backwards = names.iter().rev().map(entry).collect();
    let tree = names
        .iter()
        .map(|name| format!("{name} 0644 0:0 \"{}\"", name.len()));
    gives("", files(backwards), &lines(tree));
}

/// The name of one is the name in the making of the other.
#[test]
fn a_name_in_the_making() {
    let entry = |path: &str| json!({"path": path, "contents": contents(path)});
    let tree = ".x.acl-new 0644 0:0 \"/.x.acl-new\"\nx 0644 0:0 \"/x\"";
    gives("", files(vec![entry("/x"), entry("/.x.acl-new")]), tree);
}

#[test]
fn a_hard_link_to_one_of_them() {
    let sections = json!({"storage": {
        "files": [{"path": "/d/f", "contents": contents("a")}],
        "links": [{"path": "/l", "target": "/d/f", "hard": true}],
    }});
    gives("", sections, "d/ 0755 0:0\nd/f 0644 0:0 \"a\"\nl = d/f");
}

/// What failed leaves nothing half made behind: neither under its name nor under the one in the making.
#[test]
fn a_later_one_fails() {
    let scene = Scene::new("g 0644 0:0 \"other\"");
    let sections = files(vec![
        json!({"path": "/f", "contents": contents("a")}),
        json!({"path": "/g", "contents": contents("b")}),
    ]);
    scene.apply(&sections).unwrap_err();
    assert_eq!(scene.tree(), "g 0644 0:0 \"other\"");
    scene.assert_outside_untouched();
}
