//! LUKS volumes: sequences of command lines with recorded programs, and what works of the real cryptsetup on files
//! (opening a volume needs device-mapper, which this kernel lacks; virtual machines show that).

use std::os::unix::fs::PermissionsExt;

use acl_host::Tools;
use acl_host::error::chain;
use acl_host::tool::Tool;
use acl_provision::config::spec::Luks;
use acl_provision::stage::disks::luks::keys::{self, KeyFile};
use acl_provision::stage::disks::luks::volume::{self, Volume, allows_discards, decide};
use acl_provision::stage::disks::luks::{self, persisted};
use acl_provision::stage::disks::probe::{Content, Found, probe};
use acl_provision::stage::disks::{Keys, Line};

use super::programs::{Answer, device, image, real, recorded};

fn wanted(fields: &str) -> Luks {
    let text = format!(r#"{{"name": "data", "device": "/dev/vdb" {fields}}}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const KEY: &str = r#", "keyFile": {"source": "data:,k"}"#;

/// A device with nothing on it.
fn blank(line: &str) -> Result<&'static str, i32> {
    if line.starts_with("blkid") {
        Err(2)
    } else {
        Ok("")
    }
}

fn luks2(line: &str) -> Result<&'static str, i32> {
    Ok(match line {
        _ if line.starts_with("blkid") => {
            "ID_FS_TYPE=crypto_LUKS\nID_FS_VERSION=2\nID_FS_LABEL_ENC=secret\nID_FS_UUID_ENC=77777777-7777\n"
        }
        _ if line.contains("luksDump") => {
            r#"{"config": {"flags": ["allow-discards"]}, "keyslots": {}}"#
        }
        _ => "",
    })
}

/// What runs, and then what is said, and whether a key is left.
fn applied(fields: &str, answer: Answer) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "vdb", 1);
    let (machine, recorder) = recorded(root.path(), answer);
    let mut keys = Keys::default();
    keys.insert("data", b"k".to_vec());
    let said = match luks::apply(&[wanted(fields)], &keys, &machine) {
        Ok(done) => done
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => chain(&error),
    };
    let key = std::fs::read(root.path().join("run/ignition/luks-keyfiles/data"));
    let key = key.map_or("no key".to_owned(), |key| {
        format!("{} bytes of key", key.len())
    });
    recorder.taken().into_iter().chain([said, key]).collect()
}

const PROBE: &str = "blkid --probe --output udev /dev/vdb";
/// Asked when blkid names nothing.
const LIST: &str = "wipefs --parsable --output TYPE /dev/vdb";
const FORMAT: &str =
    "cryptsetup luksFormat --type luks2 --key-file /run/ignition/luks-keyfiles/data";
const OPEN: &str =
    "cryptsetup luksOpen /dev/vdb data --key-file /run/ignition/luks-keyfiles/data --persistent";

#[test]
fn volumes_that_are_made() {
    for (fields, key, lines) in [
        (
            "",
            8192,
            vec![
                PROBE.to_owned(),
                LIST.to_owned(),
                format!("{FORMAT} /dev/vdb"),
                OPEN.to_owned(),
            ],
        ),
        (
            KEY,
            1,
            vec![
                PROBE.to_owned(),
                LIST.to_owned(),
                format!("{FORMAT} /dev/vdb"),
                OPEN.to_owned(),
            ],
        ),
        (
            r#", "wipeVolume": true"#,
            8192,
            vec![
                "wipefs -a /dev/vdb".to_owned(),
                format!("{FORMAT} /dev/vdb"),
                OPEN.to_owned(),
            ],
        ),
        (
            r#", "label": "secret", "uuid": "7777", "options": ["--cipher", "aes"], "openOptions": ["--perf-no_read_workqueue"], "discard": true"#,
            8192,
            vec![
                PROBE.to_owned(),
                LIST.to_owned(),
                format!("{FORMAT} --label secret --uuid 7777 --cipher aes /dev/vdb"),
                format!("{OPEN} --allow-discards --perf-no_read_workqueue"),
            ],
        ),
    ] {
        let mut expected = lines;
        expected.extend([
            "data: made and opened".to_owned(),
            format!("{key} bytes of key"),
        ]);
        assert_eq!(applied(fields, blank), expected, "{fields}");
    }
}

