//! A config that says everything that the newest version can say, and random parts of it.

use serde_json::{Value, json};

/// Keys that sshd takes; nobody has their other halves.
const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDQMk/zJriN0foR8Jk0Fp0emHY7C1yW+jg/YH6y0zBIP core@example";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLboeHNqkWpvJ+TnxJKJ7b42XRMyR14Bx2VyVQRIpA+sGCXpnCppfrU2YzuEgFuGaPMPCTC6ZZ9ElKp55JiD04Q= core@example";

/// Every key of Ignition 3.6 but `replace`, `kernelArguments`, `cex` and the custom pin, which exclude others.
pub(crate) fn config() -> Value {
    json!({
        "ignition": {
            "version": "3.6.0",
            "config": {"merge": [resource("https://example.com/a")]},
            "proxy": {"httpProxy": "http://p:3128", "httpsProxy": "https://p", "noProxy": ["10.0.0.0/8", "x"]},
            "security": {"tls": {"certificateAuthorities": [resource("https://example.com/ca")]}},
            "timeouts": {"httpResponseHeaders": 20, "httpTotal": 300},
        },
        "passwd": {
            "groups": [{"name": "g", "gid": 500, "passwordHash": "!", "shouldExist": true, "system": true}],
            "users": [{
                "name": "core", "gecos": "Core", "groups": ["wheel", "g"], "homeDir": "/var/core", "noCreateHome": true,
                "noLogInit": true, "noUserGroup": true, "passwordHash": "$y$j9T$x", "primaryGroup": "g",
                "shell": "/bin/bash", "shouldExist": true, "sshAuthorizedKeys": [ED25519, ECDSA],
                "system": false, "uid": 1000,
            }],
        },
        "storage": {
            "directories": [{"path": "/d", "mode": 0o1777, "overwrite": true, "user": {"name": "core"}, "group": {"id": 5}}],
            "disks": [{
                "device": "/dev/sdb", "wipeTable": false,
                "partitions": [{
                    "number": 1, "label": "data", "guid": "01234567-89AB-CDEF-EDCB-A98765432101", "resize": false,
                    "shouldExist": true, "sizeMiB": 10, "startMiB": 1, "wipePartitionEntry": true,
                    "typeGuid": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
                }],
            }],
            "files": [{
                "path": "/f", "mode": 0o4755, "overwrite": true, "user": {"id": 0}, "group": {"name": "g"},
                "contents": resource("https://example.com/f"), "append": [resource("https://example.com/more")],
            }],
            "filesystems": [{
                "device": "/dev/disk/by-partlabel/data", "format": "ext4", "label": "l", "mountOptions": ["ro"],
                "options": ["-E", "x"], "path": "/var/data", "uuid": "01234567-89ab-cdef-edcb-a98765432101",
                "wipeFilesystem": true,
            }],
            "links": [{"path": "/l", "target": "f", "hard": false, "overwrite": true, "user": {"id": 1}, "group": {"id": 2}}],
            "luks": [{
                "name": "v", "device": "/dev/sdc", "discard": true, "keyFile": resource("https://example.com/key"),
                "label": "v", "openOptions": ["--perf-no_read_workqueue"], "options": ["--pbkdf", "pbkdf2"],
                "uuid": "01234567-89ab-cdef-edcb-a98765432102", "wipeVolume": true,
                "clevis": {
                    "tang": [{"url": "http://t", "thumbprint": "x", "advertisement": "{}"}],
                    "tpm2": true, "threshold": 1,
                },
            }],
            "raid": [{"name": "r", "level": "raid1", "devices": ["/dev/a", "/dev/b", "/dev/c"], "options": ["-c"], "spares": 1}],
        },
        "systemd": {
            "units": [{
                "name": "u.service", "contents": "[Install]\nWantedBy=a.target", "enabled": true, "mask": false,
                "dropins": [{"name": "d.conf", "contents": "[Service]"}],
            }],
        },
    })
}

fn resource(source: &str) -> Value {
    json!({
        "source": source,
        "compression": "gzip",
        "httpHeaders": [{"name": "A", "value": "b"}],
        "verification": {"hash": format!("sha512-{}", "a".repeat(128))},
    })
}

/// What a config is valid without and no warning comes of, and which needs nothing else that is left out.
const OPTIONAL: &[&str] = &[
    "append",
    "clevis",
    "config",
    "directories",
    "discard",
    "disks",
    "dropins",
    "files",
    "filesystems",
    "gecos",
    "gid",
    "group",
    "groups",
    "guid",
    "hard",
    "homeDir",
    "httpHeaders",
    "httpProxy",
    "httpsProxy",
    "keyFile",
    "links",
    "luks",
    "mask",
    "mode",
    "mountOptions",
    "noCreateHome",
    "noLogInit",
    "noProxy",
    "noUserGroup",
    "openOptions",
    "options",
    "overwrite",
    "partitions",
    "passwd",
    "primaryGroup",
    "proxy",
    "raid",
    "resize",
    "security",
    "shell",
    "shouldExist",
    "spares",
    "sshAuthorizedKeys",
    "storage",
    "system",
    "systemd",
    "timeouts",
    "typeGuid",
    "uid",
    "units",
    "user",
    "users",
    "uuid",
    "verification",
    "wipeFilesystem",
    "wipePartitionEntry",
    "wipeTable",
    "wipeVolume",
];

/// Leaves out what the seed says.
pub(crate) fn part(value: &mut Value, seed: &mut u64) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !OPTIONAL.contains(&key.as_str()) || next(seed) & 3 != 0);
            object.values_mut().for_each(|value| part(value, seed));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| part(value, seed)),
        _ => {}
    }
}

/// The next of a row of numbers (SplitMix64).
pub(crate) fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The value without nulls, which say nothing.
pub(crate) fn said(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, said(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(said).collect(),
        single => single,
    }
}
