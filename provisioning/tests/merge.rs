//! Two configs become one as Ignition's rules say.

use acl_provision::config::{self, merge, spec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::full;

fn config(mut sections: Value) -> spec::Config {
    if sections.get("ignition").is_none() {
        sections["ignition"] = json!({});
    }
    sections["ignition"]["version"] = json!("3.6.0");
    serde_json::from_value(sections).unwrap()
}

fn said(config: spec::Config) -> Value {
    full::said(serde_json::to_value(config).unwrap())
}

fn merged(parent: spec::Config, child: spec::Config) -> spec::Config {
    merge::merge(parent, child).unwrap()
}

#[test]
fn rules() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/merge.json")).unwrap();
    for case in cases {
        let part = |name: &str| config(case[name].clone());
        let found = said(merged(part("parent"), part("child")));
        assert_eq!(found, said(part("merged")), "{}", case["rule"]);
    }
}

/// A config of few names, so that three of them meet.
fn small(seed: &mut u64) -> spec::Config {
    let mut files = Vec::new();
    for path in ["/a", "/b", "/c"] {
        if full::next(seed) & 1 == 0 {
            files.push(json!({"path": path, "mode": maybe(seed), "append": some(seed, |n| json!({"source": format!("data:,{n}")}))}));
        }
    }
    let partitions = some(seed, |n| match n % 2 {
        0 => json!({"number": n + 1, "sizeMiB": n * 7}),
        _ => json!({"label": format!("l{n}"), "startMiB": n * 3}),
    });
    let users = some(seed, |n| json!({"name": format!("u{}", n % 2), "uid": n}));
    let units = some(
        seed,
        |n| json!({"name": format!("{n}.service"), "dropins": [{"name": format!("{}.conf", n % 2)}]}),
    );
    config(json!({
        "passwd": {"users": once(users)},
        "storage": {"files": files, "disks": [{"device": "/dev/sda", "partitions": partitions, "wipeTable": maybe(seed).as_u64().map(|n| n > 1)}]},
        "systemd": {"units": units},
    }))
}

fn maybe(seed: &mut u64) -> Value {
    match full::next(seed) % 4 {
        0 => Value::Null,
        n => json!(n),
    }
}

fn some(seed: &mut u64, entry: impl Fn(u64) -> Value) -> Vec<Value> {
    (0..4)
        .filter(|_| full::next(seed) & 1 == 0)
        .map(entry)
        .collect()
}

/// A valid config names each user once.
fn once(mut users: Vec<Value>) -> Vec<Value> {
    let mut names = Vec::new();
    users.retain(|user| {
        let new = !names.contains(&user["name"]);
        names.push(user["name"].clone());
        new
    });
    users
}

proptest! {
    /// Which two of three are merged first does not matter, as long as a path keeps its kind.
    #[test]
    fn is_associative(seed: u64) {
        let mut seed = seed;
        let (a, b, c) = (small(&mut seed), small(&mut seed), small(&mut seed));
        let left = merged(merged(a.clone(), b.clone()), c.clone());
        let right = merged(a, merged(b, c));
        prop_assert_eq!(said(left), said(right));
    }

    /// A config over itself is itself, but for the lists that append.
    #[test]
    fn nothing_is_neutral(seed: u64) {
        let mut seed = seed;
        let a = small(&mut seed);
        prop_assert_eq!(said(merged(a.clone(), config(json!({})))), said(a.clone()));
        prop_assert_eq!(said(merged(config(json!({})), a.clone())), said(a));
    }

    /// What two valid configs make can be read again.
    #[test]
    fn of_everything_is_readable(seed: u64) {
        let mut seed = seed;
        let (mut a, mut b) = (full::config(), full::config());
        full::part(&mut a, &mut seed);
        full::part(&mut b, &mut seed);
        let both = said(merged(config(a), config(b)));
        prop_assert_eq!(config::parse(both.to_string().as_bytes()).report.entries, []);
    }
}
