//! Goes on with a machine after a power cut, until what was begun is done.

use std::path::Path;

use serde_json::json;

use super::firmware::Releases;
use crate::{node::Node, site::Site};

/// Where it is to end.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// The repository that the machine finds from now on.
    pub(crate) url: String,
    /// What runs and is committed in the end.
    pub(crate) version: &'static str,
    /// A release that never proves healthy.
    pub(crate) bad: Option<&'static str>,
}

/// Why it does not end there.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// No whole release boots, or a mixture of two could.
    Lost(String),
    /// The agent does not get there.
    Unfinished(String),
    /// The release that runs came up by a short name, without a counter, and the agent says that its entry is missing.
    ByShortName,
}

/// What the hand does that is needed after [`Failure::ByShortName`]: the name is put back that the release had.
pub(crate) fn put_name_back(node: &Node, releases: &Releases) {
    let directory = node.esp().entries_directory();
    for path in acl_host::file::list(&directory).unwrap() {
        if is_short(&path) {
            let version = releases.version_of(&acl_host::file::read(&path).unwrap());
            let to = directory.join(format!("acl_{}.efi", version.unwrap()));
            std::fs::rename(path, to).unwrap();
        }
    }
}

fn is_short(path: &Path) -> bool {
    path.to_string_lossy().ends_with("~1.EFI")
}

/// More than any way takes.
const BOOTS: usize = 12;

/// Boot and run the agent until the goal is reached.
pub(crate) fn finish(
    node: &Node,
    site: &Site,
    releases: &Releases,
    goal: &Goal,
) -> Result<(), Failure> {
    node.follow(&goal.url);
    let mut way = Vec::new();
    for _ in 0..BOOTS {
        let booted = releases.boot(node).map_err(Failure::Lost)?;
        node.runs(site, &booted);
        way.push(booted.clone());
        let done = match goal.bad == Some(&booted) {
            true => leave(node, &booted).map(|()| false),
            false => run(node, &booted, goal),
        };
        match done {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(told) => return Err(unfinished(node, &way, &told)),
        }
    }
    Err(unfinished(node, &way, "it goes on for ever"))
}

/// What a release does that is not healthy.
fn leave(node: &Node, version: &str) -> Result<(), String> {
    let report = json!({"version": version, "checks": [
        {"name": "units", "seconds": 0.1, "problem": "failed: containerd.service"}]});
    node.put(
        "var/lib/acl/updater/health.json",
        report.to_string().as_bytes(),
    );
    let ran = node.go_back();
    if ran.code == Some(0) {
        Ok(())
    } else {
        Err(ran.log)
    }
}

/// What a release does that is healthy; whether the goal is reached.
fn run(node: &Node, version: &str, goal: &Goal) -> Result<bool, String> {
    once(node)?;
    if node
        .entries()
        .iter()
        .any(|name| name.starts_with(&format!("acl_{version}+")))
    {
        node.bless();
        once(node)?;
    }
    if version != goal.version {
        return Ok(false);
    }
    let state = node.state();
    if goal.bad.is_some() && version == "1" {
        return Ok(state["refused"][0]["version"] == json!(goal.bad));
    }
    let entry = format!("acl_{version}.efi");
    let is_committed = state["state"]["name"] == "committed" && state["state"]["to"] == version;
    Ok(is_committed && node.entries().contains(&entry))
}

fn once(node: &Node) -> Result<(), String> {
    let ran = node.once();
    if ran.code == Some(0) {
        Ok(())
    } else {
        Err(ran.log)
    }
}

/// The one state that takes a hand: a name's long part was lost between two sectors.
fn is_by_short_name(node: &Node, told: &str) -> bool {
    let files = acl_host::file::list(node.esp().entries_directory()).unwrap();
    let is_told =
        told.contains("has no proven boot entry") || told.contains("there is no boot entry for");
    is_told && files.iter().any(|path| is_short(path))
}

fn unfinished(node: &Node, way: &[String], told: &str) -> Failure {
    if is_by_short_name(node, told) {
        return Failure::ByShortName;
    }
    let entries = node.entries();
    let state = node.state_text();
    Failure::Unfinished(format!(
        "booted {way:?}, entries {entries:?}: {told}\nstate: {state}"
    ))
}
