//! The instance metadata service, well and unwell.

use std::time::Duration;

use acl_host::error::chain;
use acl_host::{Tool, Tools, Who, environment};
use acl_provision::platform::azure::imds::{self, Instance};
use acl_provision::platform::{Found, Machine, Patience};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tempfile::TempDir;

use super::fake::{Fake, Reply, ok, patient};
use crate::platform::machine;

pub(super) const CONFIG: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}";
pub(super) const USER_DATA: &str =
    "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text";
pub(super) const INSTANCE: &str = "GET /metadata/instance?api-version=2021-02-01";

pub(super) fn encoded() -> String {
    BASE64_STANDARD.encode(CONFIG)
}

/// What a patient machine reads as user data, and how often it asked.
async fn user_data(replies: &[Reply]) -> (Result<Option<Vec<u8>>, String>, usize) {
    let (told, fake) = ask(replies, patient).await;
    (told, fake.asked().len())
}

async fn ask(
    replies: &[Reply],
    set: impl FnOnce(Machine) -> Machine,
) -> (Result<Option<Vec<u8>>, String>, Fake) {
    let fake = Fake::in_turn(replies.to_vec()).await;
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        imds: fake.base.clone(),
        ..set(machine(dir.path()))
    };
    let base = fake.base.as_str().trim_end_matches('/');
    let told = match imds::user_data(&machine).await {
        Ok(Found { config, place }) => {
            assert_eq!(format!("GET {}", place.replace(base, "")), USER_DATA);
            Ok(config)
        }
        Err(error) => Err(chain(&error)
            .replace(base, "IMDS")
            .replace(&USER_DATA[4..], "/…")),
    };
    (told, fake)
}

