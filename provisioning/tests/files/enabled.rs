//! `enabled: true`: the links that `systemctl enable` makes on the same tree, compared with the real one.

use acl_host::{Tool, Tools};
use serde_json::json;

use crate::scene::{Scene, sorted};

/// Directories of every tree.
const DIRECTORIES: &str = "etc/ 0755 0:0\netc/systemd/ 0755 0:0\netc/systemd/system/ 0755 0:0\n\
    usr/ 0755 0:0\nusr/lib/ 0755 0:0\nusr/lib/systemd/ 0755 0:0\nusr/lib/systemd/system/ 0755 0:0\n";

/// A tree from lines in which `E/` and `L/` are the directories of units of the operator and of the image, a line break in
/// contents is `|`, and a unit is given by its `[Install]` section: `E/a.service WantedBy=m.target`.
fn tree(lines: &str) -> String {
    let mut tree = DIRECTORIES.to_owned();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = match line.split_once(' ') {
            None => format!("{line} 0755 0:0"),
            Some((path, target)) if target.starts_with("->") => format!("{path} 0:0 {target}"),
            Some((path, "empty")) => format!("{path} 0644 0:0 \"\""),
            Some((path, install)) => {
                let text = format!("[Install]\n{}\n", install.replace('|', "\n"));
                format!("{path} 0644 0:0 {text:?}")
            }
        };
        let line = match line.split_at(2) {
            ("E/", rest) => format!("etc/systemd/system/{rest}"),
            ("L/", rest) => format!("usr/lib/systemd/system/{rest}"),
            _ => line,
        };
        tree.push_str(&line);
        tree.push('\n');
    }
    tree
}

/// Links and their directories, without what a tree had before; targets in the directories are named by their end.
fn new(scene: &Scene, before: &str) -> Vec<String> {
    let before = sorted(before);
    let is_new = |line: &&str| !before.lines().any(|old| old == *line);
    let tree = scene.tree();
    let new = tree
        .lines()
        .filter(is_new)
        .filter(|line| !line.contains("system-preset"));
    new.filter(|line| !line.contains("/ 0755 0:0"))
        .map(|line| {
            line.replace("/usr/lib/systemd/system/", "L/")
                .replace("/etc/systemd/system/", "E/")
                .replace("etc/systemd/system/", "")
                .replace(" 0:0 -> ", " ")
        })
        .collect()
}

fn systemctl(scene: &Scene, unit: &str) {
    // It fails where it refuses one of several links; what it made counts.
    let _ = Tools::host()
        .command(Tool::Systemctl)
        .arg(format!("--root={}", scene.path().display()))
        .args(["--quiet", "enable", unit])
        .run();
}