/// What Ignition does not take for clevis: the volume is one with a key, and a key that is there opens it.
#[test]
fn clevis_that_binds_to_nothing() {
    let made = [
        PROBE.to_owned(),
        LIST.to_owned(),
        format!("{FORMAT} /dev/vdb"),
        OPEN.to_owned(),
        "data: made and opened".to_owned(),
        "8192 bytes of key".to_owned(),
    ];
    let kept = [
        PROBE,
        "cryptsetup luksDump --dump-json-metadata /dev/vdb",
        &format!("{OPEN} --allow-discards"),
        "data: is there already, opened",
        "1 bytes of key",
    ];
    for clevis in [
        "{}",
        r#"{"tpm2": false}"#,
        r#"{"tang": [], "threshold": 0}"#,
        r#"{"custom": {"pin": ""}}"#,
        r#"{"custom": {"config": "{}", "needsNetwork": true}}"#,
    ] {
        let fields = format!(r#", "discard": true, "clevis": {clevis}"#);
        let mut made = made.clone();
        made[3].push_str(" --allow-discards");
        assert_eq!(applied(&fields, blank), made, "{clevis}");
        assert_eq!(applied(&format!("{KEY}{fields}"), luks2), kept, "{clevis}");
        let line = persisted::crypttab_line(&wanted(&fields), "7", true);
        assert_eq!(line, "data UUID=7 /etc/luks/data luks\n", "{clevis}");
    }
}

#[test]
fn volumes_that_clevis_unlocks() {
    let bind = "clevis luks bind -f -k /run/ignition/luks-keyfiles/data -d /dev/vdb";
    let tried = [
        "cryptsetup luksClose data",
        "clevis luks unlock -d /dev/vdb -n data",
    ];
    let remove = "cryptsetup luksRemoveKey /dev/vdb /run/ignition/luks-keyfiles/data";
    for (clevis, config, tried) in [
        (
            r#"{"tpm2": true}"#,
            r#"sss "{\"pins\":{\"tpm2\":{}},\"t\":1}""#,
            tried.as_slice(),
        ),
        (
            r#"{"tang": [{"url": "http://a", "thumbprint": "x"}]}"#,
            r#"sss "{\"pins\":{\"tang\":[{\"url\":\"http://a\",\"thp\":\"x\"}]},\"t\":1}""#,
            &tried,
        ),
        (
            r#"{"tpm2": true, "threshold": 2, "tang": [{"url": "http://a", "thumbprint": "x"}, {"url": "http://b"}]}"#,
            r#"sss "{\"pins\":{\"tang\":[{\"url\":\"http://a\",\"thp\":\"x\"},{\"url\":\"http://b\"}],\"tpm2\":{}},\"t\":2}""#,
            &tried,
        ),
        (
            r#"{"threshold": 1, "tang": [{"url": "http://a", "thumbprint": "x", "advertisement": "{\"payload\": \"p\"}"}]}"#,
            r#"sss "{\"pins\":{\"tang\":[{\"url\":\"http://a\",\"thp\":\"x\",\"adv\":{\"payload\":\"p\"}}]},\"t\":1}""#,
            &[],
        ),
        (
            r#"{"tpm2": true, "threshold": 2, "tang": [{"url": "http://a", "advertisement": "{}"}]}"#,
            r#"sss "{\"pins\":{\"tang\":[{\"url\":\"http://a\",\"adv\":{}}],\"tpm2\":{}},\"t\":2}""#,
            &[],
        ),
        (
            r#"{"custom": {"pin": "tpm2", "config": "{\"pcr_ids\":\"7\"}"}}"#,
            r#"tpm2 "{\"pcr_ids\":\"7\"}""#,
            &[],
        ),
    ] {
        let mut expected = vec![
            PROBE.to_owned(),
            LIST.to_owned(),
            format!("{FORMAT} /dev/vdb"),
            OPEN.to_owned(),
        ];
        expected.push(format!("{bind} {config}"));
        expected.extend(tried.iter().map(|line| (*line).to_owned()));
        let done = "data: made and opened".to_owned();
        let mut generated = expected.clone();
        generated.extend([remove.to_owned(), done.clone(), "no key".to_owned()]);
        assert_eq!(
            applied(&format!(r#", "clevis": {clevis}"#), blank),
            generated
        );
        // A key that the config gives stays.
        expected.extend([done, "1 bytes of key".to_owned()]);
        assert_eq!(
            applied(&format!(r#"{KEY}, "clevis": {clevis}"#), blank),
            expected
        );
    }
}

#[test]
fn a_volume_that_is_there() {
    let dump = "cryptsetup luksDump --dump-json-metadata /dev/vdb".to_owned();
    let kept = format!(r#"{KEY}, "label": "secret", "uuid": "77777777-7777", "discard": true"#);
    let expected = [
        PROBE.to_owned(),
        dump.clone(),
        format!("{OPEN} --allow-discards"),
        "data: is there already, opened".to_owned(),
        "1 bytes of key".to_owned(),
    ];
    assert_eq!(applied(&kept, luks2), expected);
    let refused = |fields: &str| {
        let mut lines = applied(fields, luks2);
        assert_eq!(lines[..2], [PROBE.to_owned(), dump.clone()]);
        lines.remove(2)
    };
    for (fields, reason) in [
        (
            r#", "discard": true"#.to_owned(),
            "the config has no keyFile that could open it",
        ),
        (
            format!(r#"{KEY}, "discard": true, "clevis": {{"tpm2": true}}"#),
            "the config binds it with clevis",
        ),
        (
            format!(r#"{KEY}, "discard": true, "label": "x""#),
            r#"its label is "secret", and the config asks for "x""#,
        ),
        (
            format!(r#"{KEY}, "discard": true, "uuid": "x""#),
            "its UUID is 77777777-7777, and the config asks for x",
        ),
        (
            KEY.to_owned(),
            "its discard is true, and the config asks for false",
        ),
    ] {
        let expected = format!(
            "the LUKS volume data: /dev/vdb holds a LUKS volume that cannot be kept: {reason}; \
             it may come from a first boot that failed: wipeVolume: true makes it anew, and all data in it is lost; \
             or name another device"
        );
        assert_eq!(refused(&fields), expected, "{fields}");
    }
}

#[test]
fn other_things_that_are_there() {
    let ext4: Answer = |line| {
        Ok(if line.starts_with("blkid") {
            "ID_FS_TYPE=ext4\nID_FS_LABEL_ENC=d\nID_FS_UUID_ENC=7\n"
        } else {
            ""
        })
    };
    let luks1: Answer = |line| {
        Ok(if line.starts_with("blkid") {
            "ID_FS_TYPE=crypto_LUKS\nID_FS_VERSION=1\nID_FS_UUID_ENC=7\n"
        } else {
            ""
        })
    };
    for (answer, what) in [
        (ext4, r#"ext4, label "d", UUID "7""#),
        (luks1, r#"crypto_LUKS, label "", UUID "7""#),
        (
            |_| Ok("ID_PART_TABLE_TYPE=gpt\n"),
            "a partition table (gpt)",
        ),
    ] {
        let expected = format!(
            "the LUKS volume data: /dev/vdb holds {what}; allow it to be erased by wipeVolume, or name another device"
        );
        assert_eq!(applied(KEY, answer), [PROBE, &expected, "1 bytes of key"]);
    }
    let several: Answer = |line| match line {
        _ if line.contains("--match-types xfs ") => Ok("ID_FS_TYPE=xfs\n"),
        _ if line.starts_with("blkid") => Err(2),
        _ => Ok("xfs\nzfs_member\nzfs_member\n"),
    };
    let probe = |kind: &str| format!("blkid --probe --output udev --match-types {kind} /dev/vdb");
    let expected = "the LUKS volume data: /dev/vdb holds signatures that contradict each other (xfs, zfs_member); \
                    allow it to be erased by wipeVolume, or name another device";
    let lines = [
        PROBE,
        LIST,
        &probe("xfs"),
        &probe("zfs_member"),
        expected,
        "1 bytes of key",
    ];
    assert_eq!(applied(KEY, several), lines);
}

#[test]
fn configs_that_are_refused() {
    for (fields, reason) in [
        (
            r#", "cex": {"enabled": true}"#,
            "cex needs an IBM Crypto Express card (s390x), and ACL runs on x86-64",
        ),
        (
            r#", "clevis": {"threshold": 1}"#,
            "clevis has neither tang servers nor tpm2 to bind it to",
        ),
        (
            r#", "clevis": {"custom": {"pin": "x"}}"#,
            "its custom clevis pin has no config",
        ),
    ] {
        let expected = format!("the LUKS volume data: {reason}");
        assert_eq!(applied(fields, blank), [expected.as_str(), "no key"]);
    }
    let advertisement = r#", "clevis": {"tang": [{"url": "http://a", "advertisement": "{"}]}"#;
    let lines = applied(advertisement, blank);
    assert!(
        lines[0].starts_with("the LUKS volume data: the advertisement of http://a is not JSON: "),
        "{lines:?}"
    );
    for name in ["", "../x", "a/b", ".x", "-x", "a b", "a\nb"] {
        let wanted = Luks {
            name: name.to_owned(),
            ..wanted("")
        };
        let error = volume::check(&wanted).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the LUKS volume {name}: its name cannot be the name of a file")
        );
    }
    let error = volume::check(&Luks::new("x".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "the LUKS volume x: it has no device");
}

#[test]
fn a_step_that_fails_is_the_last_one() {
    let lines = applied(KEY, |line| match line {
        _ if line.starts_with("blkid") => Err(2),
        _ if line.contains("luksFormat") => Err(1),
        _ => Ok(""),
    });
    let error =
        "cannot prepare the LUKS volume data: cryptsetup failed (exit status: 1) and said nothing";
    assert_eq!(
        lines,
        [
            PROBE,
            LIST,
            &format!("{FORMAT} /dev/vdb"),
            error,
            "1 bytes of key"
        ]
    );
}

#[test]
fn a_key_that_was_not_fetched() {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "vdb", 1);
    let (machine, recorder) = recorded(root.path(), blank);
    let error = luks::apply(&[wanted(KEY)], &Keys::default(), &machine).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the LUKS volume data: its key file was not fetched"
    );
    assert_eq!(recorder.taken(), [""; 0]);
}

#[test]
fn what_the_network_is_asked_for_beforehand() {
    let sources = |fields: &str| -> Vec<String> {
        keys::advertisements(&wanted(fields))
            .into_iter()
            .filter_map(|resource| resource.source)
            .collect()
    };
    let servers = r#", "clevis": {"tang": [{"url": "http://a"}, {"url": "http://b/c/"}, {"url": "http://d", "advertisement": "{}"}]}"#;
    assert_eq!(sources(servers), ["http://a/adv", "http://b/c/adv"]);
    assert_eq!(sources(""), [""; 0]);
    let mut secret = Keys::default();
    secret.insert("data", b"geheim".to_vec());
    assert_eq!(format!("{secret:?}"), r#"{"data"}"#);
}

#[test]
fn what_is_left_in_the_new_root() {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "vdb", 1);
    let uuid: Answer = |line| {
        if line.contains("luksUUID") {
            Ok("7777-77\n")
        } else {
            blank(line)
        }
    };
    let (machine, recorder) = recorded(root.path(), uuid);
    let volumes = [
        Luks {
            name: "kept".to_owned(),
            ..wanted(KEY)
        },
        Luks {
            name: "tpm".to_owned(),
            ..wanted(r#", "clevis": {"tpm2": true}"#)
        },
        Luks {
            name: "tang".to_owned(),
            ..wanted(r#", "clevis": {"tang": [{"url": "http://a"}]}"#)
        },
        Luks {
            name: "net".to_owned(),
            ..wanted(
                r#", "clevis": {"custom": {"pin": "x", "config": "{}", "needsNetwork": true}}"#,
            )
        },
    ];
    let mut keys = Keys::default();
    keys.insert("kept", b"k".to_vec());
    luks::apply(&volumes, &keys, &machine).unwrap();
    let directory = root.path().join("run/ignition/luks-keyfiles");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&directory), mode(&directory.join("kept"))),
        (0o700, 0o600)
    );
    recorder.taken();
    let left = luks::persisted(&volumes, &machine, &|_| Ok(false)).unwrap();
    assert_eq!(left.keys, [("kept".to_owned(), b"k".to_vec())]);
    assert_eq!(
        left.crypttab,
        "kept UUID=7777-77 /etc/luks/kept luks\n\
         tpm UUID=7777-77 none luks\n\
         tang UUID=7777-77 none luks,_netdev\n\
         net UUID=7777-77 none luks,_netdev\n"
    );
    assert_eq!(recorder.taken(), ["cryptsetup luksUUID /dev/vdb"; 4]);
    assert!(!format!("{left:?}").contains("107"), "{left:?}");
    persisted::forget(&machine).unwrap();
    persisted::forget(&machine).unwrap();
    assert!(!directory.exists());
}

/// Silence is no UUID, also with exit status 0.
#[test]
fn a_volume_without_a_uuid_gets_no_line_in_crypttab() {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "vdb", 1);
    let (machine, _) = recorded(root.path(), |_| Ok("\n"));
    let error = luks::persisted(&[wanted(KEY)], &machine, &|_| Ok(false)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the LUKS volume data: cryptsetup luksUUID names no UUID of /dev/vdb"
    );
}

fn run(line: &Line) -> Vec<u8> {
    Tools::host()
        .command(line.tool.clone())
        .args(line.args.clone())
        .run()
        .unwrap()
}

#[test]
fn real_cryptsetup() {
    let root = tempfile::tempdir().unwrap();
    let path = image(root.path(), "vdb", 32);
    let key = root.path().join("key");
    std::fs::write(&key, "k").unwrap();
    let machine = real(root.path());
    let vdb = device("/dev/vdb", &machine);
    let key = KeyFile {
        path: key,
        generated: false,
    };
    // A cheap key derivation, since this machine is busy with other things.
    let uuid = "77777777-7777-4777-8777-777777777777";
    let wanted = wanted(&format!(
        r#"{KEY}, "label": "secret", "uuid": "{uuid}", "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]"#
    ));
    let lines = volume::lines(
        &wanted,
        &vdb,
        &key,
        &decide(&wanted, &Volume::Blank).unwrap(),
    )
    .unwrap();
    run(&lines[0]);
    let expected = Content {
        kind: "crypto_LUKS".into(),
        version: "2".into(),
        label: "secret".into(),
        uuid: uuid.into(),
    };
    assert_eq!(probe(&vdb, &machine).unwrap(), Found::Content(expected));
    let dump = || {
        let args = ["luksDump", "--dump-json-metadata"];
        Tools::host()
            .command(Tool::Cryptsetup)
            .args(args)
            .arg(&path)
            .run()
            .unwrap()
    };
    assert_eq!(allows_discards(&dump()), Some(false));
    // The key opens it, and no other does.
    let test = |key: &str| {
        let args = ["luksOpen", "--test-passphrase", "--key-file", "-"];
        Tools::host()
            .command(Tool::Cryptsetup)
            .args(args)
            .arg(&path)
            .input(key)
            .run()
    };
    assert!(test("k").is_ok());
    let refused = chain(&test("x").unwrap_err());
    assert!(refused.contains("No key available"), "{refused}");
    // Not opened here: there is no device-mapper. That it is tried is seen.
    let mut keys = Keys::default();
    keys.insert("data", b"k".to_vec());
    let error = chain(&luks::apply(&[wanted], &keys, &machine).unwrap_err());
    assert!(
        error.starts_with("cannot prepare the LUKS volume data: cryptsetup failed ("),
        "{error}"
    );
}

#[test]
fn metadata_that_cannot_be_read() {
    for (dump, expected) in [
        (
            r#"{"config": {"flags": ["x", "allow-discards"]}}"#,
            Some(true),
        ),
        (r#"{"config": {"flags": ["x"]}}"#, Some(false)),
        (r#"{"config": {}}"#, Some(false)),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(allows_discards(dump.as_bytes()), expected, "{dump}");
    }
}
