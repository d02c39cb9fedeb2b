//! `aclctl status`

use indicatif::HumanBytes;
use jiff::Timestamp;

use crate::{
    agent::Agent,
    document::{Cost, Document, Entry, PackageChange, Phase, Record},
    failure::Failure,
    text::{self, field},
};

/// Packages that are told by name; `--json` has them all.
const PACKAGES: usize = 12;
/// Steps in the order in which they are done.
const STEPS: [&str; 9] = [
    "prepare",
    "disarm",
    "write",
    "flush",
    "read-back",
    "name",
    "recheck",
    "arm",
    "reboot",
];
/// Earlier updates that are told.
const RECORDS: usize = 5;

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    let status = agent.status().await?;
    if json {
        return text::print(&status.json);
    }
    text::print(&describe(&status.document))
}

/// The document as text.
pub(crate) fn describe(document: &Document) -> String {
    let mut out = field("Running", &document.running);
    out += &field("State", &phase(&document.state));
    if let Some(damage) = &document.damage {
        out += &field("Damage", damage);
    }
    if let Some(decision) = &document.decision {
        out += &field("Decision", &decision.reason);
    }
    if let Some(decided) = &document.decided {
        let made = format!("{}, on {}", time(decided.at), decided.release);
        out += &field("  Made", &made);
    }
    let entries: Vec<_> = document.entries.iter().map(entry).collect();
    out += &field("Boots", &entries.join(", "));
    if let Some(update) = &document.update {
        out += &field("Update", &format!("{} → {}", update.from, update.to));
        out += &cost(&update.cost);
    }
    for refused in &document.refused {
        let told = format!("{}: {}", refused.version, refused.reason);
        out += &field("Refused", &told);
    }
    for unfit in &document.unfit {
        let told = format!("{}: {}", unfit.version, unfit.reason);
        out += &field("Unfit", &told);
    }
    for record in document.history.iter().rev().take(RECORDS) {
        out += &past(record);
    }
    out
}

/// What the agent is doing, in a sentence.
pub(crate) fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Idle => "idle".into(),
        Phase::Checking => "checking".into(),
        Phase::Available { version } => format!("{version} is available"),
        Phase::Staging { version, step } => format!("staging {version} ({step})"),
        Phase::Staged { version, step } => format!("{version} is staged ({step})"),
        Phase::Armed { version } => format!("{version} is armed: the next reboot takes it"),
        Phase::Waiting {
            version,
            reason,
            who,
        } => {
            format!(
                "waiting with the reboot into {version} for the repository ({who} must act): {reason}"
            )
        }
        Phase::Disarmed { version, reason } => {
            format!("{version} was disarmed and is not booted, because {reason}")
        }
        Phase::OnTrial { from, to } => {
            let back = from.as_deref().unwrap_or("no other release");
            format!("{to} is on trial; {back} is the fall-back")
        }
        Phase::Committed { from, to } => format!("{to} is committed; it came after {from}"),
        Phase::GoingBack { from, to } => format!("rebooting from {from} back into {to}"),
        Phase::RolledBack { from, to, reason } => {
            format!("rolled back from {from} to {to}, because {reason}")
        }
        Phase::Failed { reason, who } => format!("failed ({who} must act): {reason}"),
    }
}

/// A time in milliseconds since 1970, to the second.
fn time(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok();
    let time = time.and_then(|time| Timestamp::from_millisecond(time).ok());
    time.map_or_else(
        || "at a time that no clock shows".into(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn entry(entry: &Entry) -> String {
    match entry.tries {
        None => format!("{} (good)", entry.version),
        // Why is told by the refusal: the operator may have gone back from a release that never failed.
        Some(tries) if tries.left == 0 => match tries.done {
            0 => format!("{} (not tried any more)", entry.version),
            1 => format!("{} (not tried any more, after 1 try)", entry.version),
            done => format!("{} (not tried any more, after {done} tries)", entry.version),
        },
        Some(tries) if tries.left == 1 => format!("{} (1 try left)", entry.version),
        Some(tries) => format!("{} ({} tries left)", entry.version, tries.left),
    }
}

fn past(record: &Record) -> String {
    let outcome = match &record.reason {
        Some(reason) => format!("{}: {reason}", record.outcome),
        None => record.outcome.clone(),
    };
    let told = format!("{} → {}, {outcome}", record.from, record.to);
    field("Earlier", &told) + &cost(&record.cost)
}

fn cost(cost: &Cost) -> String {
    let mut out = String::new();
    if cost.bytes_fetched > 0 {
        let fetched = HumanBytes(cost.bytes_fetched).to_string();
        out += &field("  Fetched", &fetched);
    }
    if !cost.seconds.is_empty() {
        let mut steps: Vec<_> = cost.seconds.iter().collect();
        steps.sort_by_key(|(step, _)| STEPS.iter().position(|s| s == step));
        let steps: Vec<_> = steps
            .iter()
            .map(|(step, seconds)| format!("{step} {seconds:.1} s"))
            .collect();
        out += &field("  Took", &steps.join(", "));
    }
    if !cost.packages.is_empty() {
        out += &field("  Changed", &packages(&cost.packages));
    }
    out
}

fn packages(changes: &[PackageChange]) -> String {
    let one = |change: &PackageChange| {
        let version = |v: &Option<String>| v.clone().unwrap_or_else(|| "none".into());
        let (from, to) = (version(&change.from), version(&change.to));
        format!("{} {from} → {to}", change.name)
    };
    let named: Vec<_> = changes.iter().take(PACKAGES).map(one).collect();
    let more = changes.len().saturating_sub(PACKAGES);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} of the packages: {}{rest}",
        changes.len(),
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Status;

    #[test]
    fn a_status_as_it_is_shown() {
        let json = r#"{"schema":1,"running":"2","health":null,"busy":false,"goal":"arm",
            "entries":[{"version":"1","tries":null},{"version":"2","tries":null},
                       {"version":"3","tries":{"left":0,"done":3}},
                       {"version":"4","tries":{"left":0,"done":0}}],
            "state":{"name":"committed","from":"1","to":"2"},
            "decision":{"version":null,"reason":"2 runs already","verdicts":["2 runs already"]},
            "decided":{"release":"2","at":1796139611999},
            "update":null,
            "refused":[{"version":"3","reason":"it was not healthy: units: failed: containerd.service"}],
            "unfit":[{"version":"5","manifest":"7","reason":"it has no signature","who":"server"}],
            "history":[{"from":"1","to":"2","outcome":"committed","bytes_fetched":1048576,
                "seconds":{"write":1.25,"arm":0.5},
                "packages":[{"name":"linux","from":"6.1","to":"6.2"},{"name":"new","from":null,"to":"1"}]}]}"#;
        let status = Status::parse(json.into()).unwrap();
        let expected = "\
Running   2
State     2 is committed; it came after 1
Decision  2 runs already
  Made    2026-12-01T15:40:11Z, on 2
Boots     1 (good), 2 (good), 3 (not tried any more, after 3 tries), 4 (not
          tried any more)
Refused   3: it was not healthy: units: failed: containerd.service
Unfit     5: it has no signature
Earlier   1 → 2, committed
  Fetched 1.00 MiB
  Took    write 1.2 s, arm 0.5 s
  Changed 2 of the packages: linux 6.1 → 6.2, new none → 1
";
        assert_eq!(describe(&status.document), expected);
    }
}
