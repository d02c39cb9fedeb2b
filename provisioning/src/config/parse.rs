//! From text to a config in the newest version, or to a report that says what is wrong with the text.

use std::collections::BTreeSet;

use ignition_config::{v3_0, v3_1, v3_2, v3_3, v3_4, v3_5, v3_6};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Document;
use super::report::Findings;
use super::translate::translate;
use super::{Path, Report, Version, check, key, spec};

/// How many values of a wrong type, and keys in other capitals, are told at a time.
const MOST_TYPE_ERRORS: usize = 100;

/// What came of a text.
#[derive(Debug)]
pub struct Parsed {
    /// The config, in the newest version; none when the report has errors.
    pub config: Option<spec::Config>,
    /// The version that it is written in, where that can be read.
    pub version: Option<Version>,
    /// What is wrong with it.
    pub report: Report,
}

/// Reads, checks and translates a config (Ignition 3.0 to 3.6).
pub fn parse(bytes: &[u8]) -> Parsed {
    let (document, value) = match Document::read(bytes) {
        Ok(document) => document,
        Err(report) => {
            return Parsed {
                config: None,
                version: None,
                report,
            };
        }
    };
    let mut findings = Findings::default();
    document.check_keys(&mut findings);
    let version = version(&value, &mut findings);
    let config = version.and_then(|version| typed(value, version, &mut findings));
    if let Some(config) = &config {
        check::check_document(config, &mut findings);
    }
    Parsed {
        config: config.filter(|_| findings.is_valid()),
        version,
        report: findings.report(&document),
    }
}

fn version(value: &Value, findings: &mut Findings) -> Option<Version> {
    let path = Path::root();
    if !value.is_object() {
        findings.error(
            path,
            "a config is an object: {\"ignition\": {\"version\": \"3.4.0\"}, …}",
        );
        return None;
    }
    let path = path.field("ignition").field("version");
    let Some(text) = value.pointer("/ignition/version") else {
        tell_no_version(value, findings);
        return None;
    };
    let Some(text) = text.as_str() else {
        findings.error(path, "the version is a string, such as \"3.4.0\"");
        return None;
    };
    Version::read(text)
        .map_err(|message| findings.error(path, message))
        .ok()
}

fn tell_no_version(value: &Value, findings: &mut Findings) {
    let root = Path::root();
    let section = root.field("ignition");
    let (holder, at, wanted) = match value.get("ignition") {
        Some(holder) => (holder, &section, "version"),
        None => (value, &root, "ignition"),
    };
    match key::misspelt(wanted, Some(holder)) {
        Some((key, message)) => findings.key_error(at.field(&key), message),
        None => findings.error(
            section.field("version"),
            "a config says the version of its spec: \"ignition\": {\"version\": \"3.4.0\"}",
        ),
    }
}

fn typed(value: Value, version: Version, findings: &mut Findings) -> Option<spec::Config> {
    let written = match version.minor() {
        0 => rewritten::<v3_0::Config>(value, findings),
        1 => rewritten::<v3_1::Config>(value, findings),
        2 => rewritten::<v3_2::Config>(value, findings),
        3 => rewritten::<v3_3::Config>(value, findings),
        4 => rewritten::<v3_4::Config>(value, findings),
        5 => rewritten::<v3_5::Config>(value, findings),
        _ => rewritten::<v3_6::Config>(value, findings),
    }?;
    check::mode::check(&written, findings);
    check::version::check(&written, version, findings);
    translate(written, version)
        .map_err(|error| {
            let message = expected(&error.inner().to_string());
            findings.error(steps(error.path()), message);
        })
        .ok()
}

