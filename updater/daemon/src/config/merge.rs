//! One value a key, each with the file that it came from.

use std::path::{Path, PathBuf};

use super::written::{Automatic, Fragment, Strategy, Unreachable};

/// The merged keys.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) server: Key<String>,
    pub(super) mirrors: Key<Vec<String>>,
    pub(super) proxy: Key<String>,
    pub(super) no_proxy: Key<Vec<String>>,
    pub(super) ca: Key<PathBuf>,
    pub(super) bandwidth: Key<String>,
    pub(super) min_throughput: Key<String>,
    pub(super) root: Key<PathBuf>,
    pub(super) channel: Key<String>,
    pub(super) check_interval: Key<String>,
    pub(super) time_sync_wait: Key<String>,
    pub(super) automatic: Key<Automatic>,
    pub(super) strategy: Key<Strategy>,
    pub(super) unreachable: Key<Unreachable>,
    pub(super) wait_limit: Key<String>,
    pub(super) exempt_units: Key<Vec<String>>,
    pub(super) check_timeout: Key<String>,
    pub(super) runtime_socket: Key<PathBuf>,
    pub(super) runtime_timeout: Key<String>,
}

/// A value and the file that set it.
pub(super) type Key<T> = Option<(T, PathBuf)>;

/// Fragments in the order in which they apply.
pub(super) fn merge(fragments: Vec<Fragment>) -> Merged {
    let mut merged = Merged::default();
    for Fragment { path, written } in fragments {
        set(&mut merged.server, written.server, &path);
        set(&mut merged.mirrors, written.mirrors, &path);
        set(&mut merged.proxy, written.proxy, &path);
        set(&mut merged.no_proxy, written.no_proxy, &path);
        set(&mut merged.ca, written.ca, &path);
        set(&mut merged.bandwidth, written.bandwidth, &path);
        set(&mut merged.min_throughput, written.min_throughput, &path);
        set(&mut merged.root, written.root, &path);
        set(&mut merged.channel, written.channel, &path);
        set(&mut merged.check_interval, written.check_interval, &path);
        set(&mut merged.time_sync_wait, written.time_sync_wait, &path);
        set(&mut merged.automatic, written.automatic, &path);
        set(&mut merged.strategy, written.reboot.strategy, &path);
        set(&mut merged.unreachable, written.reboot.unreachable, &path);
        set(&mut merged.wait_limit, written.reboot.wait_limit, &path);
        set(&mut merged.exempt_units, written.health.exempt_units, &path);
        set(
            &mut merged.check_timeout,
            written.health.check_timeout,
            &path,
        );
        set(
            &mut merged.runtime_socket,
            written.health.runtime_socket,
            &path,
        );
        set(
            &mut merged.runtime_timeout,
            written.health.runtime_timeout,
            &path,
        );
    }
    merged
}

fn set<T>(key: &mut Key<T>, value: Option<T>, path: &Path) {
    if let Some(value) = value {
        *key = Some((value, path.to_owned()));
    }
}
