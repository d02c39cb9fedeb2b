//! `passwd.groups`.

use serde_json::{Value, json};

use crate::files::users::{BASE, tree};
use crate::scene::{fails, gives};

fn group(group: Value) -> Value {
    json!({ "passwd": { "groups": [group] } })
}

#[test]
fn created() {
    for (wanted, line, secret) in [
        (json!({ "name": "team" }), "team:x:1501:\n", "team:!::\n"),
        (
            json!({ "name": "team", "gid": 300 }),
            "team:x:300:\n",
            "team:!::\n",
        ),
        (
            json!({ "name": "team", "system": true }),
            "team:x:999:\n",
            "team:!::\n",
        ),
        (
            json!({ "name": "team", "passwordHash": "hash", "shouldExist": true }),
            "team:x:1501:\n",
            "team:hash::\n",
        ),
        (
            json!({ "name": "team", "passwordHash": "" }),
            "team:x:1501:\n",
            "team:!::\n",
        ),
        (json!({ "name": "sudo" }), "", ""),
        (json!({ "name": "sudo", "gid": 27 }), "", ""),
        (
            json!({ "name": "users", "passwordHash": "hash" }),
            "",
            "users:hash::\n",
        ),
        (json!({ "name": "gone", "shouldExist": false }), "", ""),
    ] {
        gives(
            &BASE.tree(),
            group(wanted),
            &BASE.with("", "", line, secret),
        );
    }
    let several = json!({ "passwd": { "groups": [{ "name": "a" }, { "name": "b" }, { "name": "s", "system": true }, { "name": "t", "system": true }] } });
    let lines = "a:x:1501:\nb:x:1502:\ns:x:999:\nt:x:998:\n";
    gives(
        &BASE.tree(),
        several,
        &BASE.with("", "", lines, "a:!::\nb:!::\ns:!::\nt:!::\n"),
    );
}

/// As groupmod: the id is changed, users whose primary group it is follow, files keep the old one.
#[test]
fn a_group_that_is_there_gets_the_id_that_is_given() {
    let groups = BASE.group.replace("foo:x:1500:", "foo:x:1600:");
    let passwd = BASE.passwd.replace("foo:x:1500:1500:", "foo:x:1500:1600:");
    let after = tree([&groups, BASE.gshadow, &passwd, BASE.shadow]);
    let config = group(json!({ "name": "foo", "gid": 1600 }));
    gives(&BASE.tree(), config.clone(), &after);
    let scene = crate::scene::Scene::new(&BASE.tree());
    let told = ["group foo: is there already, its id is changed"];
    assert_eq!(scene.told(&config), told);
    assert_eq!(scene.told(&config), ["group foo: is there already"]);
}

#[test]
fn removed() {
    let groups = BASE.group.replace("sudo:x:27:\n", "");
    let secrets = BASE.gshadow.replace("sudo:*::\n", "");
    let after = tree([&groups, &secrets, BASE.passwd, BASE.shadow]);
    gives(
        &BASE.tree(),
        group(json!({ "name": "sudo", "shouldExist": false })),
        &after,
    );
}

#[test]
fn refused() {
    for (wanted, message) in [
        (
            json!({ "name": "team", "gid": 27 }),
            "the group team cannot have the id 27: sudo has it; give another one",
        ),
        (
            json!({ "name": "sudo", "gid": 100 }),
            "the group sudo cannot have the id 100: users has it; give another one",
        ),
        (
            json!({ "name": "team", "gid": 4_294_967_295_u32 }),
            "4294967295 is not a group id for team: it must be from 0 to 4294967294",
        ),
        (
            json!({ "name": "foo", "shouldExist": false }),
            "cannot remove the group foo: it is the primary group of foo; give that user another one",
        ),
        (
            json!({ "name": "a b" }),
            "'a b' is not a name for a group: it must not be empty, begin with -, + or ~, or hold a colon, comma, slash or white space",
        ),
        (
            json!({ "name": "team", "passwordHash": "a:b" }),
            "the passwordHash of team must not hold a colon or a line break",
        ),
    ] {
        fails(&BASE.tree(), group(wanted), message);
    }
}

#[test]
fn a_table_that_is_no_text_is_not_lost() {
    let scene = crate::scene::Scene::new("etc/ 0755 0:0\netc/group 0644 0:0 \"\"");
    let path = scene.path().join("etc/group");
    std::fs::File::create(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"\xff:x:1:\n"))
        .unwrap();
    let message = "cannot read /etc/group: invalid utf-8 sequence of 1 bytes from index 0";
    assert_eq!(
        scene.apply(&group(json!({ "name": "team" }))),
        Err(message.to_owned())
    );
    assert_eq!(std::fs::read(path).unwrap(), b"\xff:x:1:\n");
}