/// What a version of the spec knows of the document. Values of a wrong type are told and left out, so that one run
/// tells all of them.
///
/// A config may be megabytes of contents: what is not needed any more goes before the next copy is made.
fn rewritten<T: DeserializeOwned + Serialize>(
    mut value: Value,
    findings: &mut Findings,
) -> Option<Value> {
    let mut lists = Vec::new();
    find_lists(&value, &mut Vec::new(), &mut lists);
    let mut left_out = Vec::new();
    for _ in 0..MOST_TYPE_ERRORS {
        let (path, message) = match read::<T>(&value) {
            Ok((config, unknown)) => {
                drop(value);
                let written = serde_json::to_value(config).ok()?;
                key::tell_unknown(unknown, findings);
                refuse_lists(lists, &written, findings);
                return Some(written);
            }
            Err(error) => error,
        };
        let wrong = value.pointer_mut(&pointer(path.steps()))?;
        let misspelt = missing(&message)
            .and_then(|wanted| Some((wanted, key::misspelt(wanted, Some(&*wrong))?)));
        if let Some((wanted, (key, message))) = misspelt {
            findings.key_error(path.field(&key), message);
            // Read on as it is meant.
            let object = wrong.as_object_mut()?;
            let meant = object.remove(&key)?;
            object.insert(wanted.to_owned(), meant);
            continue;
        }
        if left_out.contains(&path) {
            return None;
        }
        findings.error(path.clone(), expected(&message));
        if wrong.is_null() {
            return None;
        }
        *wrong = Value::Null;
        left_out.push(path);
    }
    None
}

/// The message in words of JSON instead of words of Rust, and without the text of a string, which may be a secret.
fn expected(message: &str) -> String {
    let Some((found, wanted)) = message.rsplit_once(", expected ") else {
        return match missing(message) {
            Some(key) => format!("the key {key:?} is missing; give it"),
            None => "not a value that belongs here".to_owned(),
        };
    };
    let wanted = match wanted {
        "i64" => "a whole number",
        "a sequence" => "a list",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    };
    if found.starts_with("invalid length") {
        // The types take a list for an object when it has as many elements; the spec does not.
        return "invalid type: list, expected an object".to_owned();
    }
    let found = match found.split_once(" string ") {
        Some((problem, _)) => format!("{problem} string"),
        None => found.replace("sequence", "list").replace("map", "object"),
    };
    format!("{found}, expected {wanted}")
}

/// What a version of the spec makes of a document, and the keys that it does not know.
fn read<T: DeserializeOwned>(value: &Value) -> Result<(T, BTreeSet<Path>), (Path, String)> {
    let mut unknown = BTreeSet::new();
    let mut notice = |path: serde_ignored::Path<'_>| {
        unknown.insert(ignored(&path));
    };
    let reader = serde_ignored::Deserializer::new(value, &mut notice);
    let config = serde_path_to_error::deserialize(reader)
        .map_err(|error| (steps(error.path()), error.into_inner().to_string()))?;
    Ok((config, unknown))
}

/// The name of a key that is missing.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn steps(path: &serde_path_to_error::Path) -> Path {
    use serde_path_to_error::Segment;
    path.iter().fold(Path::root(), |path, step| match step {
        Segment::Seq { index } => path.item(*index),
        Segment::Map { key } => path.field(key),
        Segment::Enum { .. } | Segment::Unknown => path,
    })
}

fn ignored(path: &serde_ignored::Path<'_>) -> Path {
    use serde_ignored::Path as Ignored;
    match path {
        Ignored::Root => Path::root(),
        Ignored::Seq { parent, index } => ignored(parent).item(*index),
        Ignored::Map { parent, key } => ignored(parent).field(key),
        Ignored::Some { parent }
        | Ignored::NewtypeStruct { parent }
        | Ignored::NewtypeVariant { parent } => ignored(parent),
    }
}

/// The same place as a JSON pointer (RFC 6901).
fn pointer<'s>(steps: impl Iterator<Item = &'s str>) -> String {
    steps
        .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// The paths of all lists of a document.
fn find_lists(value: &Value, at: &mut Vec<String>, lists: &mut Vec<Vec<String>>) {
    let mut below = |step: String, value: &Value| {
        at.push(step);
        find_lists(value, at, lists);
        at.pop();
    };
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(_, value)| value.is_object() || value.is_array())
            .for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                below(index.to_string(), value);
            }
            lists.push(at.clone());
        }
        _ => {}
    }
}

/// The types take a list for an object, its elements in order; the spec does not.
fn refuse_lists(lists: Vec<Vec<String>>, written: &Value, findings: &mut Findings) {
    for steps in lists {
        let known = written.pointer(&pointer(steps.iter().map(String::as_str)));
        if known.is_some_and(Value::is_object) {
            let path = steps
                .iter()
                .fold(Path::root(), |path, step| path.field(step));
            findings.error(path, "invalid type: list, expected an object");
        }
    }
}