/// Which links are there after the stage, after it ran again, and after systemctl ran on the same tree.
#[track_caller]
fn links(lines: &str, unit: &str, expected: &[&str]) {
    let before = tree(lines);
    let ours = enabled(&before, unit);
    assert_eq!(new(&ours, &before), expected, "{unit} of {lines}");
    let theirs = Scene::new(&before);
    systemctl(&theirs, unit);
    assert_eq!(
        new(&theirs, &before),
        expected,
        "systemctl: {unit} of {lines}"
    );
    let without_preset = |tree: String| {
        let lines = tree.lines().filter(|line| !line.contains("system-preset"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        without_preset(ours.tree()),
        without_preset(theirs.tree()),
        "{unit} of {lines}"
    );
}

#[track_caller]
fn enabled(before: &str, unit: &str) -> Scene {
    let scene = Scene::new(before);
    let config = json!({ "systemd": { "units": [{ "name": unit, "enabled": true }] } });
    assert_eq!(scene.apply(&config), Ok(()));
    let once = scene.tree();
    assert_eq!(scene.apply(&config), Ok(()));
    assert_eq!(scene.tree(), once, "the second run");
    scene.assert_outside_untouched();
    scene
}

#[test]
fn plain_units() {
    for (before, unit, expected) in [
        (
            "E/a.service WantedBy=m.target",
            "a.service",
            &["m.target.wants/a.service E/a.service"][..],
        ),
        (
            "L/a.socket RequiredBy=m.target n.service",
            "a.socket",
            &[
                "m.target.requires/a.socket L/a.socket",
                "n.service.requires/a.socket L/a.socket",
            ],
        ),
        // The operator's counts, and not the image's.
        (
            "L/a.service WantedBy=l.target\nE/a.service WantedBy=e.target",
            "a.service",
            &["e.target.wants/a.service E/a.service"],
        ),
        (
            "E/a.service WantedBy=x.target|WantedBy=|# c|;d|WantedBy=y.target \\|# no| 'z.target'",
            "a.service",
            &[
                "y.target.wants/a.service E/a.service",
                "z.target.wants/a.service E/a.service",
            ],
        ),
        (
            "E/a.service WantedBy=x.target|[Unit]|WantedBy=y.target|[Install]|RequiredBy=z.target",
            "a.service",
            &[
                "x.target.wants/a.service E/a.service",
                "z.target.requires/a.service E/a.service",
            ],
        ),
        (
            "E/a-b.service WantedBy=%p.target %j.target %N.x.target %n|Alias=%p-%j.service",
            "a-b.service",
            &[
                "a-b-b.service E/a-b.service",
                "a-b.service.wants/a-b.service E/a-b.service",
                "a-b.target.wants/a-b.service E/a-b.service",
                "a-b.x.target.wants/a-b.service E/a-b.service",
                "b.target.wants/a-b.service E/a-b.service",
            ],
        ),
    ] {
        links(before, unit, expected);
    }
}

#[test]
fn units_that_say_nothing_or_something_wrong() {
    for (before, unit, expected) in [
        (
            "E/a.service WantedBy=bad/name a.wants %% ../x.target ok.target x@.service",
            "a.service",
            &[
                "ok.target.wants/a.service E/a.service",
                "x@.service.wants/a.service E/a.service",
            ][..],
        ),
        ("L/a.service Description=static", "a.service", &[]),
        ("L/a.service empty", "a.service", &[]),
        (
            "L/a.service WantedBy=m.target\nE/a.service -> /dev/null",
            "a.service",
            &[],
        ),
        ("", "a.service", &[]),
    ] {
        links(before, unit, expected);
    }
}

#[test]
fn drop_ins() {
    for (before, expected) in [
        (
            "L/a.service WantedBy=m.target\nE/a.service.d/\nE/a.service.d/1.conf WantedBy=n.target",
            &[
                "m.target.wants/a.service L/a.service",
                "n.target.wants/a.service L/a.service",
            ][..],
        ),
        (
            "L/a.service WantedBy=m.target\nE/a.service.d/\nE/a.service.d/1.conf WantedBy=|WantedBy=n.target\nE/a.service.d/2.txt WantedBy=t.target",
            &["n.target.wants/a.service L/a.service"],
        ),
        // One of the operator hides that of the image with its name; they are read by name.
        (
            "L/a.service WantedBy=m.target\nL/a.service.d/\nL/a.service.d/1.conf WantedBy=l.target\n\
          L/a.service.d/3.conf WantedBy=three.target\nL/a.service.d/0.conf WantedBy=zero.target\n\
          E/a.service.d/\nE/a.service.d/1.conf WantedBy=|WantedBy=e.target\nE/a.service.d/3.conf Description=hides",
            &["e.target.wants/a.service L/a.service"],
        ),
    ] {
        links(before, "a.service", expected);
    }
    // systemctl 252 takes the whole unit for masked here; systemd itself only the drop-in, and so do we.
    let hidden = tree(
        "L/a.service WantedBy=m.target\nL/a.service.d/\nL/a.service.d/1.conf WantedBy=l.target\n\
                       E/a.service.d/\nE/a.service.d/1.conf -> /dev/null",
    );
    let ours = enabled(&hidden, "a.service");
    assert_eq!(
        new(&ours, &hidden),
        ["m.target.wants/a.service L/a.service"]
    );
    let instances = "L/e@.service WantedBy=m.target\nE/e@.service.d/\nE/e@.service.d/1.conf WantedBy=t.target\n\
                     E/e@x.service.d/\nE/e@x.service.d/1.conf WantedBy=x.target";
    links(
        instances,
        "e@x.service",
        &[
            "m.target.wants/e@x.service L/e@.service",
            "x.target.wants/e@x.service L/e@.service",
        ],
    );
    links(
        instances,
        "e@y.service",
        &[
            "m.target.wants/e@y.service L/e@.service",
            "t.target.wants/e@y.service L/e@.service",
        ],
    );
}

#[test]
fn templates_and_instances() {
    for (before, unit, expected) in [
        (
            "L/e@.service WantedBy=m.target %i.target %p-%j.target",
            "e@a-b.service",
            &[
                "a-b.target.wants/e@a-b.service L/e@.service",
                "e-e.target.wants/e@a-b.service L/e@.service",
                "m.target.wants/e@a-b.service L/e@.service",
            ][..],
        ),
        (
            "L/e@.service WantedBy=m.target\nE/e@x.service WantedBy=own.target",
            "e@x.service",
            &["own.target.wants/e@x.service E/e@x.service"],
        ),
        (
            "L/e@.service WantedBy=m.target|DefaultInstance=d",
            "e@.service",
            &["m.target.wants/e@d.service L/e@.service"],
        ),
        (
            "L/e@.service WantedBy=m.target|DefaultInstance=d",
            "e@x.service",
            &["m.target.wants/e@x.service L/e@.service"],
        ),
        (
            "L/e@.service WantedBy=m.target n@.target %i.target o@x.target",
            "e@.service",
            &[
                "n@.target.wants/e@.service L/e@.service",
                "o@x.target.wants/e@.service L/e@.service",
            ],
        ),
    ] {
        links(before, unit, expected);
    }
}

#[test]
fn other_names() {
    for (before, unit, expected) in [
        (
            "E/a.service Alias=b.service a.service c.socket d@x.service e.service.x m.target.wants/z.service m.target.wants/a.service",
            "a.service",
            &[
                "b.service E/a.service",
                "m.target.wants/a.service E/a.service",
            ][..],
        ),
        (
            "L/e@.service Alias=f@.service g.service g@d.service|DefaultInstance=d",
            "e@.service",
            &["f@.service L/e@.service", "g@d.service L/e@.service"],
        ),
        (
            "L/e@.service Alias=f@.service g.service g@x.service g@y.service",
            "e@x.service",
            &["f@x.service L/e@.service", "g@x.service L/e@.service"],
        ),
        (
            "L/a.mount Alias=b.mount|WantedBy=m.target",
            "a.mount",
            &["m.target.wants/a.mount L/a.mount"],
        ),
        // The name is another unit's.
        (
            "L/a.service Alias=b.service|WantedBy=m.target\nE/b.service WantedBy=x.target",
            "a.service",
            &["m.target.wants/a.service L/a.service"],
        ),
        // A unit that is only another's name.
        (
            "L/real.service WantedBy=m.target\nL/nick.service -> real.service",
            "nick.service",
            &["m.target.wants/real.service L/real.service"],
        ),
        (
            "opt/\nopt/a.service WantedBy=m.target|Alias=b.service\nE/a.service -> /opt/a.service",
            "a.service",
            &[
                "b.service /opt/a.service",
                "m.target.wants/a.service /opt/a.service",
            ],
        ),
    ] {
        links(before, unit, expected);
    }
}

#[test]
fn units_that_name_others() {
    links(
        "E/a.service WantedBy=m.target|Also=b.socket e@%p.service none.service masked.service\n\
         E/masked.service -> /dev/null\nL/b.socket WantedBy=sockets.target|Also=a.service\nL/e@.service WantedBy=%i.target",
        "a.service",
        &[
            "a.target.wants/e@a.service L/e@.service",
            "m.target.wants/a.service E/a.service",
            "sockets.target.wants/b.socket L/b.socket",
        ],
    );
}

#[test]
fn links_that_are_there() {
    let unit = "L/a.service WantedBy=m.target\nE/m.target.wants/\n";
    let to = "E/m.target.wants/a.service ->";
    // One that leads there by another text stays, one that leads elsewhere is replaced.
    links(
        &format!("{unit}{to} ../../../../usr/lib/systemd/system/a.service"),
        "a.service",
        &[],
    );
    links(
        &format!("{unit}{to} /else/a.service"),
        "a.service",
        &["m.target.wants/a.service L/a.service"],
    );
    links(
        &format!("{unit}{to} /usr/lib/systemd/system/a.service"),
        "a.service",
        &[],
    );
}

/// systemd knows it since 254, and the tests may have an older systemctl.
#[test]
fn upheld_by() {
    let before = tree("L/a.service UpheldBy=m.target");
    let scene = enabled(&before, "a.service");
    assert_eq!(
        new(&scene, &before),
        ["m.target.upholds/a.service L/a.service"]
    );
}

/// A unit that the config brings, with a drop-in, on a root that has a machine id; and its preset as ever.
#[test]
fn units_of_the_config() {
    let before = format!("{DIRECTORIES}etc/machine-id 0444 0:0 \"1\"\n");
    let config = json!({ "systemd": { "units": [
        { "name": "site.service", "enabled": true, "contents": "[Install]\nWantedBy=m.target\nAlso=later.timer\n",
          "dropins": [{ "name": "1.conf", "contents": "[Install]\nRequiredBy=r.target\n" }] },
        { "name": "later.timer", "contents": "[Install]\nWantedBy=timers.target\n" },
    ] } });
    let system = "etc/systemd/system";
    let after = format!(
        "{before}\
         {system}/later.timer 0644 0:0 \"[Install]\\nWantedBy=timers.target\\n\"\n\
         {system}/m.target.wants/ 0755 0:0\n\
         {system}/m.target.wants/site.service 0:0 -> /{system}/site.service\n\
         {system}/r.target.requires/ 0755 0:0\n\
         {system}/r.target.requires/site.service 0:0 -> /{system}/site.service\n\
         {system}/site.service 0644 0:0 \"[Install]\\nWantedBy=m.target\\nAlso=later.timer\\n\"\n\
         {system}/site.service.d/ 0755 0:0\n\
         {system}/site.service.d/1.conf 0644 0:0 \"[Install]\\nRequiredBy=r.target\\n\"\n\
         {system}/timers.target.wants/ 0755 0:0\n\
         {system}/timers.target.wants/later.timer 0:0 -> /{system}/later.timer\n\
         etc/systemd/system-preset/ 0755 0:0\n\
         etc/systemd/system-preset/20-ignition.preset 0644 0:0 \"enable site.service\\n\""
    );
    crate::scene::gives(&before, config, &after);
}

/// The directory of a target may be a link that would lead outside.
#[test]
fn links_stay_in_the_root() {
    let before = tree("L/a.service WantedBy=m.target\nE/m.target.wants -> ../../../../outside");
    let scene = enabled(&before, "a.service");
    assert_eq!(new(&scene, &before), ["outside/a.service L/a.service"]);
}
