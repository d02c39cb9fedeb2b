//! From merged keys to values that mean something.

mod network;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Span, SpanRelativeTo};

use super::{
    Automatic, Config, Error, Health, Strategy, Unreachable,
    merge::{Key, Merged},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const RUNTIME_SOCKET: &str = "run/containerd/containerd.sock";

/// Fails when a TPM is there without Secure Boot, which says nothing about the release.
const EXEMPT_UNITS: [&str; 1] = ["systemd-pcrlock-secureboot-policy.service"];

/// Check every key.
pub(super) fn check(merged: &Merged, root: &Path) -> Result<Config, Error> {
    let value = |key: &Key<_>| key.as_ref().map(|(value, _)| value).copied();
    Ok(Config {
        server: network::server(merged.server.as_ref())?,
        mirrors: network::mirrors(merged.mirrors.as_ref())?,
        proxy: network::proxy(merged.proxy.as_ref(), merged.no_proxy.as_ref())?,
        ca: merged.ca.as_ref().map(|(path, _)| path.clone()),
        bandwidth: network::bandwidth(merged.bandwidth.as_ref())?,
        min_throughput: network::min_throughput(merged.min_throughput.as_ref())?,
        root: trusted_root(merged.root.as_ref(), root),
        channel: channel(merged.channel.as_ref())?,
        check_interval: duration(
            "check_interval",
            merged.check_interval.as_ref(),
            Duration::from_secs(45 * MINUTE),
        )?,
        time_sync_wait: within(
            "time_sync_wait",
            merged.time_sync_wait.as_ref(),
            Duration::from_secs(MINUTE),
            0..=60 * MINUTE,
            "a duration from 0s to 1h such as \"1m\"",
        )?,
        automatic: value(&merged.automatic).unwrap_or(Automatic::Stage),
        strategy: merged
            .strategy
            .as_ref()
            .map_or(Strategy::Manual, |(s, _)| *s),
        unreachable: merged
            .unreachable
            .as_ref()
            .map_or(Unreachable::Wait, |(u, _)| *u),
        wait_limit: within(
            "reboot.wait_limit",
            merged.wait_limit.as_ref(),
            Duration::from_secs(DAY),
            MINUTE..=30 * DAY,
            "a duration from 1m to 720h such as \"24h\"",
        )?,
        health: health(merged, root)?,
    })
}

fn health(merged: &Merged, root: &Path) -> Result<Health, Error> {
    let exempt = merged.exempt_units.as_ref().map(|(units, _)| units.clone());
    let socket = match &merged.runtime_socket {
        // An empty path is how a file says that this machine has no container runtime.
        Some((path, _)) if path.as_os_str().is_empty() => None,
        Some((path, _)) => Some(path.clone()),
        None => Some(root.join(RUNTIME_SOCKET)),
    };
    Ok(Health {
        exempt_units: exempt.unwrap_or_else(|| EXEMPT_UNITS.map(String::from).to_vec()),
        check_timeout: short(
            "health.check_timeout",
            merged.check_timeout.as_ref(),
            Duration::from_secs(30),
        )?,
        runtime_socket: socket,
        runtime_timeout: short(
            "health.runtime_timeout",
            merged.runtime_timeout.as_ref(),
            Duration::from_secs(60),
        )?,
    })
}

fn trusted_root(key: Option<&(PathBuf, PathBuf)>, root: &Path) -> PathBuf {
    if let Some((path, _)) = key {
        return path.clone();
    }
    let own = root.join("etc/acl/trust/root.json");
    // Whom to trust is the operator's choice: where it is there and cannot be read, the image's must not take its place.
    match std::fs::symlink_metadata(&own) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            root.join("usr/share/acl/trust/root.json")
        }
        _ => own,
    }
}

fn channel(key: Option<&(String, PathBuf)>) -> Result<acl_release::channel::ChannelName, Error> {
    let (text, path) = match key {
        Some((text, path)) => (text.as_str(), path.clone()),
        None => ("stable", PathBuf::new()),
    };
    match text.parse() {
        Ok(name) => Ok(name),
        Err(_) => Err(Error::CheckValue {
            path,
            key: "channel",
            found: text.to_owned(),
            wanted: "the name of a channel (lower-case letters, digits and '-', such as \"stable\")",
        }),
    }
}

fn duration(
    key: &'static str,
    value: Option<&(String, PathBuf)>,
    default: Duration,
) -> Result<Duration, Error> {
    let wanted = "a duration from 10s to 7d such as \"45m\"";
    within(key, value, default, 10..=7 * DAY, wanted)
}

fn short(
    key: &'static str,
    value: Option<&(String, PathBuf)>,
    default: Duration,
) -> Result<Duration, Error> {
    let wanted = "a duration from 1s to 4m such as \"30s\"";
    within(key, value, default, 1..=4 * MINUTE, wanted)
}

fn within(
    key: &'static str,
    value: Option<&(String, PathBuf)>,
    default: Duration,
    seconds: RangeInclusive<u64>,
    wanted: &'static str,
) -> Result<Duration, Error> {
    let Some((text, path)) = value else {
        return Ok(default);
    };
    let parsed = parse(text);
    let range = Duration::from_secs(*seconds.start())..=Duration::from_secs(*seconds.end());
    parsed
        .filter(|d| range.contains(d))
        .ok_or_else(|| Error::CheckValue {
            path: path.clone(),
            key,
            found: text.clone(),
            wanted,
        })
}

/// A day is 24 hours here, whatever a calendar makes of it; months and years have no length.
fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let days = SpanRelativeTo::days_are_24_hours();
    span.to_duration(days).ok()?.try_into().ok()
}
