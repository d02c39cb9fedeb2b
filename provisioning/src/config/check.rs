//! What a config must be beyond its types, before a disk is touched: the rules of Ignition's validation, and ours.

mod disk;
mod filesystem;
mod ignition;
mod luks;
pub(in crate::config) mod mode;
mod node;
mod passwd;
mod path;
mod place;
mod raid;
mod resource;
mod storage;
mod twice;
mod unit;
pub(in crate::config) mod version;

pub(crate) use unit::{MOST_NAME_BYTES as MOST_UNIT_NAME_BYTES, TYPES as UNIT_TYPES};

use super::report::Findings;
use super::{Path, spec};

/// Checks a config as it is written: the rules of [`check`], and those that hold within one document alone.
///
/// A merged config has each key once, and its authorities as `data:` URLs, of which two may be the same.
pub(super) fn check_document(config: &spec::Config, findings: &mut Findings) {
    check(config, findings);
    let root = Path::root();
    ignition::check_unique(&config.ignition, &root.field("ignition"), findings);
    passwd::check_ways_in(config, &root.field("passwd").field("users"), findings);
}

/// Checks a whole config.
pub fn check(config: &spec::Config, findings: &mut Findings) {
    let root = Path::root();
    ignition::check(&config.ignition, &root.field("ignition"), findings);
    kernel_arguments(config, &root.field("kernelArguments"), findings);
    if let Some(passwd) = &config.passwd {
        passwd::check(passwd, &root.field("passwd"), findings);
    }
    if let Some(storage) = &config.storage {
        storage::check(storage, &root.field("storage"), findings);
    }
    if let Some(systemd) = &config.systemd {
        unit::check(systemd, &root.field("systemd"), findings);
    }
    node::check_against_units(config, findings);
}

/// Arguments cannot be changed; whether the running command line has them already is for the machine to see
/// ([`super::kernel_arguments`]).
fn kernel_arguments(config: &spec::Config, path: &Path, findings: &mut Findings) {
    let Some(arguments) = &config.kernel_arguments else {
        return;
    };
    let lists = [
        ("shouldExist", &arguments.should_exist),
        ("shouldNotExist", &arguments.should_not_exist),
    ];
    let arguments = || {
        lists
            .into_iter()
            .flat_map(|(name, list)| each(list.as_ref(), &path.field(name)))
    };
    for (path, _) in arguments() {
        findings.warning(
            path,
            "the kernel command line is part of the signed UKI and cannot be changed by a config: the first boot \
             fails unless it is so already; build an image whose recipe has the argument, or use sysctl.d, \
             modprobe.d or a unit",
        );
    }
    twice::check("the argument", arguments(), findings);
}

/// The list, or nothing.
fn all<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a list with their paths.
fn each<'l, T>(
    list: Option<&'l Vec<T>>,
    path: &Path,
) -> impl Iterator<Item = (Path, &'l T)> + use<'l, T> {
    let path = path.clone();
    all(list)
        .iter()
        .enumerate()
        .map(move |(index, entry)| (path.item(index), entry))
}

/// Whether something is said: null and the empty string say nothing.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
