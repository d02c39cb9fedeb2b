//! `systemd.units`.

use serde_json::{Value, json};

use crate::scene::{fails, gives};

/// Directories that are there after any unit file, and after any preset.
const SYSTEMD: &str = "etc/ 0755 0:0\netc/systemd/ 0755 0:0\n";
const UNITS: &str = "etc/systemd/system/ 0755 0:0\n";
const PRESETS: &str =
    "etc/systemd/system-preset/ 0755 0:0\netc/systemd/system-preset/20-ignition.preset 0644 0:0";

fn units(units: Value) -> Value {
    json!({ "systemd": { "units": units } })
}

/// What is in the place of the unit; `@` stands for its path.
const OLD: &str = "@ 0600 0:0 \"old\"";
const NEW: &str = "@ 0644 0:0 \"[Unit]\\n\"";
const MASKED: &str = "@ 0:0 -> /dev/null";

#[track_caller]
fn one(before: &str, mut unit: Value, after: &str) {
    unit["name"] = json!("u.service");
    let tree = |entry: &str| {
        let entry = entry.replace('@', "etc/systemd/system/u.service");
        format!("{SYSTEMD}{UNITS}{entry}")
    };
    gives(&tree(before), units(json!([unit])), &tree(after));
}

#[test]
fn files_and_drop_ins() {
    let new = || json!({ "contents": "[Unit]\n" });
    for before in ["", OLD, MASKED] {
        one(before, new(), NEW);
    }
    one(OLD, json!({ "contents": "" }), OLD);
    one("", json!({ "contents": "" }), "");
    let dropins = json!([
        { "name": "1.conf", "contents": "x" },
        { "name": "2.conf", "contents": "" },
        { "name": "3.conf" },
    ]);
    let after = "@.d/ 0755 0:0\n@.d/1.conf 0644 0:0 \"x\"\n@.d/2.conf 0644 0:0 \"\"";
    one("", json!({ "dropins": dropins }), after);
}

#[test]
fn masks() {
    for before in ["", OLD, MASKED, "@/ 0755 0:0"] {
        one(before, json!({ "mask": true }), MASKED);
    }
    let both = json!({ "mask": true, "contents": "[Unit]\n" });
    one("", both, MASKED);
    for (before, after) in [
        ("", ""),
        (OLD, OLD),
        (MASKED, ""),
        ("@ 0:0 -> /x", "@ 0:0 -> /x"),
    ] {
        one(before, json!({ "mask": false }), after);
    }
}

#[test]
fn presets() {
    let config = units(json!([
        { "name": "b.service", "enabled": true },
        { "name": "echo@y.service", "enabled": true },
        { "name": "a.socket", "enabled": false },
        { "name": "echo@x.service", "enabled": true },
        { "name": "echo@z.service", "enabled": false },
    ]));
    // None of them is there: only presets speak of them.
    let lines = "disable a.socket\\nenable b.service\\nenable echo@.service y x\\ndisable echo@z.service\\n\"";
    gives("", config.clone(), &format!("{SYSTEMD}{PRESETS} \"{lines}"));
    let old = format!("{SYSTEMD}{PRESETS} \"# ours\\ndisable b.service\\nenable ssh.service\"");
    gives(
        &old,
        config,
        &format!("{SYSTEMD}{PRESETS} \"# ours\\nenable ssh.service\\n{lines}"),
    );
}

#[test]
fn what_is_disabled_loses_its_links() {
    let system = "etc/systemd/system";
    let kept = format!(
        "{system}/alias.service 0:0 -> /usr/lib/systemd/system/other.service\n\
         {system}/m.target.wants/ 0755 0:0\n\
         {system}/m.target.wants/other.service 0:0 -> ../other.service\n"
    );
    let before = format!(
        "{SYSTEMD}{UNITS}{kept}\
         {system}/m.target.requires/ 0755 0:0\n\
         {system}/m.target.requires/u.service 0:0 -> ../u.service\n\
         {system}/m.target.wants/u.service 0:0 -> /usr/lib/systemd/system/u.service\n\
         {system}/nick.service 0:0 -> /usr/lib/systemd/system/u.service\n\
         {system}/u.service 0644 0:0 \"[Unit]\\n\"\n"
    );
    let after = format!(
        "{SYSTEMD}{UNITS}\
         {system}/alias.service 0:0 -> /usr/lib/systemd/system/other.service\n\
         {system}/m.target.requires/ 0755 0:0\n\
         {system}/m.target.wants/ 0755 0:0\n\
         {system}/m.target.wants/other.service 0:0 -> ../other.service\n\
         {system}/u.service 0644 0:0 \"[Unit]\\n\"\n\
         {PRESETS} \"disable u.service\\n\""
    );
    gives(
        &before,
        units(json!([{ "name": "u.service", "enabled": false }])),
        &after,
    );
}

/// Links of the image cannot be removed; one to nowhere in `/etc` hides one, and stays.
#[test]
fn what_stays_enabled_by_the_image_is_told() {
    let scene = crate::scene::Scene::new(&format!(
        "{SYSTEMD}{UNITS}etc/systemd/system/n.target.wants/ 0755 0:0\n\
         etc/systemd/system/n.target.wants/h.service 0:0 -> /dev/null\n\
         etc/systemd/system/n.target.wants/u.service 0:0 -> /usr/lib/systemd/system/u.service\n\
         usr/ 0755 0:0\nusr/lib/ 0755 0:0\nusr/lib/systemd/ 0755 0:0\nusr/lib/systemd/system/ 0755 0:0\n\
         usr/lib/systemd/system/m.target.wants/ 0755 0:0\n\
         usr/lib/systemd/system/m.target.wants/u.service 0:0 -> ../u.service\n\
         usr/lib/systemd/system/m.target.wants/masked.service 0:0 -> ../masked.service\n\
         usr/lib/systemd/system/n.target.wants/ 0755 0:0\n\
         usr/lib/systemd/system/n.target.wants/h.service 0:0 -> ../h.service"
    ));
    let config = units(json!([
        { "name": "u.service", "enabled": false },
        { "name": "h.service", "enabled": false },
        { "name": "masked.service", "enabled": false, "mask": true },
        { "name": "other.service", "enabled": false },
    ]));
    let told = [
        "unit u.service: not disabled: /usr/lib/systemd/system/m.target.wants/u.service of the image enables it, which only \
         a mask undoes",
        "unit h.service: disabled",
        "unit masked.service: disabled, masked",
        "unit other.service: disabled",
    ];
    assert_eq!(scene.told(&config), told);
    assert!(
        !scene
            .tree()
            .contains("etc/systemd/system/n.target.wants/u.service")
    );
    assert!(
        scene
            .tree()
            .contains("etc/systemd/system/n.target.wants/h.service 0:0 -> /dev/null")
    );
}

#[test]
fn names_that_lead_elsewhere() {
    for name in ["../../x.service", "", "..", "a b.service", "a\nb.service"] {
        let message =
            format!("'{name}' is not the name of a unit or drop-in: it must be a file name");
        fails(
            "",
            units(json!([{ "name": name, "enabled": true, "contents": "x" }])),
            &message,
        );
    }
    let dropin = json!({ "name": "../../../x.conf", "contents": "x" });
    let message = "'../../../x.conf' is not the name of a unit or drop-in: it must be a file name";
    fails(
        "",
        units(json!([{ "name": "u.service", "dropins": [dropin] }])),
        message,
    );
}
