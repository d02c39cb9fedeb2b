//! Every version is read, and nothing of a config is lost on its way to the newest.

use acl_provision::config::{self, Entry, Kind, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::full;

/// The config as read from a document, and the keys that its version does not know.
fn read(document: &Value) -> (Value, Vec<Entry>) {
    let parsed = config::parse(document.to_string().as_bytes());
    let errors: Vec<_> = parsed
        .report
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {document:#}");
    let config = serde_json::to_value(parsed.config.unwrap()).unwrap();
    (full::said(config), parsed.report.entries)
}

/// The document without the value at the entry's path.
fn forget(document: &mut Value, entry: &Entry) {
    let mut at = document;
    let steps: Vec<_> = entry.path.steps().collect();
    let (last, holders) = steps.split_last().unwrap();
    for step in holders {
        at = match at {
            Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
            value => value.get_mut(*step).unwrap(),
        };
    }
    at.as_object_mut().unwrap().remove(*last).unwrap();
}

/// What the version makes of a document: what it knows, with the mode bits that it knows.
fn expected(document: &Value, version: Version, unknown: &[Entry]) -> Value {
    let mut expected = document.clone();
    unknown
        .iter()
        .filter(|entry| entry.message.starts_with("this key is not known"))
        .for_each(|entry| forget(&mut expected, entry));
    expected["ignition"]["version"] = json!("3.6.0");
    if version.minor() < 6 {
        for list in ["files", "directories"] {
            let nodes = expected.pointer_mut(&format!("/storage/{list}"));
            for node in nodes.and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(mode) = node.get("mode").and_then(Value::as_i64) {
                    node["mode"] = json!(mode & 0o777);
                }
            }
        }
    }
    expected
}

#[test]
fn every_version_is_read_whole() {
    for version in Version::all() {
        let mut document = full::config();
        document["ignition"]["version"] = json!(version.to_string());
        let (config, unknown) = read(&document);
        assert_eq!(config, expected(&document, version, &unknown), "{version}");
    }
}

#[test]
fn what_each_version_does_not_know() {
    let unknown = |version: &str| {
        let mut document = full::config();
        document["ignition"]["version"] = json!(version);
        let mut paths: Vec<_> = read(&document)
            .1
            .iter()
            .filter(|entry| entry.message.starts_with("this key is not known"))
            .map(|entry| entry.path.to_string())
            .collect();
        paths.sort();
        paths
    };
    let of_3_3 = [
        "$.storage.luks.0.clevis.tang.0.advertisement",
        "$.storage.luks.0.discard",
        "$.storage.luks.0.openOptions",
    ];
    let of_3_1 = [
        "$.passwd.groups.0.shouldExist",
        "$.passwd.users.0.shouldExist",
        "$.storage.disks.0.partitions.0.resize",
        "$.storage.luks",
    ];
    let of_3_0 = [
        "$.ignition.config.merge.0.compression",
        "$.ignition.config.merge.0.httpHeaders",
        "$.ignition.proxy",
        "$.ignition.security.tls.certificateAuthorities.0.compression",
        "$.ignition.security.tls.certificateAuthorities.0.httpHeaders",
        "$.passwd.groups.0.shouldExist",
        "$.passwd.users.0.shouldExist",
        "$.storage.disks.0.partitions.0.resize",
        "$.storage.files.0.append.0.httpHeaders",
        "$.storage.files.0.contents.httpHeaders",
        "$.storage.filesystems.0.mountOptions",
        "$.storage.luks",
    ];
    assert_eq!(unknown("3.6.0"), [""; 0]);
    assert_eq!(unknown("3.5.0"), [""; 0]);
    assert_eq!(unknown("3.4.0"), [""; 0]);
    assert_eq!(unknown("3.3.0"), of_3_3);
    assert_eq!(unknown("3.2.0"), of_3_3);
    assert_eq!(unknown("3.1.0"), of_3_1);
    assert_eq!(unknown("3.0.0"), of_3_0);
}

#[test]
fn the_least_config_is_one() {
    let (config, report) = read(&json!({"ignition": {"version": "3.0.0"}}));
    assert_eq!(config, json!({"ignition": {"version": "3.6.0"}}));
    assert_eq!(report, []);
}

/// What the nodes of AKS are sent: a tar in a data: URL, units that unpack it, and links that start them early.
#[test]
fn the_config_of_an_aks_node_is_valid() {
    let (_, report) = read(&json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "files": [{
                "path": "/var/lib/ignition/ignition-files.tar",
                "mode": 0o600,
                "contents": {"compression": "gzip", "source": "data:;base64,H4sIAAAAAAAAAwMAAAAAAAAAAAA="},
            }],
            "links": [{
                "path": "/etc/systemd/system/sysinit.target.wants/ignition-file-extract.service",
                "target": "/etc/systemd/system/ignition-file-extract.service",
            }],
        },
        "systemd": {"units": [
            {"name": "ignition-file-extract.service", "enabled": true,
             "contents": "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/usr/bin/tar -xf \\\n  a.tar\n[Install]\nWantedBy=sysinit.target\n"},
            {"name": "ignition-bootcmds.service", "enabled": true,
             "contents": "[Service]\nType=oneshot\n[Install]\nWantedBy=multi-user.target\n"},
        ]},
    }));
    assert_eq!(report, []);
}

