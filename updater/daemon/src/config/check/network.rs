//! Where the repository is and how it is reached.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use acl_release::repository::http::Proxy;
use url::Url;

use super::super::Error;

/// The schemes of proxies; with `socks5h`, the proxy looks names up.
const PROXIES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

pub(super) fn server(key: Option<&(String, PathBuf)>) -> Result<Option<Url>, Error> {
    let address = |(text, path): &(String, PathBuf)| address("server", text, path);
    key.map(address).transpose()
}

pub(super) fn mirrors(key: Option<&(Vec<String>, PathBuf)>) -> Result<Vec<Url>, Error> {
    let Some((texts, path)) = key else {
        return Ok(Vec::new());
    };
    let addresses = texts.iter().map(|text| address("mirrors", text, path));
    addresses.collect()
}

fn address(key: &'static str, text: &str, path: &Path) -> Result<Url, Error> {
    let fits = |url: &Url| {
        let plain = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain
    };
    match Url::parse(text).ok().filter(fits) {
        Some(mut url) => {
            // Without it the last part of the path would be replaced by what is asked for, not followed by it.
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            Ok(url)
        }
        None => Err(Error::CheckValue {
            path: path.to_owned(),
            key,
            found: text.to_owned(),
            wanted: "an http or https URL",
        }),
    }
}

/// An empty proxy is how a file says that there is none, also when the environment names one.
pub(super) fn proxy(
    key: Option<&(String, PathBuf)>,
    except: Option<&(Vec<String>, PathBuf)>,
) -> Result<Proxy, Error> {
    let Some((text, path)) = key else {
        return Ok(Proxy::Environment);
    };
    if text.is_empty() {
        return Ok(Proxy::Direct);
    }
    let fits = |url: &Url| PROXIES.contains(&url.scheme()) && url.has_host();
    let url = Url::parse(text).ok().filter(fits);
    let url = url.ok_or_else(|| Error::CheckValue {
        path: path.clone(),
        key: "proxy",
        found: without_password(text),
        wanted: "http://HOST:PORT, https://…, socks5://… or socks5h://…, or \"\" for none",
    })?;
    let except = except.map(|(hosts, _)| hosts.clone()).unwrap_or_default();
    Ok(Proxy::At { url, except })
}

/// What stands before the host may be a password; logs are read by more people than the file.
fn without_password(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

/// Bytes a second; `K`, `M` and `G` are thousands, as in systemd's bandwidths.
pub(super) fn bandwidth(key: Option<&(String, PathBuf)>) -> Result<Option<NonZeroU64>, Error> {
    let Some((text, path)) = key else {
        return Ok(None);
    };
    match bytes(text) {
        Some(0) => Ok(None),
        Some(bytes) => Ok(NonZeroU64::new(bytes)),
        None => Err(Error::CheckValue {
            path: path.clone(),
            key: "bandwidth",
            found: text.clone(),
            wanted: "bytes a second such as \"500K\" or \"10M\" (10,000,000), or \"0\" for no limit",
        }),
    }
}

/// Bytes a second; what gives nothing would be waited for for ever, so that there is always a minimum.
pub(super) fn min_throughput(key: Option<&(String, PathBuf)>) -> Result<Option<NonZeroU64>, Error> {
    let Some((text, path)) = key else {
        return Ok(None);
    };
    match bytes(text).and_then(NonZeroU64::new) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(Error::CheckValue {
            path: path.clone(),
            key: "min_throughput",
            found: text.clone(),
            wanted: "bytes a second such as \"1K\" or \"100K\" (100,000), at least \"1\"",
        }),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let unit = match text.bytes().last()? {
        b'K' => 1000,
        b'M' => 1_000_000,
        b'G' => 1_000_000_000,
        _ => 1,
    };
    let number = if unit == 1 {
        text
    } else {
        &text[..text.len() - 1]
    };
    // `parse` would take a sign.
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits)?;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths() {
        for (text, expected) in [
            ("10M", Some(10_000_000)),
            ("500K", Some(500_000)),
            ("1G", Some(1_000_000_000)),
            ("250000", Some(250_000)),
            ("0", Some(0)),
            ("", None),
            ("M", None),
            ("+5K", None),
            ("1.5M", None),
            ("10MB", None),
            ("10m", None),
            ("10 M", None),
            ("99999999999999G", None),
            ("5µ", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
