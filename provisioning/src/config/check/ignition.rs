//! The section `ignition`: where more of the config comes from, and how it is fetched.

use super::{each, resource, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};
use crate::fetch::{address, short};

pub(super) fn check(section: &spec::Ignition, path: &Path, findings: &mut Findings) {
    if let Some(config) = &section.config {
        let path = path.field("config");
        if let Some(replace) = &config.replace {
            resource::check(replace, &path.field("replace"), findings);
        }
        for (path, merge) in each(config.merge.as_ref(), &path.field("merge")) {
            resource::check_required(merge, &path, findings);
        }
    }
    let tls = section
        .security
        .as_ref()
        .and_then(|security| security.tls.as_ref());
    let authorities = tls.and_then(|tls| tls.certificate_authorities.as_ref());
    let at = path
        .field("security")
        .field("tls")
        .field("certificateAuthorities");
    for (path, authority) in each(authorities, &at) {
        resource::check_required(authority, &path, findings);
    }
    if let Some(proxy) = &section.proxy {
        check_proxy(proxy, &path.field("proxy"), findings);
    }
    if let Some(timeouts) = &section.timeouts {
        check_timeouts(timeouts, &path.field("timeouts"), findings);
    }
}

/// Each config and each authority is named once (the spec: unique sources).
pub(super) fn check_unique(section: &spec::Ignition, path: &Path, findings: &mut Findings) {
    let merge = section
        .config
        .as_ref()
        .and_then(|config| config.merge.as_ref());
    let merge = each(merge, &path.field("config").field("merge"));
    twice::check("the source", sources(merge), findings);
    let tls = section
        .security
        .as_ref()
        .and_then(|security| security.tls.as_ref());
    let authorities = tls.and_then(|tls| tls.certificate_authorities.as_ref());
    let at = path
        .field("security")
        .field("tls")
        .field("certificateAuthorities");
    twice::check("the source", sources(each(authorities, &at)), findings);
}

fn sources<'c>(
    resources: impl Iterator<Item = (Path, &'c spec::Resource)>,
) -> impl Iterator<Item = (Path, twice::Address<'c>)> {
    resources.filter_map(|(path, resource)| {
        Some((path, twice::Address(said(resource.source.as_ref())?)))
    })
}

fn check_proxy(proxy: &spec::Proxy, path: &Path, findings: &mut Findings) {
    let proxies = [
        ("httpProxy", &proxy.http_proxy),
        ("httpsProxy", &proxy.https_proxy),
    ];
    for (name, text) in proxies {
        let Some(text) = text else {
            continue;
        };
        let url = address(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else {
            let message = format!(
                "{:?} is not the address of a proxy; give http://HOST:PORT or https://HOST:PORT",
                short(text)
            );
            findings.error(path.field(name), message);
            continue;
        };
        if name == "httpsProxy" && url.scheme() == "http" {
            let message = "the connection to this proxy is not encrypted: others can read which https: hosts are asked for";
            findings.warning(path.field(name), message);
        }
    }
    let hosts = each(proxy.no_proxy.as_ref(), &path.field("noProxy"));
    twice::check("the host", hosts, findings);
}

fn check_timeouts(timeouts: &spec::Timeouts, path: &Path, findings: &mut Findings) {
    let limits = [
        ("httpResponseHeaders", timeouts.http_response_headers),
        ("httpTotal", timeouts.http_total),
    ];
    for (name, seconds) in limits {
        if seconds.is_some_and(|seconds| seconds < 0) {
            let message = "a time limit is 0 or more seconds; 0 is no limit";
            findings.error(path.field(name), message);
        }
    }
}