/// What translators write for nothing, and what useradd and mount take.
#[test]
fn what_ignition_takes_is_taken() {
    let (_, report) = read(&json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{
            "name": "core", "primaryGroup": "100", "groups": ["27", "sudo", "0"], "passwordHash": "$y$j9T$x",
            "homeDir": "/home//core/",
        }]},
        "storage": {
            "directories": [{"path": "/etc/luks", "mode": 0o700}],
            "files": [{"path": "/opt/a", "mode": 0o400, "append": [{}, {"source": ""}]}],
            "filesystems": [
                {"device": "/dev/a", "format": "ext4", "path": "/var/lib/containerd"},
                {"device": "/dev/b", "format": "xfs", "path": "/var/lib/aclx"},
                {"device": "/dev/c", "format": "xfs", "path": "/var/log"},
                {"device": "/dev/d", "format": "xfs", "path": "/srv"},
            ],
            "luks": [
                {"name": "a", "device": "/dev/a", "clevis": {}},
                {"name": "b", "device": "/dev/b", "clevis": {"tpm2": false}},
                {"name": "c-1.d_e", "device": "/dev/c", "clevis": {"custom": {"needsNetwork": false}}},
            ],
        },
    }));
    assert_eq!(report, []);
}

/// Special bits exist from 3.6 on, of files and directories: before, they are left out, with a word (Ignition 2.22).
#[test]
fn special_bits_before_3_6_are_left_out_with_a_warning() {
    for version in Version::all() {
        let (config, report) = read(&json!({
            "ignition": {"version": version.to_string()},
            "storage": {
                "files": [{"path": "/opt/x", "mode": 2541}, {"path": "/opt/y", "mode": 0o755}],
                "directories": [{"path": "/opt/d", "mode": 0o1777}],
            },
        }));
        let mode = |place: &str| config.pointer(place).unwrap().as_i64().unwrap();
        let modes = [
            "/storage/files/0/mode",
            "/storage/files/1/mode",
            "/storage/directories/0/mode",
        ]
        .map(mode);
        let report: Vec<_> = report
            .iter()
            .map(|entry| format!("{}: {}", entry.path, entry.message))
            .collect();
        if version.minor() == 6 {
            assert_eq!((modes, report), ([0o4755, 0o755, 0o1777], vec![]));
            continue;
        }
        let message = |path: &str, mode: &str, wanted: &str| {
            format!(
                "{path}: setuid, setgid and sticky bits exist from version 3.6.0 on and are left out: the mode becomes \
                 {mode}; say version 3.6.0 to have {wanted}"
            )
        };
        let mut expected = vec![
            message("$.storage.directories.0.mode", "0777", "1777"),
            message("$.storage.files.0.mode", "0755", "4755"),
        ];
        expected.sort();
        let mut report = report;
        report.sort();
        assert_eq!(
            (modes, report),
            ([0o755, 0o755, 0o777], expected),
            "{version}"
        );
    }
}

