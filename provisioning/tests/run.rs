//! Stages as units of an initrd run them, one after the other: what they leave for each other, and what stays.

use std::path::Path;

use acl_host::error::chain;
use acl_provision::run::Run;
use acl_provision::stage::{Stage, disks};
use base64::{Engine, engine::general_purpose::STANDARD};
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
async fn the_operator_has_the_last_word() {
    let boot = FirstBoot::with(&config(&file("/etc/who", "operator")));
    write(
        boot.at("image/base.d/10.ign"),
        config(&file("/etc/who", "image")).to_string(),
    );
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/who"), "operator");
}

#[tokio::test]
async fn a_config_in_the_image_stands_in_for_the_platforms() {
    let boot = FirstBoot::with(&config(&file("/etc/platform", "p")));
    write(
        boot.at("image/user.ign"),
        config(&file("/etc/image", "i")).to_string(),
    );
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/image"), "i");
    assert!(!boot.at("root/etc/platform").exists());
}

#[tokio::test]
async fn without_any_config_the_machine_is_what_the_image_is() {
    let boot = FirstBoot::new();
    boot.all().await.unwrap();
    assert_eq!(boot.record(RECORD)["origins"], json!([]));
}

#[tokio::test]
async fn the_network_is_asked_for_when_something_is_there() {
    let from = "http://127.0.0.1:9/";
    let resource = json!({"source": from});
    let cases = [
        json!({"ignition": {"version": "3.4.0", "config": {"merge": [resource]}}}),
        json!({"ignition": {"version": "3.4.0", "config": {"replace": resource}}}),
        json!({"ignition": {"version": "3.4.0", "security": {"tls": {"certificateAuthorities": [resource]}}}}),
        config(&json!({"storage": {"files": [{"path": "/a", "contents": resource}]}})),
        config(&json!({"storage": {"files": [{"path": "/a", "append": [resource]}]}})),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a", "keyFile": resource}]}}),
        ),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a",
            "clevis": {"tang": [{"url": from, "thumbprint": "x"}]}}]}}),
        ),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a",
            "clevis": {"custom": {"pin": "tang", "config": "{}", "needsNetwork": true}}}]}}),
        ),
    ];
    // The same in a config that the first one holds.
    let within = cases.iter().map(|case| {
        let held = format!("data:;base64,{}", STANDARD.encode(case.to_string()));
        json!({"ignition": {"version": "3.4.0", "config": {"merge": [{"source": held}]}}})
    });
    for case in within.chain(cases.clone()) {
        let boot = FirstBoot::with(&case);
        boot.stage(Stage::FetchOffline).await.unwrap();
        assert!(boot.at("run/neednet").exists(), "{case:#}");
        assert!(!boot.at("run/config.json").exists(), "{case:#}");
    }
    let mut boot = FirstBoot::new();
    boot.run.machine.cmdline = format!("ignition.config.url={from}");
    boot.stage(Stage::FetchOffline).await.unwrap();
    assert!(boot.at("run/neednet").exists());
    // An authority of the image's config is fetched by the stages after this one.
    let boot = FirstBoot::new();
    write(boot.at("image/base.d/10.ign"), cases[2].to_string());
    boot.stage(Stage::FetchOffline).await.unwrap();
    assert!(boot.at("run/neednet").exists());
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
async fn two_valid_configs_that_are_not_valid_together_are_refused() {
    let boot = FirstBoot::with(&config(&file("/etc/a/b", "x")));
    write(
        boot.at("image/base.d/10.ign"),
        config(&file("/etc/a", "x")).to_string(),
    );
    let error = boot.stage(Stage::Fetch).await.unwrap_err();
    let said = "the configs are valid, but together they are not:\n\
                $.storage.files.1.path: /etc/a is a file at $.storage.files.0; nothing can lie below it";
    assert_eq!(error, said);
}

/// The command line is signed: a config that wants it as it is goes on, another fails before a disk is touched.
#[tokio::test]
async fn kernel_arguments_are_compared_with_the_running_command_line() {
    let wanted = json!({"kernelArguments": {"shouldNotExist": ["flatcar.autologin"], "shouldExist": ["quiet"]}});
    let mut boot = FirstBoot::with(&config(&wanted));
    boot.run.machine.cmdline = "root=/dev/sda quiet\n".to_owned();
    boot.stage(Stage::Fetch).await.unwrap();

    let mut boot = FirstBoot::with(&config(&wanted));
    boot.run.machine.cmdline = "flatcar.autologin root=/dev/sda\n".to_owned();
    let error = boot.stage(Stage::Fetch).await.unwrap_err();
    let rest = "and it cannot be changed, as part of the signed UKI; build an image whose recipe says it otherwise";
    let said = format!(
        "the configs are valid, but together they are not:\n\
         $.kernelArguments.shouldExist.0: the kernel command line lacks \"quiet\", {rest}\n\
         $.kernelArguments.shouldNotExist.0: the kernel command line has \"flatcar.autologin\", {rest}"
    );
    assert_eq!(error, said);
    assert!(!boot.at("run/config.json").exists());
}

