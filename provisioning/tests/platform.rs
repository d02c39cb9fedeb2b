//! Platforms without a service behind them, and what the kernel command line says.

use std::path::Path;

use acl_host::error::chain;
use acl_provision::Error;
use acl_provision::platform::cmdline::Arguments;
use acl_provision::platform::{Found, Machine, Medium, Outcome, Patience, Platform};
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
            "ignition.config.url=host/config.ign on the kernel command line is no URL: relative URL without a base",
        ),
        (
            "ignition.config.url=http://[::1/",
            "ignition.config.url=http://[::1/ on the kernel command line is no URL: invalid IPv6 address",
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
    assert!(
        Platform::Azure
            .report(&machine, &Outcome::Ready)
            .await
            .is_err()
    );
}
