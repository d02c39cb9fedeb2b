//! Presets of instances, as the real `systemctl preset-all` acts on them.

use acl_host::{Tool, Tools};
use serde_json::json;

use crate::scene::Scene;

const PRESET: &str = "etc/systemd/system-preset/20-ignition.preset";

/// A root with the template `getty@.service`, the default instance of which is tty1, and presets of the image.
fn root(presets: &str) -> Scene {
    let unit = "[Install]\nWantedBy=m.target\nDefaultInstance=tty1\n";
    Scene::new(&format!(
        "etc/ 0755 0:0\netc/systemd/ 0755 0:0\netc/systemd/system/ 0755 0:0\nusr/ 0755 0:0\nusr/lib/ 0755 0:0\n\
         usr/lib/systemd/ 0755 0:0\nusr/lib/systemd/system/ 0755 0:0\nusr/lib/systemd/system-preset/ 0755 0:0\n\
         usr/lib/systemd/system/getty@.service 0644 0:0 {unit:?}\n\
         usr/lib/systemd/system-preset/90-systemd.preset 0644 0:0 {presets:?}"
    ))
}

fn systemctl(scene: &Scene, words: &[&str]) {
    Tools::host()
        .command(Tool::Systemctl)
        .arg(format!("--root={}", scene.path().display()))
        .arg("--quiet")
        .args(words)
        .run()
        .unwrap();
}

/// The instances that are enabled.
fn enabled(scene: &Scene) -> Vec<String> {
    let tree = scene.tree();
    let links = tree
        .lines()
        .filter_map(|line| line.strip_prefix("etc/systemd/system/m.target.wants/getty@"));
    links
        .filter_map(|line| Some(line.split_once(".service ")?.0.to_owned()))
        .collect()
}

#[test]
fn an_instance_that_is_disabled_stays_off() {
    for (presets, units, lines, on) in [
        // The control: without a config the default instance is on.
        (
            "enable getty@.service\ndisable *\n",
            &[][..],
            "",
            &["tty1"][..],
        ),
        (
            "enable getty@.service\ndisable *\n",
            &[("tty1", false)],
            "disable getty@.service\ndisable getty@tty1.service\n",
            &[],
        ),
        // Without a preset systemd enables.
        (
            "",
            &[("tty1", false)],
            "disable getty@.service\ndisable getty@tty1.service\n",
            &[],
        ),
        // Others stay what they are.
        (
            "enable getty@.service\n",
            &[("tty5", false)],
            "disable getty@tty5.service\n",
            &["tty1"],
        ),
        (
            "enable getty@.service tty1 tty2\n",
            &[("tty1", false)],
            "enable getty@.service tty2\ndisable getty@tty1.service\n",
            &["tty2"],
        ),
        (
            "disable *\n",
            &[("tty1", false)],
            "disable getty@tty1.service\n",
            &[],
        ),
        (
            "enable getty@.service\n",
            &[("tty1", false), ("tty3", true)],
            "enable getty@.service tty3\ndisable getty@tty1.service\n",
            &["tty3"],
        ),
    ] {
        check(presets, units, lines, on);
    }
}

/// The lines that are written for units of one template, and which instances are on after `preset-all`.
#[track_caller]
fn check(presets: &str, units: &[(&str, bool)], lines: &str, on: &[&str]) {
    let scene = root(presets);
    // It was on before.
    if units.iter().any(|(_, enabled)| !enabled) {
        systemctl(&scene, &["enable", "getty@tty1.service"]);
    }
    let before = enabled(&scene);
    let config: Vec<_> = units
        .iter()
        .map(|(instance, enabled)| {
            json!({ "name": format!("getty@{instance}.service"), "enabled": enabled })
        })
        .collect();
    let config = json!({ "systemd": { "units": config } });
    assert_eq!(scene.apply(&config), Ok(()));
    let written = scene.root().read_to_string(format!("/{PRESET}")).unwrap();
    assert_eq!(written.unwrap_or_default(), lines, "{presets}");
    let off = |instance: &&String| !units.contains(&(instance.as_str(), false));
    let kept: Vec<_> = before.iter().filter(off).collect();
    assert!(
        kept.iter().all(|kept| enabled(&scene).contains(kept)),
        "{presets}"
    );
    // The first boot, then an operator who resets all.
    for mode in ["--preset-mode=enable-only", "--preset-mode=full"] {
        systemctl(&scene, &["preset-all", mode]);
        assert_eq!(enabled(&scene), on, "{mode} {presets} {lines}");
    }
    assert_eq!(scene.apply(&config), Ok(()));
    let again = scene.root().read_to_string(format!("/{PRESET}")).unwrap();
    assert_eq!(again.unwrap_or_default(), lines, "the second run");
}
