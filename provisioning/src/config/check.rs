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

pub(crate) use unit::{MOST_NAME_BYTES as MOST_UNIT_NAME_BYTES, TYPES as UNIT_TYPES};

use super::report::Findings;
use super::{Path, spec};

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

fn kernel_arguments(config: &spec::Config, path: &Path, findings: &mut Findings) {
    let Some(arguments) = &config.kernel_arguments else {
        return;
    };
    let lists = [
        ("shouldExist", &arguments.should_exist),
        ("shouldNotExist", &arguments.should_not_exist),
    ];
    for (name, list) in lists {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            findings.error(
                path.field(name),
                "the kernel command line is part of the signed UKI and cannot be changed by a config; \
                 build an image whose recipe has the argument, or use sysctl.d, modprobe.d or a unit",
            );
        }
    }
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