/// A config of megabytes in one line, as tools write it: a place costs no look at all that stands before it.
#[test]
fn one_long_line_is_read_once() {
    let contents = format!("data:,{}", "a".repeat(2000));
    let files: Vec<_> = (0..4200)
        .map(|number| json!({"path": format!("/f{number}"), "typo": 1, "contents": {"source": contents}}))
        .collect();
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}});
    let text = config.to_string();
    assert!(text.len() > 8 << 20, "{}", text.len());
    let parsed = config::parse(text.as_bytes());
    let found: Vec<_> = parsed
        .report
        .entries
        .iter()
        .map(|entry| (entry.path.to_string(), entry.line, entry.column))
        .collect();
    let expected: Vec<_> = text
        .match_indices("\"typo\"")
        .enumerate()
        .map(|(number, (at, _))| (format!("$.storage.files.{number}.typo"), 1, at + 1))
        .collect();
    assert_eq!(found.len(), 4200);
    assert!(found == expected);
}

/// Wherever a key stands in other capitals, it is named with the one that is meant: Go, and so Ignition, takes it.
#[test]
fn every_key_in_other_capitals_is_named() {
    let document = full::config();
    let mut paths = Vec::new();
    key_paths(&document, String::new(), &mut paths);
    assert!(paths.len() > 90, "{}", paths.len());
    for path in paths {
        let (holder, key) = path.rsplit_once('/').unwrap();
        let mut document = document.clone();
        let holder = document
            .pointer_mut(holder)
            .unwrap()
            .as_object_mut()
            .unwrap();
        let value = holder.remove(key).unwrap();
        holder.insert(key.to_uppercase(), value);
        let report = config::parse(document.to_string().as_bytes()).report;
        let wanted = format!(
            "{}/{}",
            path.rsplit_once('/').unwrap().0,
            key.to_uppercase()
        );
        let told: Vec<_> = report
            .entries
            .iter()
            .filter(|entry| format!("{}", entry.path).replace('.', "/") == format!("${wanted}"))
            .map(|entry| entry.message.as_str())
            .collect();
        let message =
            format!("this key is not known and does nothing: capitals count; write {key:?}");
        assert_eq!(told, [message], "{path}");
    }
}

/// The JSON pointers of all values that have a key.
fn key_paths(value: &Value, at: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                paths.push(format!("{at}/{key}"));
                key_paths(value, format!("{at}/{key}"), paths);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                key_paths(value, format!("{at}/{index}"), paths);
            }
        }
        _ => {}
    }
}

proptest! {
    /// Whatever part of everything a config says, in whatever version: nothing is lost.
    #[test]
    fn translation_loses_nothing(seed: u64, minor in 0u8..=6) {
        let version = Version::all().find(|version| version.minor() == minor).unwrap();
        let mut seed = seed;
        let mut document = full::config();
        full::part(&mut document, &mut seed);
        document["ignition"]["version"] = json!(version.to_string());
        let (config, unknown) = read(&document);
        prop_assert_eq!(config, full::said(expected(&document, version, &unknown)));
    }

    /// Nothing that is handed in makes the program panic.
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", bytes: Vec<u8>) {
        config::parse(text.as_bytes());
        config::parse(&bytes);
        config::parse(format!("{{\"ignition\": {{\"version\": \"3.4.0\"}}, {text}}}").as_bytes());
    }

    /// Nor does a config whose values are of any kind.
    #[test]
    fn no_document_panics(seed: u64, minor in 0u8..=6) {
        let mut seed = seed;
        let mut document = full::config();
        full::part(&mut document, &mut seed);
        document.as_object_mut().unwrap().values_mut().for_each(|section| disturb(section, &mut seed));
        if let Some(ignition) = document["ignition"].as_object_mut() {
            ignition.insert("version".to_owned(), json!(format!("3.{minor}.0")));
        }
        config::parse(document.to_string().as_bytes());
    }
}

/// Puts other values in some places.
fn disturb(value: &mut Value, seed: &mut u64) {
    if full::next(seed).is_multiple_of(12) {
        let others = [
            json!(null),
            json!(-1),
            json!(i64::MAX),
            json!(1.5),
            json!(""),
            json!("/"),
            json!("../\u{0}é"),
            json!([]),
            json!({}),
            json!(true),
            json!([null]),
            json!("sha512-é"),
            json!("data:"),
            json!("a:é,"),
        ];
        let index = usize::try_from(full::next(seed)).unwrap() % others.len();
        *value = others[index].clone();
        return;
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(|value| disturb(value, seed)),
        Value::Array(list) => list.iter_mut().for_each(|value| disturb(value, seed)),
        _ => {}
    }
}
