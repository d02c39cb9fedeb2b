//! Platforms without a service behind them, and what the kernel command line says.

use std::path::Path;

use acl_host::error::chain;
use acl_provision::Error;
use acl_provision::platform::cmdline::Arguments;
use acl_provision::platform::{Found, Labelled, Machine, Medium, Outcome, Patience, Platform};
use tempfile::TempDir;

/// A machine that has nothing outside of `dir`, and no patience.
pub(crate) fn machine(dir: &Path) -> Machine {
    let nobody = || "http://127.0.0.1:9".parse().unwrap();
    Machine {
        sys: dir.join("sys"),
        dev: dir.join("dev"),
        run: dir.join("run"),
        cmdline: String::new(),
        config_file: dir.join("config.ign"),
        imds: nobody(),
        wire_server: Some(nobody()),
        medium: Medium::Mounted(dir.join("medium")),
        patience: Patience {
            pause: std::time::Duration::ZERO,
            longest_pause: std::time::Duration::ZERO,
            total: std::time::Duration::ZERO,
            medium: std::time::Duration::ZERO,
            look: std::time::Duration::ZERO,
            ..Patience::default()
        },
        // A tree without programs.
        tools: acl_host::Tools::tree(dir.join("tools")),
    }
}

pub(crate) fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    acl_host::file::scratch(path, bytes.as_ref()).unwrap();
}

/// What was found, or the error with its causes; the temporary directory is written `DIR`.
pub(crate) fn told<T>(dir: &TempDir, result: Result<T, Error>) -> Result<T, String> {
    let dir = dir.path().display().to_string();
    result.map_err(|error| chain(&error).replace(&dir, "DIR"))
}

fn found(config: Option<&[u8]>, place: &str) -> Result<Found, String> {
    Ok(Found {
        config: config.map(<[u8]>::to_vec),
        place: place.to_owned(),
    })
}

#[test]
fn platforms_have_ignitions_ids() {
    let ids = Platform::ALL.map(|platform| platform.to_string());
    assert_eq!(ids, ["azure", "file", "metal", "qemu"]);
    for platform in Platform::ALL {
        assert_eq!(platform.id().parse::<Platform>().unwrap(), platform);
    }
    for unknown in ["aws", "", "Azure", "azure "] {
        let error = unknown.parse::<Platform>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "there is no platform {unknown:?}; known are azure, file, metal, qemu: correct ignition.platform.id= or \
                 --platform"
            )
        );
        assert_eq!(error.who(), acl_host::Who::Operator);
    }
}

