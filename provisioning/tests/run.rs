//! Stages as units of an initrd run them, one after the other: what they leave for each other, and what stays.

mod configs;

use std::path::Path;

use acl_host::error::chain;
use acl_provision::run::Run;
use acl_provision::stage::{Stage, disks};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::platform::{machine, write};

/// A first boot with everything in one temporary directory.
struct FirstBoot {
    dir: TempDir,
    run: Run,
}

impl FirstBoot {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        write(at("root/etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n");
        write(at("root/etc/group"), "root:x:0:\n");
        write(
            at("root/usr/lib/os-release"),
            "ID=acl\nIMAGE_VERSION=\"1.2.3\"\n",
        );
        write(at("sys/class/dmi/id/sys_vendor"), "QEMU\n");
        write(at("sys/firmware/qemu_fw_cfg/rev"), "3\n");
        write(at("proc/self/mountinfo"), "");
        write(at("run/log"), "what was logged\n");
        let run = Run {
            platform: None,
            root: at("root"),
            cache: at("run/config.json"),
            need_network: at("run/neednet"),
            state: at("run/state"),
            fetch_timeout: None,
            directories: ["volatile", "local", "image"].map(at).to_vec(),
            log: at("run/log"),
            report: at("run/failed"),
            machine: machine(dir.path()),
            disks: disks::Machine {
                root: dir.path().to_owned(),
                ..disks::Machine::this()
            },
        };
        Self { dir, run }
    }

    /// With the operator's config in fw_cfg.
    fn with(config: &Value) -> Self {
        let boot = Self::new();
        let entry = "sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config";
        let text = config.to_string();
        write(
            boot.at(&format!("{entry}/size")),
            format!("{}\n", text.len()),
        );
        write(boot.at(&format!("{entry}/raw")), text);
        boot
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        acl_host::file::read_to_string(self.at(path)).unwrap()
    }

    fn record(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap()
    }

    /// What the stage failed with; the temporary directory is written `DIR`.
    async fn stage(&self, stage: Stage) -> Result<(), String> {
        let dir = self.dir.path().display().to_string();
        let ended = self.run.stage(stage).await;
        ended.map_err(|error| chain(&error).replace(&dir, "DIR"))
    }

    async fn all(&self) -> Result<(), String> {
        for stage in Stage::ALL {
            self.stage(stage).await?;
        }
        Ok(())
    }
}

fn config(sections: &Value) -> Value {
    let mut config = json!({"ignition": {"version": "3.4.0"}});
    let sections = sections.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(sections);
    config
}

fn file(path: &str, contents: &str) -> Value {
    json!({"storage": {"files": [{"path": path, "overwrite": true, "contents": {"source": format!("data:,{contents}")}}]}})
}

const RECORD: &str = "root/var/lib/acl/provision/provisioned.json";
const FAILED: &str = "root/var/lib/acl/provision/failed.json";

