//! Files, directories and links: each by itself, and what their paths do to each other.

use std::collections::{HashMap, HashSet};

use super::{all, each, path, place, resource, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};

const MODES: std::ops::RangeInclusive<i64> = 0..=0o7777;
/// The list of encrypted volumes.
const VOLUMES: &str = "/etc/crypttab";
/// Where units are written.
const UNITS: &str = "/etc/systemd/system";

pub(super) fn check(storage: &spec::Storage, at: &Path, findings: &mut Findings) {
    for (at, directory) in each(storage.directories.as_ref(), &at.field("directories")) {
        check_mode(directory.mode, &at, findings);
    }
    for (at, file) in each(storage.files.as_ref(), &at.field("files")) {
        check_file(file, &at, findings);
    }
    let directories: HashSet<_> = all(storage.directories.as_ref())
        .iter()
        .map(|directory| path::clean(&directory.path))
        .collect();
    for (at, link) in each(storage.links.as_ref(), &at.field("links")) {
        check_link(link, &directories, &at, findings);
    }
    let nodes = nodes(storage, at);
    for node in &nodes {
        check_place(node, storage, findings);
        check_owner(node, findings);
    }
    let paths = nodes.iter().map(|node| (node.at.clone(), &node.clean));
    twice::check("the path", paths, findings);
    check_parents(&nodes, findings);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Soft,
    Hard,
}

struct Node<'c> {
    kind: Kind,
    at: Path,
    text: &'c str,
    clean: String,
    user: Option<&'c spec::NodeUser>,
    group: Option<&'c spec::NodeGroup>,
}

fn nodes<'c>(storage: &'c spec::Storage, at: &Path) -> Vec<Node<'c>> {
    let node = |kind, at, text: &'c str, user: &'c Option<_>, group: &'c Option<_>| Node {
        kind,
        at,
        text,
        clean: path::clean(text),
        user: user.as_ref(),
        group: group.as_ref(),
    };
    let directories = each(storage.directories.as_ref(), &at.field("directories"))
        .map(|(at, entry)| node(Kind::Directory, at, &entry.path, &entry.user, &entry.group));
    let files = each(storage.files.as_ref(), &at.field("files"))
        .map(|(at, entry)| node(Kind::File, at, &entry.path, &entry.user, &entry.group));
    let links = each(storage.links.as_ref(), &at.field("links")).map(|(at, entry)| {
        let kind = if entry.hard == Some(true) {
            Kind::Hard
        } else {
            Kind::Soft
        };
        node(kind, at, &entry.path, &entry.user, &entry.group)
    });
    directories.chain(files).chain(links).collect()
}

fn check_mode(mode: Option<i64>, at: &Path, findings: &mut Findings) {
    if mode.is_some_and(|mode| !MODES.contains(&mode)) {
        let message = "a mode is 0 to 4095 (octal 7777); JSON has no octal numbers: 0644 is 420";
        findings.error(at.field("mode"), message);
    }
}

fn check_file(file: &spec::File, at: &Path, findings: &mut Findings) {
    check_mode(file.mode, at, findings);
    if let Some(contents) = &file.contents {
        resource::check(contents, &at.field("contents"), findings);
    }
    for (at, append) in each(file.append.as_ref(), &at.field("append")) {
        resource::check(append, &at, findings);
    }
    let source = file
        .contents
        .as_ref()
        .and_then(|contents| contents.source.as_ref());
    if file.overwrite == Some(true) && source.is_none() {
        let message = "a file that is overwritten has contents; give their source (\"data:,\" is an empty file)";
        findings.error(at.field("overwrite"), message);
    }
}

fn check_link(
    link: &spec::Link,
    directories: &HashSet<String>,
    at: &Path,
    findings: &mut Findings,
) {
    let Some(target) = said(link.target.as_ref()) else {
        return findings.error(at.field("target"), "a link has a target; give it");
    };
    if link.hard == Some(true) && !target.starts_with('/') {
        let message = format!(
            "a hard link leads to a path of the new system, and {target:?} is relative; begin it with /"
        );
        findings.error(at.field("target"), message);
    } else if link.hard == Some(true) && directories.contains(&path::clean(target)) {
        findings.error(
            at.field("target"),
            "a directory has no hard links; make a symbolic link",
        );
    }
}

fn check_place(node: &Node<'_>, storage: &spec::Storage, findings: &mut Findings) {
    let at = node.at.field("path");
    if !path::is_right(node.text) {
        return path::check(node.text, &at, findings);
    }
    place::check_node(&node.clean, &at, findings);
    if node.clean == "/" && node.kind != Kind::Directory {
        findings.error(at, "the root is a directory; give another path");
    } else if node.clean == VOLUMES && !all(storage.luks.as_ref()).is_empty() {
        let message = "storage.luks writes this file; leave one of them out";
        findings.error(at, message);
    }
}

fn check_owner(node: &Node<'_>, findings: &mut Findings) {
    let user = node.user.map(|user| (user.id, said(user.name.as_ref())));
    let group = node
        .group
        .map(|group| (group.id, said(group.name.as_ref())));
    for (key, owner) in [("user", user), ("group", group)] {
        let Some((id, name)) = owner else { continue };
        let at = node.at.field(key);
        if id.is_some() && name.is_some() {
            findings.error(
                at.clone(),
                "an owner is given by id or by name; leave one out",
            );
        }
        super::passwd::check_id(id, &at.field("id"), findings);
        if node.kind == Kind::Hard && (id.is_some() || name.is_some()) {
            findings.warning(
                at,
                "a hard link has the owner of its target; this does nothing",
            );
        }
    }
}

/// Nothing lies below a file, and nothing is written through a link that the config itself makes.
fn check_parents(nodes: &[Node<'_>], findings: &mut Findings) {
    let by_path: HashMap<_, _> = nodes
        .iter()
        .map(|node| (node.clean.as_str(), node))
        .collect();
    for node in nodes {
        for parent in path::above(&node.clean).filter_map(|parent| by_path.get(parent)) {
            let message = match parent.kind {
                Kind::Directory => continue,
                Kind::File | Kind::Hard => {
                    format!(
                        "{} is a file at {}; nothing can lie below it",
                        parent.clean, parent.at
                    )
                }
                Kind::Soft => {
                    format!(
                        "{} is a link at {}; give the path that it leads to",
                        parent.clean, parent.at
                    )
                }
            };
            findings.error(node.at.field("path"), message);
        }
    }
}

/// A unit is written once: by the section `systemd` or by the section `storage`.
pub(super) fn check_against_units(config: &spec::Config, findings: &mut Findings) {
    let Some(storage) = &config.storage else {
        return;
    };
    let units = config
        .systemd
        .as_ref()
        .and_then(|systemd| systemd.units.as_ref());
    let mut written = HashMap::new();
    let at = Path::root().field("systemd").field("units");
    for (at, unit) in each(units, &at) {
        // An empty unit is not written, an empty drop-in is.
        if unit
            .contents
            .as_deref()
            .is_some_and(|text| !text.is_empty())
        {
            written.insert(format!("{UNITS}/{}", unit.name), at.clone());
        }
        for (at, dropin) in each(unit.dropins.as_ref(), &at.field("dropins")) {
            if dropin.contents.is_some() {
                written.insert(format!("{UNITS}/{}.d/{}", unit.name, dropin.name), at);
            }
        }
    }
    for node in nodes(storage, &Path::root().field("storage")) {
        if let Some(unit) = written.get(&node.clean) {
            let message = format!("{unit} writes this path as well; keep one of them");
            findings.error(node.at.field("path"), message);
        }
    }
}
