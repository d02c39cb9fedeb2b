//! The page `docs/book/src/states.md`, printed from the code: it can only say what the agent does.

use std::{fmt::Write, path::Path};

use acl_updater_core::{
    Version,
    effect::{Effect, Step},
    event::{Event, Request},
    machine::{Entry, Facts, Tries},
    record::{Cost, Outcome, Record},
    state::{Failure, Goal, Phase, State, Who},
    step,
};

/// The documentation of states and steps is read where it stands.
const STATE: &str = include_str!("../src/state.rs");
const EFFECT: &str = include_str!("../src/effect.rs");

const HEAD: &str = "\
# States of the agent

Printed by a test of `updater/core` from the code; it fails with the new text when the code changes. In the examples a
machine ran release 1, runs 2, and is offered 3.

## What they mean

`aclctl status --json` tells the state as `state.name`, with these fields beside it.

";
const REQUESTS: &str = "
## What a request does

`→` is the state that follows at once, *goes on* that the work under way goes on (as far as the larger of the two requests
asks), `–` that nothing happens. The machine reboots into an armed release only from `checking`, when the check has found
that it may still be booted; `rollback` does not ask. *Automatic* is the check interval with `automatic = \"stage\"` and
`strategy = \"manual\"`.

";
const START: &str = "
## What follows a restart

What the agent does when it starts (after a reboot, a power cut, a crash) and finds this state in its file. An update that
was being staged begins again with a check. The machine itself is asked first: boot entries and their counters overrule
the file.

";
const STEPS: &str = "
## Steps of an update

Each begins when the one before it is durably done. A failure or a power cut at any of them leaves the running release
and its boot entry as they are.
";

/// A state as it is met: the phase, and the machine that goes with it.
struct Met {
    phase: Phase,
    machine: Facts,
}

#[test]
fn the_page_of_states_is_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/states.md");
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let page = page();
    assert!(
        found == page,
        "{} is not what the code does; put this there:\n{page}",
        path.display()
    );
}

fn page() -> String {
    let met = all();
    let documented = documented(STATE, "Phase");
    assert_eq!(
        documented.len(),
        met.len(),
        "a state is missing in this test"
    );
    let mut page = HEAD.to_owned();
    row(&mut page, &["State", "Fields", "Meaning"]);
    row(&mut page, &["---"; 3]);
    for (Met { phase, .. }, (variant, meaning)) in met.iter().zip(&documented) {
        assert!(format!("{phase:?}").starts_with(variant), "{variant}");
        row(&mut page, &[&name(phase), &fields(phase), meaning]);
    }
    page += REQUESTS;
    requests(&mut page, &met);
    page += START;
    row(&mut page, &["State in the file", "Then"]);
    row(&mut page, &["---"; 2]);
    for met in &met {
        let then = outcome(met, Event::Started);
        row(&mut page, &[&name(&met.phase), &then]);
    }
    page += STEPS;
    steps(&mut page);
    page
}