/// Authorities are put into the whole as `data:` URLs, of which two may be the same.
#[tokio::test]
async fn two_addresses_of_one_authority_are_taken() {
    let authority = STANDARD.encode(rcgen_authority());
    let sources = [
        format!("data:;base64,{authority}"),
        format!("data:text/plain;base64,{authority}"),
    ];
    let named: Vec<_> = sources
        .iter()
        .map(|source| json!({"source": source}))
        .collect();
    let boot = FirstBoot::with(&json!({"ignition": {
        "version": "3.4.0",
        "security": {"tls": {"certificateAuthorities": named}},
    }}));
    boot.stage(Stage::Fetch).await.unwrap();
}

fn rcgen_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
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

#[tokio::test]
async fn what_a_config_of_the_image_names_is_not_fetched() {
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    let named = "data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.4.0%22%7D%2C%22storage%22%3A%7B%22files%22%3A%5B%7B%22path%22%3A%22/etc/named%22%7D%5D%7D%7D";
    let mut base = config(&file("/etc/base", "b"));
    base["ignition"]["config"] = json!({"merge": [{"source": named}]});
    write(boot.at("image/base.d/10.ign"), base.to_string());
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/base"), "b");
    assert!(!boot.at("root/etc/named").exists());
    assert_eq!(
        boot.record("run/config.json")["ignition"]["config"],
        json!(null)
    );

    // The operator's is.
    let boot = FirstBoot::with(&base);
    boot.all().await.unwrap();
    assert!(boot.at("root/etc/named").exists());
}

/// Ignition 2.27: `/run/ignition` counts more than `/etc/ignition`, and that more than `/usr/lib/ignition`.
#[tokio::test]
async fn directories_of_the_system_are_looked_at_in_their_order() {
    let boot = FirstBoot::with(&config(&file("/etc/platform", "p")));
    let put = |path: &str, name: &str| {
        write(
            boot.at(path),
            config(&file(&format!("/etc/{name}"), "x")).to_string(),
        );
    };
    put("image/base.d/10.ign", "hidden");
    put("local/base.d/10.ign", "local");
    put("image/base.d/20.ign", "image");
    put("volatile/base.platform.d/qemu/30.ign", "volatile");
    put("image/user.ign", "hidden");
    put("local/user.ign", "user");
    boot.all().await.unwrap();
    for name in ["local", "image", "volatile", "user"] {
        assert_eq!(boot.read(&format!("root/etc/{name}")), "x", "{name}");
    }
    for name in ["hidden", "platform"] {
        assert!(!boot.at(&format!("root/etc/{name}")).exists(), "{name}");
    }
    let places: Vec<String> = boot.record(RECORD)["origins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|origin| origin["place"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "local/user.ign",
        "volatile/base.platform.d/qemu/30.ign",
        "image/base.d/20.ign",
        "local/base.d/10.ign",
    ];
    assert_eq!(
        places,
        expected.map(|path| boot.at(path).display().to_string())
    );
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

/// What no stage could fetch fails before a disk is touched.
#[tokio::test]
async fn sources_that_nothing_fetches_are_refused_while_fetching() {
    for (sections, place, url, scheme) in [
        (
            json!({"storage": {"files": [{"path": "/a"}, {"path": "/b", "contents": {"source": "s3://b/k"}}]}}),
            "$.storage.files.1.contents",
            "s3://b/k",
            "s3",
        ),
        (
            json!({"storage": {"files": [{"path": "/a", "append": [{"source": "data:,a"}, {"source": "gs://b/k"}]}]}}),
            "$.storage.files.0.append.1",
            "gs://b/k",
            "gs",
        ),
        (
            json!({"storage": {"luks": [{"name": "a", "device": "/dev/a", "keyFile": {"source": "tftp://h/f"}}]}}),
            "$.storage.luks.0.keyFile",
            "tftp://h/f",
            "tftp",
        ),
        (
            json!({"storage": {"files": [{"path": "/a", "contents": {"source": "arn:aws:s3:::b/k"}}]}}),
            "$.storage.files.0.contents",
            "arn:aws:s3:::b/k",
            "arn",
        ),
    ] {
        let mut wanted = config(&sections);
        wanted["ignition"]["version"] = json!("3.6.0");
        let boot = FirstBoot::with(&wanted);
        for stage in [Stage::FetchOffline, Stage::Fetch] {
            let error = boot.stage(stage).await.unwrap_err();
            assert_eq!(
                error,
                format!(
                    "cannot use {place} of the merged config: cannot fetch {url}: its scheme {scheme} is not supported; \
                     use https, http, data or file"
                )
            );
        }
        assert!(!boot.at("run/config.json").exists() && !boot.at("run/neednet").exists());
    }
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
