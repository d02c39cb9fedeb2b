//! `ignition.proxy`, with a proxy on loopback.

use super::server::{Server, ok, reply};
use super::{fetcher, ignition, resource, told};

#[tokio::test]
async fn requests_go_through_the_proxy_unless_excepted() {
    let proxy = Server::new(|asked| {
        let user = asked.header("proxy-authorization").unwrap_or("nobody");
        ok(format!("{} for {user}", asked.target))
    })
    .await;
    let server = Server::new(|asked| ok(format!("direct {}", asked.target))).await;
    // Not loopback by its number, which is never asked through a proxy, but there all the same.
    let there = format!("http://0.0.0.0:{}/there", server.port());
    let here = server.url("/here");
    let proxy_url = proxy.url("").replace("http://", "http://me:word@");
    for (except, url, expected) in [
        (
            "",
            "http://far.example/a?b",
            "http://far.example/a?b for Basic bWU6d29yZA==",
        ),
        ("", &there, &format!("{there} for Basic bWU6d29yZA==")),
        ("0.0.0.0/8", &there, "direct /there"),
        (
            "0.0.0.0:1",
            &there,
            &format!("{there} for Basic bWU6d29yZA=="),
        ),
        ("*", &there, "direct /there"),
        ("", &here, "direct /here"),
    ] {
        let config = format!(
            r#"{{"version": "3.6.0", "proxy": {{"httpProxy": "{proxy_url}", "noProxy": ["{except}"]}}}}"#
        );
        let fetcher = fetcher().with(&ignition(&config)).await.unwrap();
        assert_eq!(
            told(fetcher.fetch(&resource(url), 99).await),
            expected,
            "{except}"
        );
    }
    // The next config's settings are its own.
    let config = format!(r#"{{"version": "3.6.0", "proxy": {{"httpProxy": "{proxy_url}"}}}}"#);
    let with = fetcher().with(&ignition(&config)).await.unwrap();
    let without = with
        .with(&ignition(r#"{"version": "3.6.0"}"#))
        .await
        .unwrap();
    assert_eq!(
        told(without.fetch(&resource(&there), 99).await),
        "direct /there"
    );
}

#[tokio::test]
async fn https_is_tunnelled() {
    // A proxy that answers a tunnel with 404 has shown that it was asked for one.
    let proxy = Server::new(|_| reply(404, "", b"")).await;
    for key in ["httpProxy", "httpsProxy"] {
        let config = format!(
            r#"{{"version": "3.6.0", "proxy": {{"{key}": "{}"}}}}"#,
            proxy.url("")
        );
        let fetcher = fetcher().with(&ignition(&config)).await.unwrap();
        let before = proxy.asked().len();
        // It is tried for as long as it is waited for.
        let trying =
            tokio::spawn(async move { fetcher.fetch(&resource("https://far.example/"), 99).await });
        while proxy.asked().len() == before {
            tokio::task::yield_now().await;
        }
        trying.abort();
        let asked = proxy.asked();
        let first = asked.get(before).unwrap();
        let found = (first.method.as_str(), first.target.as_str());
        assert_eq!(found, ("CONNECT", "far.example:443"), "{key}");
    }
}

#[tokio::test]
async fn proxies_that_are_refused() {
    let config =
        ignition(r#"{"version": "3.6.0", "proxy": {"httpProxy": "socks5://u:secret@a:1"}}"#);
    let refused = fetcher().with(&config).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot use the proxy socks5://…@a:1: only http and https proxies are supported"
    );
}
