//! Which requests go through a proxy (`ignition.proxy`).
//!
//! Ours instead of reqwest's, which knows neither ports nor leading dots in `noProxy`. As with Ignition, this machine
//! itself is never asked for through a proxy.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::source::{self, short};
use crate::config::spec;
use crate::{Error, Result};

/// The proxies of a config.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxy {
    http: Option<Url>,
    https: Option<Url>,
    except: Vec<Except>,
}

/// Hosts that are asked directly.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Except {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// Addresses that begin with these bits.
    Network(IpAddr, u8),
    /// A domain's name, and those below it.
    Domain(String),
    /// Only the names below a domain; with its leading dot.
    Below(String),
}

impl Proxy {
    /// Reads `ignition.proxy`.
    ///
    /// # Errors
    /// [`Error::Proxy`] for a proxy that is not at an `http` or `https` address.
    pub(super) fn parse(proxy: Option<&spec::Proxy>) -> Result<Self> {
        let Some(proxy) = proxy else {
            return Ok(Self::default());
        };
        let except = proxy.no_proxy.iter().flatten();
        Ok(Self {
            http: address(proxy.http_proxy.as_deref())?,
            https: address(proxy.https_proxy.as_deref())?,
            except: except.filter_map(|text| Except::parse(text)).collect(),
        })
    }

    /// The proxy for an address. That for `http` serves `https` too when there is no other, as the specification says.
    fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref().or(self.http.as_ref()),
            _ => self.http.as_ref(),
        }?;
        let host = url.host()?;
        let port = url.port_or_known_default();
        let direct = is_here(&host) || self.except.iter().any(|except| except.matches(&host, port));
        (!direct).then_some(proxy)
    }

    pub(super) fn into_reqwest(self) -> reqwest::Proxy {
        reqwest::Proxy::custom(move |url| self.of(url).cloned())
    }
}

/// The address of a proxy; the scheme may be left out.
fn address(text: Option<&str>) -> Result<Option<Url>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let refuse = |problem| Error::Proxy {
        url: short(text),
        problem,
    };
    let whole = if text.contains("://") {
        source::address(text)
    } else {
        source::address(&format!("http://{text}"))
    };
    let url = whole.map_err(|problem| refuse(format!("it is not an address: {problem}")))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        _ => Err(refuse(
            "only http and https proxies are supported".to_owned(),
        )),
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

impl Except {
    /// Reads an entry of `noProxy`: `*`, an address, a network, a domain, a domain's subdomains; all but networks with a
    /// port or without. Nothing for an empty one.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let any_port = |hosts| Some(Self { hosts, port: None });
        if text == "*" {
            return any_port(Hosts::All);
        }
        if let Some((ip, bits)) = network(&text) {
            return any_port(Hosts::Network(ip, bits));
        }
        let (host, port) = split_port(&text);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let hosts = match IpAddr::from_str(host) {
            Ok(ip) => Hosts::Network(ip, width(ip)),
            Err(_) => match host.strip_prefix('*').unwrap_or(host) {
                "" | "." => return None,
                below if below.starts_with('.') => Hosts::Below(below.to_owned()),
                domain => Hosts::Domain(domain.to_owned()),
            },
        };
        Some(Self { hosts, port })
    }

    fn matches(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match (&self.hosts, host) {
            (Hosts::All, _) => true,
            (Hosts::Network(ip, bits), Host::Ipv4(host)) => shares(*ip, (*host).into(), *bits),
            (Hosts::Network(ip, bits), Host::Ipv6(host)) => shares(*ip, (*host).into(), *bits),
            (Hosts::Domain(domain), Host::Domain(name)) => {
                let rest = name.to_ascii_lowercase();
                let rest = rest.strip_suffix(domain.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Hosts::Below(domain), Host::Domain(name)) => {
                name.len() > domain.len() && name.to_ascii_lowercase().ends_with(domain)
            }
            _ => false,
        }
    }
}

/// `1.2.3.0/24`
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits = bits.parse().ok()?;
    (bits <= width(ip)).then_some((ip, bits))
}

