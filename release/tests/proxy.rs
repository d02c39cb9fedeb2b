//! Proxies: a real one on loopback, which knows names that nobody else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acl_release::repository::http::{Network, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::site::{Site, error, http_over};
use crate::tls::Identity;
use crate::web::Web;

/// The name under which the proxy knows the server; in no name service (RFC 6761 §6.4).
const NAME: &str = "updates.invalid";

/// How a proxy is spoken to.
#[derive(Clone, Copy)]
enum Speech {
    /// The whole address in the request, or `CONNECT`.
    Http,
    Socks5,
}

/// A proxy that brings every connection to one server.
struct Relay {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    async fn to(web: &Web, speech: Speech) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = web.base().split_once("//").unwrap().1.to_owned();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(relay(client, server.clone(), speech));
            }
        });
        Self {
            address,
            connections,
        }
    }

    fn used(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What was asked for must name the server as only the proxy knows it.
async fn relay(mut client: TcpStream, server: String, speech: Speech) {
    let mut server = TcpStream::connect(server).await.unwrap();
    match speech {
        Speech::Http => {
            let head = head(&mut client).await;
            if head.starts_with(&format!("CONNECT {NAME}:443 ")) {
                let ready = b"HTTP/1.1 200 OK\r\n\r\n";
                client.write_all(ready).await.unwrap();
            } else {
                assert!(head.starts_with(&format!("GET http://{NAME}/")), "{head}");
                server.write_all(head.as_bytes()).await.unwrap();
            }
        }
        Speech::Socks5 => greet(&mut client).await,
    }
    // Either side may go first.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

async fn head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// RFC 1928: no authentication, then a connection to a name.
async fn greet(client: &mut TcpStream) {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.unwrap();
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3]);
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name).await.unwrap();
    assert_eq!(name, [NAME.as_bytes(), &80_u16.to_be_bytes()].concat());
    let ready = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    client.write_all(&ready).await.unwrap();
}

fn network(scheme: &str, relay: &Relay, except: &[&str]) -> Network {
    Network {
        proxy: Proxy::At {
            url: format!("{scheme}://{}", relay.address).parse().unwrap(),
            except: except.iter().map(|&host| host.to_owned()).collect(),
        },
        ..Network::default()
    }
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    for (scheme, speech) in [("http", Speech::Http), ("socks5h", Speech::Socks5)] {
        let site = Site::new().await;
        let relay = Relay::to(&site.web, speech).await;
        let http = http_over(&network(scheme, &relay, &[]));
        let address = format!("http://{NAME}/");
        let opened = site.open_from("node", &[&address], http).await;
        opened.unwrap();
        assert!(relay.used() >= 1, "{scheme}");
    }
}

/// TLS goes through it to the server, by `CONNECT`; the certificate is the server's.
#[tokio::test]
async fn tls_is_not_ended_by_the_proxy() {
    let site = Site::new().await;
    let (identity, other) = (Identity::of(NAME), Identity::of("other.invalid"));
    for (identity, good) in [(&identity, true), (&other, false)] {
        let web = Web::tls(site.path("repo"), identity, true).await;
        let relay = Relay::to(&web, Speech::Http).await;
        let http = http_over(&Network {
            authorities: identity.authority.clone().into_bytes(),
            ..network("http", &relay, &[])
        });
        let address = format!("https://{NAME}/");
        let opened = site.open_from("node", &[&address], http).await;
        assert_eq!(opened.is_ok(), good);
        assert!(relay.used() >= 1);
    }
}

#[tokio::test]
async fn excepted_hosts_are_reached_directly() {
    let site = Site::new().await;
    let relay = Relay::to(&site.web, Speech::Http).await;
    let named = site.web.base().replace("127.0.0.1", "localhost");
    for (except, address) in [
        ("127.0.0.1", site.web.base()),
        ("127.0.0.0/8", site.web.base()),
        ("localhost", &named),
    ] {
        let http = http_over(&network("http", &relay, &["a.example", except]));
        let opened = site.open_from("node", &[address], http).await;
        opened.unwrap();
        assert_eq!(relay.used(), 0, "{except}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told() {
    let site = Site::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay {
        address: free.local_addr().unwrap().to_string(),
        connections: Arc::default(),
    };
    drop(free);
    let http = http_over(&network("http", &relay, &[]));
    let failed = error(site.open_from("node", &[site.web.base()], http).await);
    assert_eq!(failed.who(), acl_host::Who::Environment);
    assert_eq!(site.web.requests(), 0);
}
