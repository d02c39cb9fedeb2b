//! What the demo showed, each value as the machine reported it.

use std::time::Duration;

use acl_tests::node::Status;
use acl_tests::releases::Release;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::screen::say;

/// The summary, as it is written to `target/demo/summary.json`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The versions that the machine ran, in order: at first, after the update, and the one that it left.
    releases: [String; 3],
    /// The outcome of the update: `committed`.
    update: String,
    /// The outcome of the broken one: `rolled-back`.
    bad_update: String,
    /// What the update took from the network.
    bytes_fetched: u64,
    seconds: Seconds,
    /// Packages that the update changed.
    changed_packages: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Seconds {
    /// Programs, keys, three releases, tools; on the host.
    build: f64,
    /// From the first step of the update to its boot entry; on the machine.
    stage: f64,
    /// From asking for the reboot to the new release being committed; on the machine.
    reboot: f64,
    /// The whole demo; on the host.
    total: f64,
}

impl Summary {
    pub(super) fn of(
        before: &Status,
        after: &Status,
        back: &Status,
        build: Duration,
        total: Duration,
    ) -> Result<Self> {
        let (update, bad) = (after.last_update(), back.last_update());
        let seconds = update["seconds"]
            .as_object()
            .context("the machine told no times")?;
        let spent = |wanted: &dyn Fn(&str) -> bool| -> f64 {
            let of_steps = seconds.iter().filter(|(step, _)| wanted(step));
            of_steps.filter_map(|(_, seconds)| seconds.as_f64()).sum()
        };
        Ok(Self {
            releases: [before.running(), after.running(), text(&bad["from"])].map(str::to_owned),
            update: text(&update["outcome"]).to_owned(),
            bad_update: text(&bad["outcome"]).to_owned(),
            bytes_fetched: update["bytes_fetched"]
                .as_u64()
                .context("the machine told no bytes")?,
            seconds: Seconds {
                build: rounded(build.as_secs_f64()),
                stage: rounded(spent(&|step| step != "reboot")),
                reboot: rounded(spent(&|step| step == "reboot")),
                total: rounded(total.as_secs_f64()),
            },
            changed_packages: update["packages"].as_array().cloned().unwrap_or_default(),
        })
    }

    /// Whether all of it happened.
    pub(super) fn check(&self) -> Result<()> {
        let releases = Release::ALL.map(Release::version);
        ensure!(
            self.releases == releases,
            "the machine ran {:?}, not {releases:?}",
            self.releases
        );
        ensure!(
            self.update == "committed",
            "the update ended {:?}",
            self.update
        );
        ensure!(
            self.bad_update == "rolled-back",
            "the broken update ended {:?}",
            self.bad_update
        );
        ensure!(self.bytes_fetched > 0, "the machine fetched nothing");
        ensure!(!self.changed_packages.is_empty(), "no package changed");
        Ok(())
    }

    pub(super) fn print(&self) {
        let [first, second, broken] = &self.releases;
        let Seconds {
            build,
            stage,
            reboot,
            total,
        } = self.seconds;
        say(format_args!("  {first} -> {second}    {}", self.update));
        say(format_args!(
            "  {second} -> {broken}    {}",
            self.bad_update
        ));
        say(format_args!(
            "  fetched           {:.1} MB",
            megabytes(self.bytes_fetched)
        ));
        say(format_args!("  build             {build} s"));
        say(format_args!("  stage             {stage} s"));
        say(format_args!("  reboot and prove  {reboot} s"));
        say(format_args!("  in all            {total} s"));
        say(format_args!(
            "  changed packages  {}",
            self.changed_packages.len()
        ));
        for package in &self.changed_packages {
            let [from, to] = ["from", "to"].map(|key| package[key].as_str().unwrap_or("none"));
            let name = text(&package["name"]);
            say(format_args!("    {name} {from} → {to}"));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use acl_tests::node::Status;
    use serde_json::json;
    use std::time::Duration;

    fn summary(bad_outcome: &str) -> Summary {
        let update = json!({
            "from": "1.0.0", "to": "1.1.0", "outcome": "committed", "bytes_fetched": 7,
            "seconds": {"write": 1.5, "arm": 0.25, "reboot": 30.0},
            "packages": [{"name": "libssl3t64", "from": "1", "to": "2"}],
        });
        let bad = json!({ "from": "1.2.0", "to": "1.1.0", "outcome": bad_outcome });
        let status = |running: &str, history: serde_json::Value| {
            Status(json!({ "running": running, "history": history }))
        };
        Summary::of(
            &status("1.0.0", json!([])),
            &status("1.1.0", json!([update])),
            &status("1.1.0", json!([update, bad])),
            Duration::from_secs(1),
            Duration::from_millis(2_340),
        )
        .unwrap()
    }

    #[test]
    fn values_are_the_machines() {
        let summary = summary("rolled-back");
        summary.check().unwrap();
        let wanted = json!({
            "releases": ["1.0.0", "1.1.0", "1.2.0"],
            "update": "committed",
            "bad_update": "rolled-back",
            "bytes_fetched": 7,
            "seconds": {"build": 1.0, "stage": 1.8, "reboot": 30.0, "total": 2.3},
            "changed_packages": [{"name": "libssl3t64", "from": "1", "to": "2"}],
        });
        assert_eq!(serde_json::to_value(summary).unwrap(), wanted);
    }

    #[test]
    fn another_outcome_is_a_failure() {
        assert_eq!(
            summary("committed").check().unwrap_err().to_string(),
            "the broken update ended \"committed\""
        );
    }
}
