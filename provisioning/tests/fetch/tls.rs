//! https, with authorities of the test's own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use acl_provision::config::spec::Ignition;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::server::{Server, ok};
use super::{alone, fetcher, gzipped, ignition, resource, sha256, told};

/// An authority, and a server on loopback with a certificate of it.
struct Site {
    pem: String,
    url: String,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Site {
    fn new(answer: &'static str) -> Self {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        std::thread::spawn(move || serve(&listener, certificate.der().clone(), key, answer));
        Self {
            pem: authority.pem(),
            url,
        }
    }
}

/// Answers every connection with the same; lives as long as the test's process.
fn serve(
    listener: &TcpListener,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    answer: &str,
) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut byte), Ok(1)) {
            head.push(byte[0]);
        }
        let length = answer.len();
        let _ = write!(
            tls,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
        connection.send_close_notify();
        let _ = connection.complete_io(&mut stream);
    }
}

/// A config with these authorities.
fn trusting(authorities: &[serde_json::Value]) -> Ignition {
    let config = serde_json::json!({
        "version": "3.6.0",
        "security": {"tls": {"certificateAuthorities": authorities}},
    });
    ignition(&config.to_string())
}

fn data(text: &str) -> String {
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("data:,{escaped}")
}

#[tokio::test]
async fn a_server_must_be_of_an_authority_of_the_config() {
    let (site, other) = (Site::new("over tls"), authority().pem());
    let refused = told(fetcher().fetch(&resource(&site.url), 99).await);
    let start = format!(
        "operator: the server of {} cannot be trusted: no certificate authority that is trusted here has signed its \
         certificate; name the one that has in ignition.security.tls.certificateAuthorities",
        site.url
    );
    assert_eq!(refused, start);
    let wrong = trusting(&[serde_json::json!({"source": data(&other)})]);
    let wrong = fetcher().with(&wrong).await.unwrap();
    let refused = told(wrong.fetch(&resource(&site.url), 99).await);
    let of_another = format!(
        "operator: the server of {} cannot be trusted: its certificate was signed by another certificate authority \
         than the one of that name that is trusted here; name the one that has signed it in \
         ignition.security.tls.certificateAuthorities",
        site.url
    );
    assert_eq!(refused, of_another);
    // A bundle of several, with text around them.
    let bundle = format!("# ours\n{other}\n# theirs\n{}", site.pem);
    let right = trusting(&[serde_json::json!({"source": data(&bundle)})]);
    let right = wrong.with(&right).await.unwrap();
    assert_eq!(
        told(right.fetch(&resource(&site.url), 99).await),
        "over tls"
    );
    let two = [&other, &site.pem].map(|pem| serde_json::json!({"source": data(pem)}));
    let both = fetcher().with(&trusting(&two)).await.unwrap();
    assert_eq!(told(both.fetch(&resource(&site.url), 99).await), "over tls");
    // As with Ignition, a config that names none leaves those of before.
    let next = right
        .with(&ignition(r#"{"version": "3.6.0"}"#))
        .await
        .unwrap();
    assert_eq!(told(next.fetch(&resource(&site.url), 99).await), "over tls");
    // And one that names others takes them away.
    let last = trusting(&[serde_json::json!({"source": data(&other)})]);
    let last = right.with(&last).await.unwrap();
    assert_eq!(told(last.fetch(&resource(&site.url), 99).await), of_another);
}

#[tokio::test]
async fn authorities_are_fetched_once_verified_and_inlined() {
    let site = Site::new("over tls");
    let packed = gzipped(site.pem.as_bytes());
    let server = Server::new(move |asked| {
        let known = asked.header("x-token") == Some("secret");
        if known {
            ok(&packed)
        } else {
            ok("who are you")
        }
    })
    .await;
    let named = |hash: &str| {
        serde_json::json!({
            "source": server.url("/ca"),
            "compression": "gzip",
            "httpHeaders": [{"name": "X-Token", "value": "secret"}],
            "verification": {"hash": hash},
        })
    };
    let mut config = trusting(&[named(&sha256(site.pem.as_bytes()))]);
    let first = fetcher().with(&config).await.unwrap();
    let again = first.with(&config).await.unwrap();
    assert_eq!(server.asked().len(), 1);
    assert_eq!(
        told(again.fetch(&resource(&site.url), 99).await),
        "over tls"
    );
    again.inline_authorities(&mut config);
    let mut expected =
        serde_json::to_value(trusting(&[named(&sha256(site.pem.as_bytes()))])).unwrap();
    let place = expected
        .pointer_mut("/security/tls/certificateAuthorities/0")
        .unwrap();
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(&site.pem);
    place["source"] = format!("data:;base64,{text}").into();
    place["compression"] = serde_json::Value::Null;
    place.as_object_mut().unwrap().remove("httpHeaders");
    assert_eq!(serde_json::to_value(&config).unwrap(), expected);
    let inlined = fetcher().with(&config).await.unwrap();
    assert_eq!(
        told(inlined.fetch(&resource(&site.url), 99).await),
        "over tls"
    );
    assert_eq!(server.asked().len(), 1);
    let refused = fetcher().with(&trusting(&[named(&sha256(b"other"))])).await;
    let told = acl_host::error::chain(&refused.unwrap_err());
    let start = format!(
        "cannot use the certificate authority that ignition.security.tls.certificateAuthorities.0 names: {} is not what the config expects: its SHA-256",
        server.url("/ca")
    );
    assert!(told.starts_with(&start), "{told}");
}

#[tokio::test]
async fn bundles_that_are_refused() {
    let pem = authority().pem();
    let mut damaged = pem.clone();
    damaged.replace_range(40..44, "AAAA");
    for (bundle, problem) in [
        (String::new(), "there is no certificate in PEM format"),
        (
            "garbage".to_owned(),
            "there is no certificate in PEM format",
        ),
        (damaged.clone(), "certificate 1 is damaged"),
        (format!("{pem}{damaged}"), "certificate 2 is damaged"),
    ] {
        let url = data(&bundle);
        let good = data(&authority().pem());
        let config = trusting(&[good, url.clone()].map(|url| serde_json::json!({"source": url})));
        let refused = fetcher().with(&config).await.unwrap_err();
        let expected = format!(
            "cannot use the certificate authority that ignition.security.tls.certificateAuthorities.1 names: \
             cannot use the certificate authorities in data:,… ({} characters): {problem}",
            url.len()
        );
        assert_eq!(acl_host::error::chain(&refused), expected);
    }
}

/// A server whose certificate is what `openssl req -x509` makes: signed by itself, CA:TRUE.
fn self_signed(name: &str, valid: (i32, i32)) -> Site {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(valid.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(valid.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    std::thread::spawn(move || serve(&listener, der, key, "over tls"));
    Site { pem, url }
}

#[tokio::test]
async fn a_certificate_that_is_listed_itself_is_a_servers() {
    let always = (2000, 4000);
    let site = self_signed("127.0.0.1", always);
    let trusted = async |pem: &str, url: &str| {
        let config = trusting(&[serde_json::json!({"source": data(pem)})]);
        let fetcher = fetcher().with(&config).await.unwrap();
        told(fetcher.fetch(&resource(url), 99).await)
    };
    assert_eq!(trusted(&site.pem, &site.url).await, "over tls");
    // Only itself; only for its names; only while it is valid.
    let refused = |site: &Site, who: &str, problem: &str| {
        format!(
            "{who}: the server of {} cannot be trusted: {problem}",
            site.url
        )
    };
    let other = self_signed("127.0.0.1", always);
    assert_eq!(
        trusted(&other.pem, &site.url).await,
        refused(
            &site,
            "operator",
            "its certificate is that of a certificate authority (CA:TRUE), and is not listed itself; list it in \
             ignition.security.tls.certificateAuthorities, or give the server a certificate without CA:TRUE"
        )
    );
    let elsewhere = self_signed("example.com", always);
    assert_eq!(
        trusted(&elsewhere.pem, &elsewhere.url).await,
        refused(
            &elsewhere,
            "server",
            "its certificate is for other names; give it one with this name or address as subjectAltName"
        )
    );
    let old = self_signed("127.0.0.1", (2000, 2001));
    assert_eq!(
        trusted(&old.pem, &old.url).await,
        refused(
            &old,
            "server",
            "its certificate has expired; renew it, and check the clock of this machine"
        )
    );
    let early = self_signed("127.0.0.1", (3999, 4000));
    assert_eq!(
        trusted(&early.pem, &early.url).await,
        refused(
            &early,
            "environment",
            "its certificate is not valid yet; check the clock of this machine"
        )
    );
}

/// An initrd may have no authorities. What the system has is found by a variable.
#[tokio::test]
async fn a_system_without_authorities_fetches_all_but_https() {
    let name = "fetch::tls::a_system_without_authorities_fetches_all_but_https";
    if !alone(name, "SSL_CERT_FILE", "/dev/null") {
        return;
    }
    let (site, server) = (Site::new("over tls"), Server::new(|_| ok("plain")).await);
    let fetcher = fetcher();
    assert_eq!(
        told(fetcher.fetch(&resource(&server.url("/")), 99).await),
        "plain"
    );
    assert_eq!(
        told(fetcher.fetch(&resource(&site.url), 99).await),
        format!(
            "operator: cannot check the certificate of the server of {}: this system has no certificate authorities; name the server's in ignition.security.tls.certificateAuthorities",
            site.url
        )
    );
    let config = trusting(&[serde_json::json!({"source": data(&site.pem)})]);
    let fetcher = fetcher.with(&config).await.unwrap();
    assert_eq!(
        told(fetcher.fetch(&resource(&site.url), 99).await),
        "over tls"
    );
}