#[tokio::test]
async fn the_record_says_what_was_applied_from_where() {
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    write(
        boot.at("image/base.d/10.ign"),
        config(&file("/etc/base", "b")).to_string(),
    );
    write(
        boot.at("image/base.platform.d/qemu/a.ign"),
        config(&file("/etc/platform", "p")).to_string(),
    );
    write(
        boot.at("image/base.platform.d/azure/a.ign"),
        "not for this platform",
    );
    write(boot.at("image/base.d/README"), "not a config");
    boot.all().await.unwrap();

    let written = ["base", "platform", "user"].map(|name| boot.read(&format!("root/etc/{name}")));
    assert_eq!(written, ["b", "p", "u"]);
    let record = boot.record(RECORD);
    let said = |list: &str, key: &str| -> Vec<String> {
        let entries = record[list].as_array().unwrap().iter();
        entries
            .map(|entry| entry[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (&record["platform"], &record["release"]),
        (&json!("qemu"), &json!("1.2.3"))
    );
    assert_eq!(said("origins", "kind"), ["user", "base", "base"]);
    assert_eq!(
        said("stages", "stage"),
        [
            "fetch-offline",
            "fetch",
            "kargs",
            "disks",
            "mount",
            "files",
            "umount"
        ]
    );
    let digest = ring::digest::digest(
        &ring::digest::SHA512,
        config(&file("/etc/user", "u")).to_string().as_bytes(),
    );
    assert_eq!(record["origins"][0]["sha512"], hex::encode(digest));
    assert_eq!(
        boot.read("root/var/lib/acl/provision/log"),
        "what was logged\n"
    );
    assert!(!boot.at("run/neednet").exists());
}

#[tokio::test]
async fn the_marker_comes_when_nothing_is_mounted_any_more() {
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    for stage in Stage::ALL {
        assert!(!boot.at(RECORD).exists(), "before {stage}");
        boot.stage(stage).await.unwrap();
    }
    assert!(boot.at(RECORD).exists());
}

#[tokio::test]
async fn an_unmount_after_a_failure_leaves_no_marker() {
    let boot = FirstBoot::with(&config(&file("/etc/passwd/below", "x")));
    boot.stage(Stage::Fetch).await.unwrap();
    boot.stage(Stage::Files).await.unwrap_err();
    boot.stage(Stage::Umount).await.unwrap();
    assert!(!boot.at(RECORD).exists());

    // Nor after one that came when the stage was run again.
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    boot.stage(Stage::Fetch).await.unwrap();
    boot.stage(Stage::Files).await.unwrap();
    let mut other = config(&file("/etc/passwd/below", "x"));
    other["ignition"]["version"] = json!("3.6.0");
    write(boot.at("run/config.json"), other.to_string());
    boot.stage(Stage::Files).await.unwrap_err();
    boot.stage(Stage::Umount).await.unwrap();
    assert!(!boot.at(RECORD).exists());
}

#[tokio::test]
async fn a_marker_of_something_else_does_not_outlive_a_failure() {
    let boot = FirstBoot::with(&config(&file("/etc/passwd/below", "x")));
    boot.stage(Stage::Fetch).await.unwrap();
    write(boot.at(RECORD), "{}");
    boot.stage(Stage::Files).await.unwrap_err();
    assert!(!boot.at(RECORD).exists());
}

/// systemd's condition takes every error as "not there", and starts the units again over a live machine.
#[tokio::test]
async fn a_machine_that_is_or_may_be_provisioned_is_left_as_it_is() {
    let user = config(&file("/etc/user", "u"));
    let in_the_way = "root/var/lib/acl/provision";
    let cannot = |place: &str, why: &str| {
        format!(
            "cannot tell whether this machine is provisioned already: DIR/{RECORD} cannot be looked at; nothing was \
             changed; check the disk and the filesystem of ROOT: cannot resolve {place} inside the new root: {why}"
        )
    };
    for (what, said) in [
        (
            "record",
            format!(
                "this machine is provisioned already: DIR/{RECORD} is the record of its first boot; nothing was changed \
                 (`aclctl provision reset` makes the next boot a first boot)"
            ),
        ),
        (
            "file in the way",
            cannot("/var/lib/acl/provision", "Not a directory (os error 20)"),
        ),
        (
            "loop",
            cannot(
                "/var/lib/acl/provision",
                "Too many levels of symbolic links (os error 40)",
            ),
        ),
    ] {
        for stage in [Stage::FetchOffline, Stage::Fetch, Stage::Disks] {
            let boot = FirstBoot::with(&user);
            if stage == Stage::Disks {
                boot.stage(Stage::Fetch).await.unwrap();
            }
            match what {
                "record" => write(boot.at(RECORD), "{}"),
                "file in the way" => write(boot.at(in_the_way), "here"),
                _ => {
                    std::fs::create_dir_all(boot.at("root/var/lib/acl")).unwrap();
                    std::os::unix::fs::symlink("provision", boot.at(in_the_way)).unwrap();
                }
            }
            let error = boot.stage(stage).await.unwrap_err();
            assert_eq!(error, said, "{what}, {stage}");
            let told = format!("acl: the first boot failed at its stage {stage}: {said}\n");
            assert_eq!(
                boot.read("run/failed")
                    .replace(&boot.dir.path().display().to_string(), "DIR"),
                told
            );
            // What is on ROOT stays, the record before all, and nothing is added.
            match what {
                "record" => assert_eq!(boot.read(RECORD), "{}"),
                "file in the way" => assert_eq!(boot.read(in_the_way), "here"),
                _ => assert!(boot.at(in_the_way).is_symlink()),
            }
            assert!(!boot.at(FAILED).exists(), "{what}, {stage}");
            if stage != Stage::Disks {
                assert!(!boot.at("run/config.json").exists(), "{what}, {stage}");
            }
        }
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_failure_that_is_told() {
    let boot = FirstBoot::new();
    write(boot.at("run/state"), "damaged");
    let said = "DIR/run/state was not written by this program: remove it and begin with the stage fetch: \
                expected value at line 1 column 1";
    assert_eq!(boot.stage(Stage::Fetch).await.unwrap_err(), said);
    assert!(boot.at("run/failed").exists());
    assert!(boot.at(FAILED).exists());
}

#[tokio::test]
async fn a_failure_is_told_and_leaves_no_marker() {
    let wrong = config(&json!({"storage": {"files": [{"path": "a"}]}}));
    let boot = FirstBoot::with(&wrong);
    let said = "the config is not valid:\n\
                fw_cfg opt/com.coreos/config:1:61: error: the path \"a\" is relative; begin it with / ($.storage.files.0.path)";
    let at = boot.stage(Stage::Fetch).await.unwrap_err();
    assert_eq!(at, said);
    let told = format!("acl: the first boot failed at its stage fetch: {said}\n");
    assert_eq!(boot.read("run/failed"), told);
    assert_eq!(boot.record(FAILED)["stages"][0]["error"], said);
    assert!(!boot.at(RECORD).exists());
    // Nothing goes on in spite of it.
    let next = boot.stage(Stage::Files).await.unwrap_err();
    assert_eq!(
        next,
        "there is no config at DIR/run/config.json: run the stage fetch first"
    );
}

#[tokio::test]
async fn what_failed_may_succeed_the_next_time() {
    let boot = FirstBoot::with(&config(&file("/etc/passwd/below", "x")));
    for stage in [Stage::Fetch, Stage::Disks, Stage::Mount] {
        boot.stage(stage).await.unwrap();
    }
    boot.stage(Stage::Files).await.unwrap_err();
    assert_eq!(boot.record(FAILED)["stages"][3]["stage"], "files");

    let again = FirstBoot::new();
    let keep = |from: &Path| acl_host::file::read(from).unwrap();
    write(again.at(FAILED), keep(&boot.at(FAILED)));
    again.all().await.unwrap();
    assert!(again.at(RECORD).exists());
    assert!(!again.at(FAILED).exists());
}

#[tokio::test]
async fn a_platform_that_does_not_exist_is_told() {
    let mut boot = FirstBoot::new();
    boot.run.machine.cmdline = "ignition.platform.id=vax".to_owned();
    let error = boot.stage(Stage::Fetch).await.unwrap_err();
    assert!(
        error.starts_with("there is no platform \"vax\"; known are azure, file, metal, qemu"),
        "{error}"
    );
    assert!(boot.at("run/failed").exists());
}

/// What cannot be looked at is not what is not there. A link that leads to itself stands for a disk that fails: root sees it
/// through all permissions.
#[tokio::test]
async fn what_cannot_be_looked_at_is_an_error() {
    let loops = "Too many levels of symbolic links (os error 40)";
    for (path, stage) in [
        ("run/state", Stage::Fetch),
        ("run/config.json", Stage::Fetch),
        ("run/config.json", Stage::Disks),
        ("local/user.ign", Stage::Fetch),
        ("volatile/base.d", Stage::Fetch),
        ("sys/firmware/qemu_fw_cfg", Stage::Fetch),
    ] {
        let boot = FirstBoot::new();
        let at = boot.at(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        if path.starts_with("sys/") {
            std::fs::remove_dir_all(&at).unwrap();
        }
        std::os::unix::fs::symlink(at.file_name().unwrap(), &at).unwrap();
        let error = boot.stage(stage).await.unwrap_err();
        assert_eq!(error, format!("cannot read DIR/{path}: {loops}"));
    }
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    for stage in [Stage::Fetch, Stage::Files] {
        boot.stage(stage).await.unwrap();
    }
    std::fs::remove_file(boot.at("run/log")).unwrap();
    std::os::unix::fs::symlink("log", boot.at("run/log")).unwrap();
    let error = boot.stage(Stage::Umount).await.unwrap_err();
    assert_eq!(error, format!("cannot read DIR/run/log: {loops}"));
    assert!(!boot.at(RECORD).exists());
}

#[tokio::test]
async fn a_root_that_is_empty_will_do_where_none_is_needed() {
    let mut boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    boot.run.root = std::path::PathBuf::new();
    for stage in [
        Stage::FetchOffline,
        Stage::Fetch,
        Stage::Kargs,
        Stage::Disks,
    ] {
        boot.stage(stage).await.unwrap();
    }
    for stage in [Stage::Mount, Stage::Files, Stage::Umount] {
        assert_eq!(
            boot.stage(stage).await.unwrap_err(),
            format!(
                "-root is empty, and the stage {stage} needs the root of the system that is made"
            )
        );
    }
}

/// What the network does not give must not cost the data on a disk.
#[tokio::test]
async fn no_disk_is_touched_before_the_keys_of_its_volumes_are_there() {
    let boot = FirstBoot::with(&config(&json!({"storage": {
        "disks": [{"device": "/dev/vdb", "wipeTable": true, "partitions": [{"number": 1}]}],
        "luks": [{"name": "data", "device": "/dev/vdb1", "keyFile": {"source": "file:///no/such/key"}}],
    }})));
    let disk = crate::disks::programs::image(boot.dir.path(), "vdb", 8);
    boot.stage(Stage::Fetch).await.unwrap();
    let missing = "cannot read file:///no/such/key: No such file or directory (os error 2)";
    assert_eq!(boot.stage(Stage::Disks).await, Err(missing.to_owned()));
    assert!(std::fs::read(disk).unwrap() == vec![0; 8 << 20]);
}