fn requests(page: &mut String, met: &[Met]) {
    let asked = [
        ("Automatic", Request::Automatic(Goal::Arm)),
        ("`check`", Request::Check),
        ("`stage`", Request::Stage),
        ("`apply`", Request::Apply),
        ("`rollback`", Request::Rollback),
        ("`retry`", Request::Retry(Goal::Arm)),
    ];
    let mut head = vec!["State"];
    head.extend(asked.map(|(title, _)| title));
    row(page, &head);
    row(page, &["---"; 7]);
    for met in met {
        let mut cells = vec![name(&met.phase)];
        for (_, request) in asked {
            cells.push(outcome(met, |machine| Event::Asked(request, machine)));
        }
        row(page, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn steps(page: &mut String) {
    let documented = documented(EFFECT, "Step");
    let order: Vec<Step> = std::iter::successors(Some(Step::FIRST), |step| step.next()).collect();
    assert_eq!(documented.len(), order.len());
    row(page, &["Step", "What is done"]);
    row(page, &["---"; 2]);
    for (step, (variant, meaning)) in order.iter().zip(&documented) {
        assert_eq!(format!("{step:?}"), *variant);
        row(page, &[&format!("`{}`", step.name()), meaning]);
    }
}

/// Every state, in the order of the code.
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
fn all() -> Vec<Met> {
    let (one, two, three) = (Version::new("1"), Version::new("2"), Version::new("3"));
    let settled = || facts("2", &[("1", None), ("2", None)]);
    let alone = || facts("2", &[("2", None)]);
    let met = |phase, machine| Met { phase, machine };
    vec![
        met(Phase::Idle, settled()),
        met(Phase::Checking, settled()),
        met(available(&three), settled()),
        met(staging(&three), alone()),
        met(staged(&three), alone()),
        met(
            Phase::Armed {
                version: three.clone(),
            },
            facts("2", &[("2", None), ("3", Some((3, 0)))]),
        ),
        met(
            Phase::Waiting {
                version: three.clone(),
                since: 0,
                reason: "unreachable".into(),
                who: Who::Environment,
            },
            facts("2", &[("2", None), ("3", Some((3, 0)))]),
        ),
        met(
            Phase::Disarmed {
                version: three.clone(),
                reason: "withdrawn".into(),
            },
            alone(),
        ),
        met(
            Phase::OnTrial {
                from: Some(two.clone()),
                to: three.clone(),
            },
            facts("3", &[("2", None), ("3", Some((2, 1)))]),
        ),
        met(
            Phase::Committed {
                from: one,
                to: two.clone(),
            },
            settled(),
        ),
        met(
            Phase::GoingBack {
                from: three.clone(),
                to: two.clone(),
            },
            facts("3", &[("2", None), ("3", None)]),
        ),
        met(
            Phase::RolledBack {
                from: three,
                to: two,
                reason: "not healthy".into(),
            },
            facts("2", &[("2", None), ("3", Some((0, 1)))]),
        ),
        met(
            Phase::Failed(Failure::new(Who::Server, "expired")),
            settled(),
        ),
    ]
}

fn available(version: &Version) -> Phase {
    Phase::Available {
        version: version.clone(),
    }
}

fn staging(version: &Version) -> Phase {
    Phase::Staging {
        version: version.clone(),
        step: Step::Write,
        done: 1,
        total: 2,
    }
}

fn staged(version: &Version) -> Phase {
    Phase::Staged {
        version: version.clone(),
        step: Step::Recheck,
    }
}

fn facts(running: &str, entries: &[(&str, Option<(u32, u32)>)]) -> Facts {
    let entry = |(version, tries): &(&str, Option<(u32, u32)>)| Entry {
        version: Version::new(*version),
        tries: tries.map(|(left, done)| Tries { left, done }),
    };
    Facts {
        running: Version::new(running),
        entries: entries.iter().map(entry).collect(),
        ..Facts::default()
    }
}

/// What an event leads to, in a few words.
fn outcome(met: &Met, event: impl FnOnce(Facts) -> Event) -> String {
    let before = State {
        phase: met.phase.clone(),
        machine: met.machine.clone(),
        goal: Goal::Arm,
        history: history(&met.phase),
        ..State::default()
    };
    let busy = before.is_busy();
    let (after, effects) = step(before, event(met.machine.clone()));
    let same = name(&after.phase) == name(&met.phase);
    let acts = effects.iter().any(|effect| *effect != Effect::Save);
    match &effects[..] {
        [Effect::Refuse(_)] => "refused".into(),
        effects if effects.contains(&Effect::Reboot) => "reboots".into(),
        _ if same && !acts && busy => "goes on".into(),
        _ if same && !acts => "–".into(),
        _ => format!("→ {}", name(&after.phase)),
    }
}

/// What the file remembers of how the machine came to a state.
fn history(phase: &Phase) -> Vec<Record> {
    let (from, to, outcome) = match phase {
        Phase::Committed { from, to } => (from, to, Outcome::Committed),
        Phase::RolledBack { from, to, reason } => {
            let reason = reason.clone();
            (from, to, Outcome::RolledBack { reason })
        }
        Phase::Disarmed { version, reason } => {
            let reason = reason.clone();
            (&Version::new("2"), version, Outcome::Disarmed { reason })
        }
        _ => return Vec::new(),
    };
    vec![Record {
        from: from.clone(),
        to: to.clone(),
        outcome,
        cost: Cost::default(),
    }]
}

/// The name of a state as documents have it.
fn name(phase: &Phase) -> String {
    let json = serde_json::to_value(phase).expect("a phase is JSON");
    format!("`{}`", json["name"].as_str().expect("it has a name"))
}

fn fields(phase: &Phase) -> String {
    let json = serde_json::to_value(phase).expect("a phase is JSON");
    let keys = json.as_object().expect("it is an object").keys();
    let mut fields: Vec<String> = keys
        .filter(|key| *key != "name")
        .map(|key| format!("`{key}`"))
        .collect();
    // Whether JSON objects keep their order depends on what else is built.
    fields.sort();
    fields.join(" ")
}

/// The variants of an enum with the first line of their documentation, in the order of the source.
fn documented<'a>(source: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let (_, body) = source
        .split_once(&format!("pub enum {name} {{\n"))
        .expect("the enum is there");
    let body = body.split_once("\n}\n").expect("it ends").0;
    let mut variants = Vec::new();
    let mut text = "";
    for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
        if let Some(documentation) = line.strip_prefix("/// ") {
            text = documentation;
        } else if line.starts_with(|c: char| c.is_ascii_uppercase()) {
            variants.push((line.trim_end_matches(|c: char| !c.is_alphanumeric()), text));
        }
    }
    variants
        .into_iter()
        .map(|(variant, text)| (variant.split('(').next().unwrap_or(variant), text))
        .collect()
}

fn row(page: &mut String, cells: &[&str]) {
    writeln!(page, "| {} |", cells.join(" | ")).expect("a string takes it");
}