#[tokio::test]
async fn it_is_asked_as_it_wants_to_be() {
    let (told, fake) = ask(&[ok(encoded())], patient).await;
    assert_eq!(told, Ok(Some(CONFIG.into())));
    let asked = fake.asked();
    assert_eq!(fake.lines(), [USER_DATA]);
    assert_eq!(asked[0].headers["metadata"], "true");
    assert_eq!(
        asked[0].headers["user-agent"],
        concat!("acl-provision/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked[0].headers.get("x-forwarded-for"), None);
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let passing = [404, 410, 429, 500, 502, 503, 504];
    for status in passing {
        let bad = Reply::Text(status, "<html>not now</html>".to_owned());
        let told = user_data(&[bad.clone(), bad.clone(), bad, ok(encoded())]).await;
        assert_eq!(told, (Ok(Some(CONFIG.into())), 4), "{status}");
    }
    let all: Vec<Reply> = passing
        .iter()
        .map(|status| Reply::Text(*status, String::new()))
        .chain([ok(encoded())])
        .collect();
    assert_eq!(user_data(&all).await, (Ok(Some(CONFIG.into())), 8));
}

#[tokio::test]
async fn what_does_not_pass_is_told_at_once() {
    for (status, reason) in [
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (405, "Method Not Allowed"),
    ] {
        let told = user_data(&[Reply::Text(status, String::new()), ok(encoded())]).await;
        let expected = format!("IMDS/… answers {status} {reason}");
        assert_eq!(told, (Err(expected), 1));
    }
}

#[tokio::test]
async fn texts() {
    let config = || Ok(Some(CONFIG.as_bytes().to_vec()));
    let lines = encoded()
        .as_bytes()
        .chunks(20)
        .map(|line| format!(" {}\r\n", String::from_utf8_lossy(line)))
        .collect::<String>();
    let wrong = |what: &str| Err(format!("IMDS/… is not base64: {what}"));
    let cases = [
        (encoded(), config()),
        (format!("{}\n", encoded()), config()),
        (lines, config()),
        (String::new(), Ok(None)),
        (" \r\n".to_owned(), Ok(None)),
        (CONFIG.to_owned(), wrong("Invalid symbol 123, offset 0.")),
        (
            "#!/bin/sh".to_owned(),
            wrong("Invalid symbol 35, offset 0."),
        ),
        ("AAA".to_owned(), wrong("Invalid padding")),
        ("AAAAé".to_owned(), wrong("Invalid symbol 195, offset 4.")),
    ];
    for (text, expected) in cases {
        assert_eq!(
            user_data(&[ok(text.as_str())]).await,
            (expected, 1),
            "{text}"
        );
    }
}

#[tokio::test]
async fn retry_after_is_heeded_as_far_as_patience_goes() {
    // An hour is asked for: more than the longest pause, which is none.
    let told = user_data(&[Reply::Later(429, 3600), ok(encoded())]).await;
    assert_eq!(told, (Ok(Some(CONFIG.into())), 2));
    // The longest pause allows for it, but all patience is shorter.
    let hour = Duration::from_secs(3600);
    let (told, fake) = ask(&[Reply::Later(429, 3600), ok(encoded())], |machine| {
        Machine {
            patience: Patience {
                longest_pause: hour * 2,
                total: hour,
                ..machine.patience
            },
            ..machine
        }
    })
    .await;
    assert_eq!(told, Err("IMDS/… answers 429 Too Many Requests".to_owned()));
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn patience_ends() {
    for (reply, expected) in [
        (
            Reply::Text(404, String::new()),
            "IMDS/… answers 404 Not Found",
        ),
        (
            Reply::Text(500, String::new()),
            "IMDS/… answers 500 Internal Server Error",
        ),
    ] {
        let (told, fake) = ask(&[reply], |machine| machine).await;
        assert_eq!(told, Err(expected.to_owned()));
        assert_eq!(fake.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again() {
    let told = user_data(&[Reply::Cut("e30".to_owned()), ok(encoded())]).await;
    assert_eq!(told, (Ok(Some(CONFIG.into())), 2));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let (told, fake) = ask(&[Reply::Never], |machine| Machine {
        patience: Patience {
            answer: Duration::from_millis(5),
            ..machine.patience
        },
        ..machine
    })
    .await;
    let told = told.unwrap_err();
    assert!(
        told.starts_with("cannot reach IMDS/…; check the machine's network and what filters it: ")
            && told.ends_with("operation timed out"),
        "{told}"
    );
    assert!(fake.asked().len() <= 1);
}

#[tokio::test]
async fn after_an_answer_that_never_came_the_next_one_counts() {
    // The pauses are none, so that only the lost answer costs time, and late ones are asked for anew.
    let (told, fake) = ask(&[Reply::Never, ok(encoded())], |machine| {
        let machine = patient(machine);
        Machine {
            patience: Patience {
                answer: Duration::from_millis(20),
                ..machine.patience
            },
            ..machine
        }
    })
    .await;
    assert_eq!(told, Ok(Some(CONFIG.into())));
    assert!(fake.asked().len() >= 2);
}

#[tokio::test]
async fn nobody_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let imds = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        imds: imds.parse().unwrap(),
        ..machine(dir.path())
    };
    let error = imds::user_data(&machine).await.unwrap_err();
    assert_eq!(error.who(), Who::Environment);
    let told = chain(&error);
    assert!(
        told.starts_with(&format!("cannot reach {imds}/metadata/")),
        "{told}"
    );
    assert!(told.contains("Connection refused"), "{told}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::in_turn([ok(encoded())]).await;
    let redirect = Reply::Redirect(other.base.to_string());
    let told = user_data(&[redirect]).await;
    assert_eq!(told, (Err("IMDS/… answers 302 Found".to_owned()), 1));
    assert_eq!(other.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let told = user_data(&[ok("A".repeat((4 << 20) + 1))]).await;
    assert_eq!(
        told,
        (Err("IMDS/… is longer than 4194304 bytes".to_owned()), 1)
    );
}

/// Where the parent of the test below tells its child the address.
const ADDRESS: &str = "ACL_TEST_IMDS";

#[tokio::test(flavor = "multi_thread")]
async fn neither_proxies_nor_certificates_are_needed() {
    let imds = Fake::in_turn([ok(encoded())]).await;
    let proxy = Fake::in_turn([ok(BASE64_STANDARD.encode("forged"))]).await;
    let this = std::env::current_exe().unwrap();
    let child = Tools::host()
        .command(Tool::Own(this))
        .args(["--exact", "azure::imds::child", "--ignored"])
        .env(ADDRESS, imds.base.as_str())
        .env("http_proxy", proxy.base.as_str())
        .env("HTTP_PROXY", proxy.base.as_str())
        .env("ALL_PROXY", proxy.base.as_str())
        .env("no_proxy", "")
        .env("NO_PROXY", "")
        // As in an initrd that trusts nobody.
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent");
    let said = tokio::task::spawn_blocking(|| child.run()).await.unwrap();
    let said = String::from_utf8(said.unwrap()).unwrap();
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(imds.lines(), [USER_DATA]);
    assert_eq!(proxy.lines(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "run by the test above, in an environment of its own"]
async fn child() {
    let Some(address) = environment::variable(ADDRESS) else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        imds: address.to_str().unwrap().parse().unwrap(),
        ..machine(dir.path())
    };
    let found = imds::user_data(&machine).await.unwrap();
    assert_eq!(found.config, Some(CONFIG.into()));
}

#[tokio::test]
async fn nonsense_about_the_instance_is_asked_for_again() {
    let fake = Fake::in_turn([
        ok("<html>"),
        ok("{}"),
        Reply::Cut("{\"compute\": {".to_owned()),
        ok("{\"compute\": {}}"),
    ])
    .await;
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        imds: fake.base.clone(),
        ..patient(machine(dir.path()))
    };
    assert_eq!(imds::instance(&machine).await.unwrap(), Instance::default());
    assert_eq!(fake.lines(), [INSTANCE; 4]);
    assert_eq!(fake.asked()[0].headers["metadata"], "true");
}

#[tokio::test]
async fn nonsense_for_ever_is_told() {
    let fake = Fake::in_turn([ok("<html>")]).await;
    let dir = TempDir::new().unwrap();
    let machine = Machine {
        imds: fake.base.clone(),
        ..machine(dir.path())
    };
    let error = imds::instance(&machine).await.unwrap_err();
    assert_eq!(error.who(), Who::Server);
    assert_eq!(
        chain(&error),
        format!(
            "{}metadata/instance?api-version=2021-02-01 answers what cannot be understood: expected value at line 1 \
             column 1",
            fake.base
        )
    );
}
