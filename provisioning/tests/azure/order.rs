//! Which of the places that can hold a config counts.

use acl_host::Who;
use acl_provision::platform::{Found, Machine, Medium, Platform};
use tempfile::TempDir;

use super::fake::{Fake, Reply, ok};
use super::imds::{CONFIG, USER_DATA, encoded};
use super::ovf::ovf;
use crate::platform::{machine, told, write};

/// What a machine finds with this answer to the question for user data, and these files on its medium. In places and
/// errors the service is written `IMDS`, the machine's directory `DIR`.
async fn config(reply: Reply, medium: &[(&str, &str)]) -> Result<(Option<String>, String), String> {
    let fake = Fake::in_turn([reply]).await;
    let dir = TempDir::new().unwrap();
    for (name, text) in medium {
        write(dir.path().join("medium").join(name), text);
    }
    let machine = Machine {
        imds: fake.base.clone(),
        ..machine(dir.path())
    };
    let base = format!("{}{}", fake.base, &USER_DATA[5..]);
    let told = told(&dir, Platform::Azure.config(&machine).await);
    let short = |text: String| {
        text.replace(&dir.path().display().to_string(), "DIR")
            .replace(&base, "IMDS")
    };
    match told {
        Ok(Found { config, place }) => Ok((
            config.map(|bytes| String::from_utf8(bytes).unwrap()),
            short(place),
        )),
        Err(error) => Err(short(error)),
    }
}

/// The custom data "custom", in base64.
const CUSTOM: &str = "<CustomData>Y3VzdG9t</CustomData>";

fn user_data() -> Reply {
    ok(encoded())
}

fn refusal() -> Reply {
    Reply::Text(403, String::new())
}

#[tokio::test]
async fn user_data_counts_before_custom_data() {
    let with_both = config(user_data(), &[("ovf-env.xml", &ovf(CUSTOM))]).await;
    assert_eq!(with_both, Ok((Some(CONFIG.to_owned()), "IMDS".to_owned())));
    let alone = config(user_data(), &[]).await;
    assert_eq!(alone, Ok((Some(CONFIG.to_owned()), "IMDS".to_owned())));
}

#[tokio::test]
async fn custom_data_counts_without_user_data_or_without_its_service() {
    for reply in [
        ok(""),
        refusal(),
        Reply::Text(503, String::new()),
        Reply::Cut("e30".into()),
    ] {
        let told = config(reply.clone(), &[("ovf-env.xml", &ovf(CUSTOM))]).await;
        assert_eq!(
            told,
            Ok((
                Some("custom".to_owned()),
                "CustomData in ovf-env.xml of DIR/medium".to_owned()
            )),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn neither_is_no_config_only_when_both_say_so() {
    let medium = [("ovf-env.xml", ovf(""))];
    let medium = [(medium[0].0, medium[0].1.as_str())];
    assert_eq!(
        config(ok(""), &medium).await,
        Ok((None, "custom data of DIR/medium".to_owned()))
    );
    assert_eq!(
        config(refusal(), &medium).await,
        Err("IMDS answers 403 Forbidden".to_owned())
    );
    assert_eq!(
        config(refusal(), &[]).await,
        Err("IMDS answers 403 Forbidden".to_owned())
    );
    assert_eq!(
        config(ok(""), &[]).await,
        Err(
            "no drive DIR/dev/sr* has Azure's provisioning medium in it, after 0 s; make the machine anew from an \
             image, or give it user data"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn user_data_that_is_wrong_is_not_passed_over() {
    let told = config(ok("not base64!"), &[("ovf-env.xml", &ovf(CUSTOM))]).await;
    assert_eq!(
        told,
        Err("IMDS is not base64: Invalid symbol 33, offset 9.".to_owned())
    );
}

#[tokio::test]
async fn a_medium_that_is_wrong_is_told() {
    let told = config(
        ok(""),
        &[("ovf-env.xml", &ovf("<CustomData>!</CustomData>"))],
    )
    .await;
    assert_eq!(
        told,
        Err(
            "CustomData in ovf-env.xml of DIR/medium is not base64: Invalid symbol 33, offset 0."
                .to_owned()
        )
    );
}

/// What a machine with drives finds that nobody can mount here.
async fn in_drives(dir: &TempDir) -> Result<Found, String> {
    let fake = Fake::in_turn([ok("")]).await;
    let machine = Machine {
        imds: fake.base.clone(),
        medium: Medium::Drive,
        ..machine(dir.path())
    };
    told(dir, Platform::Azure.config(&machine).await)
}

#[tokio::test]
async fn only_optical_drives_with_a_file_system_are_looked_at() {
    let dir = TempDir::new().unwrap();
    let mut udf = vec![0; 19 * 2048];
    for (sector, name) in [(16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")] {
        udf[sector * 2048 + 1..sector * 2048 + 6].copy_from_slice(name);
    }
    // Data disks, whatever is on them, and a drive with an unknown disc.
    for name in ["sda", "vdb", "srx", "sr", "nvme0n1"] {
        write(dir.path().join("dev").join(name), &udf);
    }
    write(dir.path().join("dev/sr0"), [0; 100_000]);
    let told = in_drives(&dir).await.unwrap_err();
    assert!(
        told.starts_with("no drive DIR/dev/sr* has Azure's"),
        "{told}"
    );

    // A disc that Azure could have made; but a file is no block device, or its user may not mount.
    write(dir.path().join("dev/sr10"), &udf);
    let told = in_drives(&dir).await.unwrap_err();
    assert!(
        told.starts_with("cannot mount the disc in DIR/dev/sr10 (udf, with options ro,nosuid,nodev,noexec); udf and isofs must be among the initrd's modules: "),
        "{told}"
    );
    assert!(!dir.path().join("run/acl-provision/medium").exists());
}

#[tokio::test]
async fn a_machine_without_dev_is_told() {
    let dir = TempDir::new().unwrap();
    assert_eq!(
        in_drives(&dir).await,
        Err("cannot list DIR/dev: No such file or directory (os error 2)".to_owned())
    );
}

#[tokio::test]
async fn who_must_act() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::in_turn([ok("")]).await;
    let machine = Machine {
        imds: fake.base.clone(),
        ..machine(dir.path())
    };
    let error = Platform::Azure.config(&machine).await.unwrap_err();
    assert_eq!(error.who(), Who::Environment);
    write(dir.path().join("medium/ovf-env.xml"), "<");
    let error = Platform::Azure.config(&machine).await.unwrap_err();
    assert_eq!(error.who(), Who::Server);
}
