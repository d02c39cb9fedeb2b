//! Two configs as one: the child's word over the parent's (Ignition's operator notes, "Config merging").
//!
//! Objects merge key by key. Of two single values the child's counts, unless it is null. Of lists, entries with the
//! same key merge in the parent's place, the parent's others stay, the child's others follow. A path has one kind:
//! what a child makes a directory is no longer the parent's file.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::spec;

/// Merges `child` over `parent`.
///
/// # Errors
/// None that a config can cause: what both sides were read from reads as one again.
pub fn merge(parent: spec::Config, child: spec::Config) -> Result<spec::Config, serde_json::Error> {
    // Most machines have one config; it may be megabytes, which are not copied.
    if says_nothing(&parent) {
        return Ok(child);
    }
    if says_nothing(&child) {
        return Ok(parent);
    }
    let parent = serde_json::to_value(parent)?;
    let child = serde_json::to_value(child)?;
    serde_json::from_value(values(parent, child))
}

/// Whether it has a version, and that is all. All that meet here are of the same version.
fn says_nothing(config: &spec::Config) -> bool {
    let version = config.ignition.version.clone();
    *config == spec::Config::new(spec::Ignition::new(version))
}

fn values(parent: Value, child: Value) -> Value {
    match (parent, child) {
        (parent, Value::Null) => parent,
        (Value::Object(parent), Value::Object(child)) => Value::Object(objects(parent, child)),
        (_, child) => child,
    }
}

fn objects(mut parent: Map<String, Value>, mut child: Map<String, Value>) -> Map<String, Value> {
    for shared in SHARED {
        forget(&mut parent, &child, shared);
    }
    let keys: Vec<String> = parent
        .keys()
        .chain(child.keys().filter(|key| !parent.contains_key(*key)))
        .cloned()
        .collect();
    keys.into_iter()
        .map(|key| {
            let parent = parent.remove(&key).unwrap_or_default();
            let child = child.remove(&key).unwrap_or_default();
            let merged = match (parent, child) {
                (Value::Array(parent), Value::Array(child)) => {
                    Value::Array(lists(&key, parent, child))
                }
                (parent, child) => values(parent, child),
            };
            (key, merged)
        })
        .collect()
}

/// Lists beside each other in which a key stands for the same thing.
const SHARED: &[&[&str]] = &[
    &["files", "directories", "links"],
    &["shouldExist", "shouldNotExist"],
];

/// Takes from the parent's lists what the child has in another list of the same keys.
fn forget(parent: &mut Map<String, Value>, child: &Map<String, Value>, shared: &[&str]) {
    for list in shared {
        let elsewhere: HashSet<_> = shared
            .iter()
            .filter(|other| *other != list)
            .filter_map(|other| Some((*other, child.get(*other)?.as_array()?)))
            .flat_map(|(other, entries)| entries.iter().map(|entry| key(other, entry)))
            .collect();
        if let Some(entries) = parent.get_mut(*list).and_then(Value::as_array_mut) {
            entries.retain(|entry| !elsewhere.contains(&key(list, entry)));
        }
    }
}

fn lists(name: &str, parent: Vec<Value>, child: Vec<Value>) -> Vec<Value> {
    if APPENDED.contains(&name) {
        return parent.into_iter().chain(child).collect();
    }
    // Of several with one key the last counts.
    let last: HashMap<_, _> = child
        .iter()
        .enumerate()
        .map(|(index, entry)| (key(name, entry), index))
        .collect();
    let mut child: Vec<_> = child.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(parent.len());
    for entry in parent {
        let over = last
            .get(&key(name, &entry))
            .and_then(|index| child.get_mut(*index));
        match over.and_then(Option::take) {
            Some(over) if removes(name, &over) => {}
            Some(over) => merged.push(values(entry, over)),
            None => merged.push(entry),
        }
    }
    merged.extend(child.into_iter().flatten());
    merged
}

/// Lists whose entries have no key: each one counts, in order.
const APPENDED: &[&str] = &["append", "mountOptions", "openOptions", "options"];

/// A header without a value takes the parent's away.
fn removes(list: &str, entry: &Value) -> bool {
    list == "httpHeaders" && entry.get("value").is_none_or(Value::is_null)
}

/// What an entry is told from its neighbours by.
fn key(list: &str, entry: &Value) -> Value {
    let field = match list {
        "files" | "directories" | "links" => "path",
        "disks" | "filesystems" => "device",
        "merge" | "certificateAuthorities" => "source",
        "tang" => "url",
        "partitions" => match entry.get("number").and_then(Value::as_i64) {
            None | Some(0) => "label",
            Some(_) => "number",
        },
        _ => "name",
    };
    match entry {
        Value::Object(entry) => entry.get(field).cloned().unwrap_or_default(),
        // Options, groups, keys of a user: the value is the key.
        single => single.clone(),
    }
}
