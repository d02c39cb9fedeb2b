//! The way to the repository: mirrors, proxy, authorities.

use crate::{node::Node, site::Site};

/// An address where nobody is.
fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", free.local_addr().unwrap())
}

fn configure(node: &Node, text: &str) {
    node.put("etc/acl/updater.d/20-network.toml", text.as_bytes());
}

#[test]
fn a_mirror_brings_the_release_when_the_server_is_not_there() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let (server, mirror) = (nobody(), site.url());
    configure(
        &node,
        &format!("server = \"{server}\"\nmirrors = [\"{mirror}\"]"),
    );
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    let told = format!("going over to {mirror}: cannot reach {server}metadata/");
    // Once, and not for each file.
    assert_eq!(ran.log.matches(&told).count(), 1, "{}", ran.log);
    assert!(ran.log.contains(" INFO "), "{}", ran.log);
}

#[test]
fn a_proxy_of_the_configuration_counts_and_not_that_of_the_environment() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let proxy = nobody();
    let once = || node.once_in("http_proxy", &proxy);
    assert_eq!(once().code, Some(4));
    configure(&node, &format!("proxy = \"{proxy}\""));
    assert_eq!(node.once().code, Some(4));
    let except = format!("proxy = \"{proxy}\"\nno_proxy = [\"127.0.0.0/8\"]");
    configure(&node, &format!("{except}\nautomatic = \"check\""));
    assert_eq!(node.once().code, Some(0));
    configure(&node, "proxy = \"\"");
    let ran = once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}

#[test]
fn bandwidth_is_limited() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    configure(&node, "bandwidth = \"500K\"");
    let begun = std::time::Instant::now();
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let fetched = node.state()["update"]["bytes_fetched"].as_f64().unwrap();
    let took = begun.elapsed().as_secs_f64();
    assert!(took > 0.9 * fetched / 500e3, "{fetched} bytes in {took} s");
}

/// Beside an hour: as long as the slowest server that is not given up needs, and as long as the
/// bandwidth makes it wait.
#[test]
fn a_staging_may_take_as_long_as_the_network_that_is_set() {
    let site = Site::new();
    site.publish("2");
    let parts = site.manifest("2").artifacts;
    let packs = [parts.usr, parts.verity, parts.signature, parts.uki];
    let bytes: u64 = packs.iter().map(|part| part.plain().pack.size).sum();
    for (text, seconds) in [
        ("", 3600 + bytes.div_ceil(10_000)),
        ("min_throughput = \"100\"", 3600 + bytes.div_ceil(100)),
        (
            "min_throughput = \"1K\"\nbandwidth = \"10M\"",
            3600 + bytes.div_ceil(1000) + bytes.div_ceil(10_000_000),
        ),
    ] {
        let node = Node::new(&site);
        configure(&node, text);
        let ran = node.once();
        let told = format!("release 2 must be staged within {seconds} s");
        assert!(ran.log.contains(&told), "{told}: {}", ran.log);
        assert_eq!(ran.code, Some(0), "{}", ran.log);
    }
}

#[test]
fn authorities_that_are_not_there_or_none() {
    let site = Site::new();
    let node = Node::new(&site);
    let ca = node.root().join("etc/acl/trust/ca.pem");
    configure(&node, &format!("ca = {ca:?}"));
    let reason = || {
        assert_eq!(node.once().code, Some(3));
        node.state()["state"]["reason"].as_str().unwrap().to_owned()
    };
    let told = reason();
    let expected = "cannot read the authorities for the repository; put certificates in PEM where `ca` points: ";
    assert!(told.starts_with(expected), "{told}");
    node.put("etc/acl/trust/ca.pem", b"no certificate");
    let expected = "cannot read the release repository: the authorities of `ca` cannot be used: there is no certificate in PEM form";
    assert_eq!(reason(), expected);
}
