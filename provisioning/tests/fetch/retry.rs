//! What passes is tried again, what does not is told at once.

use std::time::Duration;

use acl_provision::fetch::{Fetcher, Patience};

use crate::time::{StoppedClock, pass};

use super::server::{Reply, Server, ok, reply};
use super::{fetcher, gzip, gzipped, ignition, patience, resource, sha256, told, verified};

/// A server that answers this to the first `times` requests.
async fn troubled(times: usize, trouble: Reply) -> Server {
    Server::new(move |asked| {
        if asked.number < times {
            trouble.clone()
        } else {
            ok("at last")
        }
    })
    .await
}

#[tokio::test]
async fn answers_that_are_tried_again() {
    for (name, trouble) in [
        ("500", reply(500, "", b"trouble")),
        (
            "503 with a time",
            reply(503, "retry-after: 3600\r\n", b"trouble"),
        ),
        ("599", reply(599, "", b"")),
        (
            "429 with a time",
            reply(429, "retry-after: 3600\r\n", b"trouble"),
        ),
        ("a head cut off", reply(200, "", b"").cut(20)),
        (
            "no answer",
            reply(200, "", b"").cut(reply(200, "", b"").bytes.len()),
        ),
        ("a body cut off", ok("something that is not at last").cut(9)),
        ("only the head", ok("something").cut(9)),
    ] {
        let server = troubled(3, trouble).await;
        let found = fetcher().fetch(&resource(&server.url("/")), 99).await;
        assert_eq!(told(found), "at last", "{name}");
        assert_eq!(server.asked().len(), 4, "{name}");
    }
}

#[tokio::test]
async fn answers_that_are_final() {
    for (status, who) in [
        (400, "operator"),
        (401, "operator"),
        (403, "operator"),
        (404, "operator"),
        (410, "operator"),
        (201, "server"),
        (206, "server"),
        (304, "server"),
        (300, "server"),
    ] {
        let server = troubled(9, reply(status, "", b"trouble")).await;
        let url = server.url("/a?sig=secret");
        let found = told(fetcher().fetch(&resource(&url), 99).await);
        let shown = server.url("/a?…");
        let name = http::StatusCode::from_u16(status).unwrap();
        let expected = format!("{who}: the server answers {name} for {shown}");
        assert_eq!(found, expected);
        assert_eq!(server.asked().len(), 1, "{status}");
    }
    let server = Server::new(|_| reply(204, "", b"")).await;
    assert_eq!(
        told(fetcher().fetch(&resource(&server.url("/")), 99).await),
        ""
    );
}

