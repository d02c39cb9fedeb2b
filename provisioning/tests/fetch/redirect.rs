//! Redirects, and which headers go along.

use super::server::{Server, ok, redirect, reply};
use super::{fetcher, resource, told, with_header};

#[tokio::test]
async fn every_kind_is_followed_with_our_headers_alone() {
    let server = Server::new(|asked| match asked.target.strip_prefix("/by/") {
        Some(status) => redirect(status.parse().unwrap(), "../to?a=b"),
        None => ok(asked.target.as_bytes()),
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let url = server.url(&format!("/by/{status}"));
        let secret = with_header(&url, "Authorization", Some("secret"));
        assert_eq!(told(fetcher().fetch_config(&secret).await), "/to?a=b");
        let asked = server.asked();
        let [first, second] = &asked[asked.len() - 2..] else {
            panic!("{asked:?}")
        };
        assert_eq!(first.header("authorization"), Some("secret"));
        assert_eq!(second.header("authorization"), None);
        assert_eq!(second.method, "GET");
        for name in ["accept", "accept-encoding", "user-agent"] {
            assert_eq!(first.header(name), second.header(name));
            assert!(first.header(name).is_some());
        }
    }
}

#[tokio::test]
async fn another_host_gets_no_headers_of_the_config_also_when_it_sends_back() {
    let (home, away) = (
        Server::new(|asked| match asked.target.strip_prefix("/go/") {
            Some(port) => redirect(302, &format!("http://localhost:{port}/away")),
            None => ok("home"),
        })
        .await,
        Server::new(|asked| {
            let port = asked.header("host").unwrap().rsplit(':').next().unwrap();
            let home = asked.header("x-home").unwrap_or("nobody").to_owned();
            reply(200, "", format!("{port} {home}").as_bytes())
        })
        .await,
    );
    let url = home.url(&format!("/go/{}", away.port()));
    let secret = with_header(&url, "X-Home", Some("secret"));
    let found = told(fetcher().fetch(&secret, 99).await);
    assert_eq!(found, format!("{} nobody", away.port()));
    let back = home.url("/back");
    let there = Server::new(move |_| redirect(307, &back)).await;
    let url = home.url(&format!("/go/{}", there.port()));
    let secret = with_header(&url, "X-Home", Some("secret"));
    assert_eq!(told(fetcher().fetch(&secret, 99).await), "home");
    let last = home.asked().pop().unwrap();
    assert_eq!(
        (last.target.as_str(), last.header("x-home")),
        ("/back", None)
    );
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let server = Server::new(|asked| {
        let left: u32 = asked.target[1..].parse().unwrap();
        match left {
            0 => ok("there"),
            _ => redirect(302, &format!("/{}", left - 1)),
        }
    })
    .await;
    assert_eq!(
        told(fetcher().fetch(&resource(&server.url("/10")), 99).await),
        "there"
    );
    assert_eq!(server.asked().len(), 11);
    let url = server.url("/11");
    assert_eq!(
        told(fetcher().fetch(&resource(&url), 99).await),
        format!("server: {url} was redirected 10 times; check for a loop")
    );
    assert_eq!(server.asked().len(), 22);
}

#[tokio::test]
async fn redirects_to_nowhere() {
    for (headers, location) in [
        ("", ""),
        ("location: \r\n", ""),
        ("location: ftp://a/b\r\n", "ftp://a/b"),
        ("location: file:///etc/shadow\r\n", "file:///etc/shadow"),
        ("location: data:,secret\r\n", "data:,… (12 characters)"),
        ("location: http://\r\n", "http://"),
    ] {
        let server = Server::new(move |_| reply(302, headers, b"")).await;
        let url = server.url("/");
        let found = told(fetcher().fetch(&resource(&url), 99).await);
        let expected =
            format!("server: the server redirects {url} to what is not an address: '{location}'");
        assert_eq!(found, expected);
        assert_eq!(server.asked().len(), 1);
    }
}
