//! Which packages differ between two releases.

use std::collections::BTreeMap;

use acl_release::manifest::Package;
use acl_updater_core::record::PackageChange;

/// The packages that differ, sorted by name. None, when it is not known what is installed.
pub(crate) fn changes(installed: &[Package], offered: &[Package]) -> Vec<PackageChange> {
    if installed.is_empty() {
        return Vec::new();
    }
    let by_name = |packages: &[Package]| -> BTreeMap<String, String> {
        let pair = |p: &Package| (p.name.clone(), p.version.clone());
        packages.iter().map(pair).collect()
    };
    let (from, to) = (by_name(installed), by_name(offered));
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| PackageChange {
            name: name.clone(),
            from: from.get(name).cloned(),
            to: to.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(list: &[(&str, &str)]) -> Vec<Package> {
        list.iter()
            .map(|(name, version)| Package {
                name: (*name).into(),
                version: (*version).into(),
                arch: "amd64".into(),
            })
            .collect()
    }

    #[test]
    fn changed_new_and_gone_packages_are_told() {
        let from = packages(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let to = packages(&[("a", "2"), ("b", "1"), ("d", "1")]);
        let change = |name: &str, from: Option<&str>, to: Option<&str>| PackageChange {
            name: name.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        };
        let expected = [
            change("a", Some("1"), Some("2")),
            change("c", Some("1"), None),
            change("d", None, Some("1")),
        ];
        assert_eq!(changes(&from, &to), expected);
        assert_eq!(changes(&[], &to), []);
    }
}