/// The port behind a host, if one is there; an IPv6 address has one only behind brackets.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let split = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match split.map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (text, None),
    }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// Whether two addresses of one kind share their first bits.
fn shares(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let (one, other) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (
            u128::from(one.to_bits()) << 96,
            u128::from(other.to_bits()) << 96,
        ),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits()),
        _ => return false,
    };
    (one ^ other).leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(http: Option<&str>, https: Option<&str>, except: &[&str]) -> Result<Proxy> {
        let owned = |text: &str| text.to_owned();
        Proxy::parse(Some(&spec::Proxy {
            http_proxy: http.map(owned),
            https_proxy: https.map(owned),
            no_proxy: Some(except.iter().map(|text| owned(text)).collect()),
        }))
    }

    fn of(proxy: &Proxy, url: &str) -> Option<String> {
        proxy.of(&url.parse().unwrap()).map(Url::to_string)
    }

    #[test]
    fn proxies_by_scheme() {
        let (one, two) = ("http://one:1/", "https://two:2/");
        for (http, https, for_http, for_https) in [
            (None, None, None, None),
            (Some(""), Some(""), None, None),
            (Some(one), None, Some(one), Some(one)),
            (None, Some(two), None, Some(two)),
            (Some(one), Some(two), Some(one), Some(two)),
            (Some("one:1"), None, Some(one), Some(one)),
        ] {
            let proxy = proxy(http, https, &[]).unwrap();
            let found = (of(&proxy, "http://a/"), of(&proxy, "https://a/"));
            let expected = (for_http.map(str::to_owned), for_https.map(str::to_owned));
            assert_eq!(found, expected, "{http:?} {https:?}");
        }
    }

    #[test]
    fn proxies_that_are_refused() {
        for (text, problem) in [
            ("socks5://a:1", "only http and https proxies are supported"),
            (
                "http://",
                "it is not an address: it names no host after its scheme",
            ),
            (
                "a b",
                "it is not an address: invalid international domain name",
            ),
        ] {
            let told = proxy(Some(text), None, &[]).unwrap_err().to_string();
            assert_eq!(told, format!("cannot use the proxy {text}: {problem}"));
        }
    }

    #[test]
    fn what_is_asked_directly() {
        for (except, url, direct) in [
            ("", "http://a.example/", false),
            ("", "http://localhost/", true),
            ("", "http://127.3.2.1:80/", true),
            ("", "http://[::1]/", true),
            ("*", "http://a.example/", true),
            ("foo.com", "http://foo.com/", true),
            ("foo.com", "http://bar.foo.com/", true),
            ("foo.com", "http://barfoo.com/", false),
            (" FOO.com ", "http://Foo.Com/", true),
            (".y.com", "http://x.y.com/", true),
            (".y.com", "http://y.com/", false),
            (".y.com", "http://xy.com/", false),
            ("*.y.com", "http://x.y.com/", true),
            ("*.y.com", "http://y.com/", false),
            ("foo.com:81", "http://foo.com:81/", true),
            ("foo.com:81", "http://foo.com/", false),
            ("foo.com:80", "http://foo.com/", true),
            ("foo.com:443", "https://foo.com/", true),
            ("10.0.0.1", "http://10.0.0.1/", true),
            ("10.0.0.1", "http://10.0.0.2/", false),
            ("10.0.0.1:80", "http://10.0.0.1/", true),
            ("10.0.0.1:80", "http://10.0.0.1:81/", false),
            ("10.0.0.0/8", "http://10.255.0.1/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("10.0.0.128/25", "http://10.0.0.127/", false),
            ("0.0.0.0/0", "http://11.0.0.1/", true),
            ("10.0.0.0/33", "http://10.0.0.0/", false),
            ("::/0", "http://11.0.0.1/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::/8", "http://[fe12::1]/", false),
            ("fd00::1", "http://[fd00::1]/", true),
            ("[fd00::1]:80", "http://[fd00::1]/", true),
            ("[fd00::1]:81", "http://[fd00::1]/", false),
        ] {
            let proxy = proxy(Some("http://p:1"), None, &[except]).unwrap();
            let found = of(&proxy, url).is_none();
            assert_eq!(found, direct, "{except} {url}");
        }
    }
}