#[test]
fn kernel_arguments() {
    let cases: &[(&str, Option<Platform>, Option<&str>)] = &[
        ("", None, None),
        ("quiet ro console=ttyS0\n", None, None),
        ("ignition.platform.id=qemu", Some(Platform::Qemu), None),
        (
            "a ignition.firstboot=1 ignition.platform.id=azure b\n",
            Some(Platform::Azure),
            None,
        ),
        (
            "ignition.platform.id=metal ignition.config.url=http://10.0.0.1/a?b=c&d=e",
            Some(Platform::Metal),
            Some("http://10.0.0.1/a?b=c&d=e"),
        ),
        (
            "ignition.platform.id=qemu ignition.platform.id=file",
            Some(Platform::File),
            None,
        ),
        ("ignition.platform.id= ignition.config.url=", None, None),
        ("ignition.platform.id ignition.config.url", None, None),
        (
            "ignition.config.url=\"https://host/a b\"",
            None,
            Some("https://host/a%20b"),
        ),
        (
            "\"ignition.config.url=https://host/c\"",
            None,
            Some("https://host/c"),
        ),
        (
            "ignition.config.url=https://first/ ignition.config.url=https://last/",
            None,
            Some("https://last/"),
        ),
        ("x.ignition.platform.id=qemu", None, None),
        ("say=\"ignition.platform.id=qemu\"", None, None),
        (
            "ignition.config.url=data:,%7B%7D",
            None,
            Some("data:,%7B%7D"),
        ),
    ];
    for (text, platform, url) in cases {
        let expected = Arguments {
            platform: *platform,
            config_url: url.map(|url| url.parse().unwrap()),
            labelled: None,
        };
        assert_eq!(Arguments::parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn wrong_kernel_arguments() {
    let cases = [
        (
            "ignition.platform.id=openstack",
            "there is no platform \"openstack\"; known are azure, file, metal, qemu: correct ignition.platform.id= or \
             --platform",
        ),
        (
            "ignition.config.url=host/config.ign",
            "ignition.config.url=host/config.ign on the kernel command line is not an address: it has \
             no scheme; begin it with one, such as https://",
        ),
        (
            "ignition.config.url=http://[::1/",
            "ignition.config.url=http://[::1/ on the kernel command line is not an address: invalid IPv6 address",
        ),
    ];
    for (text, expected) in cases {
        let error = Arguments::parse(text).unwrap_err();
        assert_eq!(chain(&error), expected, "{text}");
        assert_eq!(error.who(), acl_host::Who::Operator, "{text}");
    }
}

const ENTRY: &str = "sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config";
const PLACE: &str = "fw_cfg opt/com.coreos/config";

/// What the platform qemu finds in an entry with these two files.
async fn firmware(size: &[u8], raw: &[u8]) -> Result<Found, String> {
    let dir = TempDir::new().unwrap();
    write(dir.path().join(ENTRY).join("size"), size);
    write(dir.path().join(ENTRY).join("raw"), raw);
    told(&dir, Platform::Qemu.config(&machine(dir.path())).await)
}

#[tokio::test]
async fn qemu_entries() {
    let large: Vec<u8> = (0..5_000_001_u32).map(|i| i.to_be_bytes()[3]).collect();
    assert_eq!(firmware(b"2\n", b"{}").await, found(Some(b"{}"), PLACE));
    assert_eq!(firmware(b"2", b"{}").await, found(Some(b"{}"), PLACE));
    assert_eq!(firmware(b"0\n", b"").await, found(None, PLACE));
    let size = format!("{}\n", large.len());
    assert_eq!(
        firmware(size.as_bytes(), &large).await,
        found(Some(&large), PLACE)
    );
    // Never a byte behind the size: that read would be the slowest of all.
    assert_eq!(firmware(b"2\n", b"{}x").await, found(Some(b"{}"), PLACE));
}

#[tokio::test]
async fn qemu_entries_that_are_wrong() {
    for (size, raw, expected) in [
        (
            "3\n",
            "{}",
            format!("DIR/{ENTRY}/raw ends after 2 of 3 bytes"),
        ),
        (
            "many\n",
            "{}",
            format!("cannot read DIR/{ENTRY}/size: \"many\" is not a size"),
        ),
        (
            "-1\n",
            "{}",
            format!("cannot read DIR/{ENTRY}/size: \"-1\" is not a size"),
        ),
        (
            "67108865\n",
            "{}",
            format!("DIR/{ENTRY} is longer than 67108864 bytes"),
        ),
    ] {
        assert_eq!(
            firmware(size.as_bytes(), raw.as_bytes()).await,
            Err(expected),
            "{size}"
        );
    }
}

#[tokio::test]
async fn qemu_without_an_entry_has_no_config() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("sys/firmware/qemu_fw_cfg/by_name/etc")).unwrap();
    let told = told(&dir, Platform::Qemu.config(&machine(dir.path())).await);
    assert_eq!(told, found(None, PLACE));
}

#[tokio::test]
async fn qemu_without_the_module_asks_for_it() {
    let dir = TempDir::new().unwrap();
    let told = told(&dir, Platform::Qemu.config(&machine(dir.path())).await);
    assert!(
        told.as_ref().unwrap_err().contains("modprobe"),
        "{told:?} names what could not be run"
    );
}

#[tokio::test]
async fn files() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.ign");
    let place = path.display().to_string();
    let machine = machine(dir.path());
    assert_eq!(
        told(&dir, Platform::File.config(&machine).await),
        Err("cannot read DIR/config.ign: No such file or directory (os error 2)".to_owned())
    );
    write(&path, "");
    assert_eq!(
        told(&dir, Platform::File.config(&machine).await),
        found(None, &place)
    );
    write(&path, "{\"a\": 1}");
    assert_eq!(
        told(&dir, Platform::File.config(&machine).await),
        found(Some(b"{\"a\": 1}"), &place)
    );
    std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert_eq!(
        told(&dir, Platform::File.config(&machine).await),
        found(Some(b"{\"a\": 1}"), &place)
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path)
        .unwrap()
        .set_len((64 << 20) + 1)
        .unwrap();
    assert_eq!(
        told(&dir, Platform::File.config(&machine).await),
        Err("DIR/config.ign is longer than 67108864 bytes".to_owned())
    );
}

#[tokio::test]
async fn metal_has_only_the_url() {
    let dir = TempDir::new().unwrap();
    let told = told(&dir, Platform::Metal.config(&machine(dir.path())).await);
    assert_eq!(
        told,
        found(None, "metal, which has only ignition.config.url")
    );
}

