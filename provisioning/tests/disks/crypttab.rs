//! Keys and `/etc/crypttab` in the new root, whole trees, written once and again.

use acl_provision::stage::crypttab;
use acl_provision::stage::disks::{Keys, luks};
use serde_json::{Value, json};

use super::programs::{image, recorded};
use crate::scene::{Scene, config, contents, is_root, sorted};

fn answer(line: &str) -> Result<&'static str, i32> {
    match line {
        _ if line.contains("luksUUID") => Ok("7777-77\n"),
        _ if line.starts_with("blkid") => Err(2),
        _ => Ok(""),
    }
}

/// The stage files and then the crypttab, in a machine that has just made the volume with a key, and again in the same
/// boot, which has forgotten it.
#[track_caller]
fn gives(before: &str, sections: &Value, after: &str) {
    let scene = Scene::new(before);
    assert_eq!(written(&scene, sections), [Ok(()), Ok(())]);
    assert_eq!(sorted(&scene.tree()), sorted(after), "the first boot");
    assert_eq!(written(&scene, sections), [Ok(()), Ok(())]);
    assert_eq!(sorted(&scene.tree()), sorted(after), "the second boot");
    scene.assert_outside_untouched();
}

fn written(scene: &Scene, sections: &Value) -> [Result<(), String>; 2] {
    let boot = tempfile::tempdir().unwrap();
    image(boot.path(), "vdb", 1);
    let (machine, _) = recorded(boot.path(), answer);
    let config = config(sections);
    let volumes = config.storage.as_ref().unwrap().luks.as_ref().unwrap();
    let mut keys = Keys::default();
    keys.insert("data", b"k".to_vec());
    luks::apply(volumes, &keys, &machine).unwrap();
    [(); 2].map(|()| {
        scene.apply(sections)?;
        crypttab::write(&config, &scene.root(), &machine)
            .map_err(|error| acl_host::error::chain(&error))
    })
}

fn storage(mut storage: Value) -> Value {
    storage["luks"] =
        json!([{ "name": "data", "device": "/dev/vdb", "keyFile": { "source": "data:,k" } }]);
    json!({ "storage": storage })
}

const KEY: &str = "etc/ 0755 0:0\netc/luks/ 0700 0:0\netc/luks/data 0600 0:0 \"k\"\n";
const LINE: &str = "data UUID=7777-77 /etc/luks/data luks\\n";

#[test]
fn written_once_and_again() {
    if !is_root("written_once_and_again") {
        return;
    }
    let after = format!("{KEY}etc/crypttab 0600 0:0 \"{LINE}\"");
    let there = "etc/ 0755 0:0\netc/luks/ 0755 0:0\n";
    for before in [
        "",
        there,
        &format!("{there}etc/luks/data 0644 0:0 \"old\""),
        &format!("{there}etc/crypttab 0644 0:0 \"data UUID=1 none\\n\""),
    ] {
        gives(before, &storage(json!({})), &after);
    }
    let listed = json!({ "directories": [{ "path": "/etc/luks", "mode": 0o755 }] });
    gives("", &storage(listed), &after);
    let mine = format!("{KEY}etc/crypttab 0600 0:0 \"# mine\\na x\\n{LINE}\"");
    gives(
        "etc/ 0755 0:0\netc/crypttab 0644 0:0 \"# mine\\na x\\n\"",
        &storage(json!({})),
        &mine,
    );
}

#[test]
fn beside_what_the_config_says_about_the_file() {
    if !is_root("beside_what_the_config_says_about_the_file") {
        return;
    }
    let text = || contents("# mine\na x\n");
    let after = format!("{KEY}etc/crypttab 0600 0:0 \"# mine\\na x\\n{LINE}\"");
    for file in [
        json!({ "contents": text() }),
        json!({ "contents": text(), "overwrite": true }),
        json!({ "contents": text(), "mode": 0o644 }),
    ] {
        let mut file = file;
        file["path"] = json!("/etc/crypttab");
        gives("", &storage(json!({ "files": [file] })), &after);
    }
    let appended = json!({ "files": [{ "path": "/etc/crypttab", "append": [text()] }] });
    let noted = "var/ 0755 0:0\nvar/lib/ 0755 0:0\nvar/lib/acl/ 0755 0:0\nvar/lib/acl/provision/ 0755 0:0\n\
                 var/lib/acl/provision/appended 0600 0:0 (1)\n";
    gives("", &storage(appended), &format!("{noted}{after}"));
}

#[test]
fn a_key_of_another_config_is_not_named() {
    if !is_root("a_key_of_another_config_is_not_named") {
        return;
    }
    let tpm = json!([{ "name": "data", "device": "/dev/vdb", "clevis": { "tpm2": true } }]);
    let old = "etc/ 0755 0:0\netc/luks/ 0700 0:0\netc/luks/data 0600 0:0 \"old\"\n";
    gives(
        old,
        &json!({ "storage": { "luks": tpm } }),
        &format!("{old}etc/crypttab 0600 0:0 \"data UUID=7777-77 none luks\\n\""),
    );
}

#[test]
fn something_else_in_the_place_of_the_directory() {
    for (node, found) in [
        ("etc/luks 0644 0:0 \"\"", "file"),
        ("etc/luks 0:0 -> /x", "symbolic link"),
    ] {
        let before = format!("etc/ 0755 0:0\n{node}");
        let scene = Scene::new(&before);
        let error = Err(format!(
            "cannot create the directory /etc/luks: a {found} is there already; set overwrite, or choose another path"
        ));
        assert_eq!(written(&scene, &storage(json!({}))), [error.clone(), error]);
        assert_eq!(sorted(&scene.tree()), sorted(&before));
    }
}

#[test]
fn as_root_the_directory_becomes_roots() {
    if !is_root("as_root_the_directory_becomes_roots") {
        return;
    }
    gives(
        "etc/ 0755 0:0\netc/luks/ 0755 7:7\n",
        &storage(json!({})),
        &format!("{KEY}etc/crypttab 0600 0:0 \"{LINE}\""),
    );
}
