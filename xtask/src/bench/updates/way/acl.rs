//! Our own way: the publisher and the agent that are shipped, from the outside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use acl_host::file;
use acl_tests::repository::Repository;
use acl_tests::stamp::Inputs;
use acl_tests::workspace::Program;
use anyhow::{Context, Result};
use serde_json::Value;

use super::Taken;
use super::node::Node;
use crate::bench::updates::kit::Kit;
use crate::bench::updates::pair::Sides;
use crate::bench::updates::published::{Cost, Published, bytes_below, publish};
use crate::bench::updates::server::{Server, sum};

pub(super) fn take(kit: &Kit, sides: &Sides, scratch: &Path) -> Result<Taken> {
    let published = published(kit, sides)?;
    let repository = Repository::open(&published.directory);
    repository.refresh(&[])?;
    let server = Server::serve(repository.directory())?;
    let node = Node::install(&scratch.join("node"), sides, &repository, &server.url())?;
    let usage = node.update()?;
    node.must_have(&sides.new)?;

    let answers = server.answers();
    let usr = blobs_of_usr(repository.directory(), &sides.new.version)?;
    Ok(Taken {
        traffic: sum(&answers, |_| true),
        usr: sum(&answers, |path| usr.contains(path)).bytes,
        usage,
        in_vm: false,
        served: repository.directory().to_owned(),
        published,
        answers,
    })
}

fn published(kit: &Kit, sides: &Sides) -> Result<Published> {
    let inputs = Inputs::default().path(&Program::Release.path()?)?;
    let inputs = sides.new.identify(sides.old.identify(inputs)?)?;
    let (old, new) = (&sides.old.version, &sides.new.version);
    publish(kit, &format!("acl-{old}-{new}"), &inputs, |out| {
        let repository = Repository::init(out)?;
        repository.add_directory(&sides.old.directory)?;
        repository.promote_version(old)?;
        let before = bytes_below(repository.directory())?;
        let start = Instant::now();
        repository.add_directory(&sides.new.directory)?;
        repository.promote_version(new)?;
        Ok(Cost {
            seconds: start.elapsed().as_secs_f64(),
            bytes: bytes_below(repository.directory())? - before,
        })
    })
}

/// The paths of all blobs that the manifest of a release names for `/usr`, whatever they are for.
fn blobs_of_usr(repository: &Path, version: &str) -> Result<BTreeSet<String>> {
    let path = manifest(repository, version)?
        .with_context(|| format!("the repository has no manifest of {version}"))?;
    let manifest: Value = serde_json::from_slice(&file::read(path)?)?;
    let mut found = BTreeSet::new();
    digests(&manifest["artifacts"]["usr"], &mut found);
    for patch in manifest["patches"].as_array().into_iter().flatten() {
        digests(&patch["usr"], &mut found);
    }
    Ok(found
        .into_iter()
        .map(|digest| format!("/blobs/{digest}"))
        .collect())
}

/// `…/releases/<version>/<digest>.<arch>.json`.
fn manifest(directory: &Path, version: &str) -> Result<Option<PathBuf>> {
    for path in file::list(directory)? {
        let of_release = directory.ends_with(Path::new("releases").join(version));
        if path.is_dir() {
            if let Some(found) = manifest(&path, version)? {
                return Ok(Some(found));
            }
        } else if of_release && path.extension().is_some_and(|end| end == "json") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The values of every `sha256`, at any depth.
fn digests(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(digest) if name == "sha256" => _ = found.insert(digest.to_owned()),
                    _ => digests(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| digests(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::blobs_of_usr;
    use acl_host::file::{make_parents, scratch};

    #[test]
    fn all_blobs_of_usr_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let manifest = r#"{"artifacts":{
            "usr":{"sha256":"a","index":{"sha256":"b"}},
            "uki":{"sha256":"d"}},
            "patches":[{"usr":{"pack":{"sha256":"c"}},"uki":{"pack":{"sha256":"e"}}}]}"#;
        let path = directory
            .path()
            .join("targets/releases/1.1.0/0.x86-64.json");
        make_parents(&path).unwrap();
        scratch(&path, manifest.as_bytes()).unwrap();
        let found = blobs_of_usr(directory.path(), "1.1.0").unwrap();
        assert_eq!(Vec::from_iter(found), ["/blobs/a", "/blobs/b", "/blobs/c"]);
        let error = blobs_of_usr(directory.path(), "1.1").unwrap_err();
        assert_eq!(error.to_string(), "the repository has no manifest of 1.1");
    }
}