#[tokio::test]
async fn bodies_that_are_wrong_are_final() {
    let server = Server::new(|_| ok("lies")).await;
    let url = server.url("/");
    for resource in [gzip(&url), verified(resource(&url), &sha256(b"truth"))] {
        let mut out = Vec::new();
        fetcher().fetch_to(&resource, &mut out).await.unwrap_err();
        assert_eq!(out, b"");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_body_that_broke_is_fetched_from_its_start_and_handed_over_once() {
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    for packed in [false, true] {
        let body = if packed {
            gzipped(&bytes)
        } else {
            bytes.clone()
        };
        let half = body.len() / 2;
        let server = Server::new(move |asked| match asked.number {
            0 => ok(&body).cut(half),
            1 => ok(&body).cut(1),
            _ => ok(&body),
        })
        .await;
        let url = server.url("/");
        let wanted = if packed { gzip(&url) } else { resource(&url) };
        let mut out = Vec::new();
        let wanted = verified(wanted, &sha256(&bytes));
        fetcher().fetch_to(&wanted, &mut out).await.unwrap();
        assert!(out == bytes, "{packed}");
        assert_eq!(server.asked().len(), 3);
    }
}

#[tokio::test]
async fn servers_that_say_nothing_are_asked_again() {
    let silent = Reply {
        bytes: Vec::new(),
        stall: true,
    };
    let server = troubled(1, silent).await;
    let fetcher = Fetcher::new(Patience {
        headers: Duration::from_millis(200),
        read: Duration::ZERO,
        ..patience()
    });
    let found = fetcher
        .unwrap()
        .fetch(&resource(&server.url("/")), 99)
        .await;
    assert_eq!(told(found), "at last");
    // At least: a busy machine may be slow to answer, too.
    assert!(server.asked().len() >= 2);
}

#[tokio::test]
async fn bodies_that_stand_still_are_fetched_again() {
    let mut half = ok("something else").cut(5);
    half.stall = true;
    let server = troubled(1, half).await;
    let fetcher = Fetcher::new(Patience {
        read: Duration::from_millis(200),
        headers: Duration::ZERO,
        ..patience()
    });
    let found = fetcher
        .unwrap()
        .fetch(&resource(&server.url("/")), 99)
        .await;
    assert_eq!(told(found), "at last");
    assert!(server.asked().len() >= 2);
}

/// A fetcher that gives up after a minute, and waits for one answer as long as that. The clock stands but for what
/// [`passes`] lets pass.
fn for_a_minute() -> Fetcher {
    let minute = Duration::from_secs(60);
    Fetcher::new(Patience {
        fetch_timeout: minute,
        connect: minute,
        headers: minute,
        read: minute,
        ..patience()
    })
    .unwrap()
}

/// Lets time pass as long as this is held, in steps that each take a packet's way over loopback and back.
fn passes() -> (StoppedClock, tokio::task::JoinSet<()>) {
    let mut time = tokio::task::JoinSet::new();
    time.spawn(async {
        loop {
            pass(Duration::from_millis(10)).await;
        }
    });
    (StoppedClock::new(), time)
}

#[tokio::test(start_paused = true)]
async fn all_tries_together_have_a_limit_and_the_last_trouble_is_told() {
    let _time = passes();
    let server = Server::new(|_| reply(500, "", b"")).await;
    let url = server.url("/");
    let impatient = for_a_minute();
    assert_eq!(
        told(impatient.fetch(&resource(&url), 99).await),
        format!(
            "server: {url} could not be fetched within 60 s; set ignition.timeouts.httpTotal or -fetch-timeout to try longer: the server answers 500 Internal Server Error for {url}"
        )
    );
    assert!(server.asked().len() > 1);
    // A config that says nothing takes the limit away: its server may come up later.
    let server = Server::new(move |asked| {
        if asked.number < 400 {
            reply(500, "", b"")
        } else {
            ok("at last")
        }
    })
    .await;
    let patient = impatient
        .with(&ignition(r#"{"version": "3.6.0"}"#))
        .await
        .unwrap();
    assert_eq!(
        told(patient.fetch(&resource(&server.url("/")), 99).await),
        "at last"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_there() {
    let _time = passes();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://u:secret@{free}/a?secret");
    let impatient = for_a_minute();
    let found = told(impatient.fetch(&resource(&url), 99).await);
    let start = format!(
        "environment: http://…@{free}/a?… could not be fetched within 60 s; set ignition.timeouts.httpTotal or -fetch-timeout to try longer: cannot reach the server of http://…@{free}/a?…; check its address and the network: "
    );
    assert!(found.starts_with(&start), "{found}");
    assert!(found.contains("Connection refused"), "{found}");
    assert!(!found.contains("secret"), "{found}");
}

/// Whoever runs several fetches at once needs futures that may go to another thread.
#[tokio::test]
async fn fetching_can_be_spawned() {
    let (server, fetcher) = (Server::new(|_| ok("there")).await, fetcher());
    let wanted = resource(&server.url("/"));
    let task = tokio::spawn(async move {
        let mut out = Vec::new();
        fetcher.fetch_to(&wanted, &mut out).await?;
        let fetcher = fetcher.with(&ignition(r#"{"version": "3.6.0"}"#)).await?;
        fetcher.fetch(&wanted, 99).await
    });
    assert_eq!(told(task.await.unwrap()), "there");
}