#[tokio::test]
async fn only_azure_says_something_and_wants_to_hear() {
    let dir = TempDir::new().unwrap();
    let machine = machine(dir.path());
    for platform in [Platform::File, Platform::Metal, Platform::Qemu] {
        assert_eq!(platform.defaults(&machine).await.unwrap(), None);
        platform.report(&machine, &Outcome::Ready).await.unwrap();
    }
    let said = chain(&Platform::Azure.defaults(&machine).await.unwrap_err());
    assert!(
        said.starts_with("cannot reach http://127.0.0.1:9/metadata/instance?"),
        "{said}"
    );
    let said = chain(
        &Platform::Azure
            .report(&machine, &Outcome::Ready)
            .await
            .unwrap_err(),
    );
    assert!(
        said.starts_with(
            "cannot reach http://127.0.0.1:9/?comp=versions; check the machine's network"
        ),
        "{said}"
    );
}

#[test]
fn a_config_on_a_device_by_its_label() {
    let both = Some(Labelled {
        label: "CONFIG".to_owned(),
        path: "/a/b.ign".to_owned(),
    });
    let words = "ignition.config.device=CONFIG ignition.config.path=/a/b.ign";
    for (text, expected) in [
        (words.to_owned(), Ok(both)),
        (format!("{words} ignition.config.url=https://a/"), Ok(None)),
        (
            "ignition.config.device= ignition.config.path=".to_owned(),
            Ok(None),
        ),
        (
            "ignition.config.device=CONFIG".to_owned(),
            Err(
                "ignition.config.device= is on the kernel command line without ignition.config.path=: give both, the \
                 label of a filesystem and the path of a config on it",
            ),
        ),
        (
            "ignition.config.path=/a".to_owned(),
            Err(
                "ignition.config.path= is on the kernel command line without ignition.config.device=: give both, the \
                 label of a filesystem and the path of a config on it",
            ),
        ),
        (
            "ignition.config.device=../sda ignition.config.path=/a".to_owned(),
            Err(
                "ignition.config.device=../sda on the kernel command line is no label of a filesystem, as in \
                 /dev/disk/by-label",
            ),
        ),
    ] {
        let found = Arguments::parse(&text).map(|arguments| arguments.labelled);
        let found = found.map_err(|error| chain(&error));
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }
}

#[test]
fn a_device_with_a_config_is_read_within_itself() {
    let dir = TempDir::new().unwrap();
    write(dir.path().join("secret"), "outside");
    write(dir.path().join("mounted/a/b.ign"), "{}");
    write(dir.path().join("mounted/empty"), "");
    std::os::unix::fs::symlink("/a/b.ign", dir.path().join("mounted/inside")).unwrap();
    std::os::unix::fs::symlink("../secret", dir.path().join("mounted/outside")).unwrap();
    let read = |path: &str| {
        let label = "CONFIG".to_owned();
        let path = path.to_owned();
        let labelled = Labelled { label, path };
        let mounted = dir.path().join("mounted");
        told(&dir, labelled.read(&mounted, Path::new("/dev/sdb1")))
    };
    let place = |path: &str| format!("{path} on /dev/sdb1");
    for path in ["/a/b.ign", "a/b.ign", "/inside"] {
        assert_eq!(read(path), found(Some(b"{}"), &place(path)));
    }
    assert_eq!(read("/empty"), found(None, &place("/empty")));
    for path in ["/outside", "/none", "/../secret"] {
        let missing = format!(
            "there is no {path} on /dev/sdb1, which ignition.config.path= names; correct the path"
        );
        assert_eq!(read(path), Err(missing));
    }
    // Far more than there is memory, and nothing on the disk.
    let large = std::fs::File::create(dir.path().join("mounted/large")).unwrap();
    large.set_len(4 << 40).unwrap();
    assert_eq!(
        read("/large"),
        Err("/large on /dev/sdb1 is longer than 67108864 bytes".to_owned())
    );
}

#[tokio::test]
async fn a_device_with_a_config_is_waited_for_and_mounted_for_reading() {
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        tools: acl_host::Tools::host(),
        ..machine(dir.path())
    };
    let labelled = Labelled {
        label: "CONFIG".to_owned(),
        path: "/a".to_owned(),
    };
    assert_eq!(
        told(&dir, labelled.config(&machine).await),
        Err("no device DIR/dev/disk/by-label/CONFIG has appeared within 0 s, which ignition.config.device= names by the \
             label of its filesystem; attach it, or correct the label"
            .to_owned())
    );
    // What is no filesystem cannot be mounted, by whomever.
    write(dir.path().join("dev/disk/by-label/CONFIG"), [0; 4096]);
    let error = told(&dir, labelled.config(&machine).await).unwrap_err();
    let start = "cannot mount DIR/dev/disk/by-label/CONFIG (any type, with options ro,nosuid,nodev,noexec): mount failed (";
    assert!(error.starts_with(start), "{error}");
    assert!(!dir.path().join("run/acl-provision/config").exists());
}
