//! A machine as its operator sees it: through `aclctl`.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::machine::{BOOT, Machine};
use crate::shell::Output;

/// How long staging may take: 20 to 40 s on an idle host without KVM.
pub const STAGE: Duration = Duration::from_secs(400);
/// How long the trial of a release may take after its shell is up: the health checks give up after 5 minutes.
pub const TRIAL: Duration = Duration::from_secs(400);

/// A machine that runs ACL.
#[derive(Debug)]
pub struct Node {
    machine: Machine,
}

/// What `aclctl status --json` says.
#[derive(Debug, Clone)]
pub struct Status(pub Value);

impl Node {
    /// Waits until the machine is up.
    ///
    /// # Errors
    /// With the end of the console, when it does not come up.
    pub fn wait_for(mut machine: Machine) -> Result<Self> {
        machine.wait_for_boot(BOOT)?;
        Ok(Self { machine })
    }

    /// The machine.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Runs `aclctl` with `arguments`.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn aclctl(&mut self, arguments: &str) -> Result<Output> {
        self.machine.run_long(&format!("aclctl {arguments}"), STAGE)
    }

    /// Runs `aclctl` with `arguments`; it has to succeed.
    ///
    /// # Errors
    /// With what it wrote and the agent's log, when it fails.
    pub fn aclctl_ok(&mut self, arguments: &str) -> Result<String> {
        let output = self.aclctl(arguments)?;
        if output.status != 0 {
            let error = anyhow!(
                "`aclctl {arguments}` ended with {}: {}",
                output.status,
                output.text
            );
            return Err(self.explain(error));
        }
        Ok(output.text)
    }

    /// What the agent says now.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&mut self) -> Result<Status> {
        let text = self.aclctl_ok("status --json")?;
        let value = serde_json::from_str(&text)
            .with_context(|| format!("`aclctl status --json` wrote {text:?}"))?;
        Ok(Status(value))
    }

    /// Waits until the agent is in the state `name`, or one of `name|name`.
    ///
    /// # Errors
    /// With the agent's log, when it is not within `limit`.
    pub fn wait_for_state(&mut self, name: &str, limit: Duration) -> Result<Status> {
        let wait = format!(
            "until aclctl status --json | grep -Eq '\"name\": *\"({name})\"'; do sleep 1; done"
        );
        if let Err(error) = self.machine.run_long(&wait, limit) {
            return Err(self.explain(error.context(format!("the agent is not {name}"))));
        }
        self.status()
    }

    /// Stages and arms what is offered.
    ///
    /// # Errors
    /// When it does not end with an armed release.
    pub fn stage(&mut self) -> Result<Status> {
        self.aclctl_ok("stage")?;
        let status = self.status()?;
        if status.state() != "armed" {
            let error = anyhow!("after `aclctl stage` the state is {}", status.0);
            return Err(self.explain(error));
        }
        Ok(status)
    }

    /// Waits through reboots until the machine runs `version`.
    ///
    /// # Errors
    /// With the end of the console, when it does not within `boots` boots.
    pub fn wait_until_running(&mut self, version: &str, boots: u32) -> Result<()> {
        for _ in 0..boots {
            self.machine.wait_for_boot(BOOT)?;
            if self.running()? == version {
                return Ok(());
            }
        }
        bail!("{version} did not run within {boots} boots");
    }

    /// The version of the running image.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn running(&mut self) -> Result<String> {
        self.machine
            .ask(". /usr/lib/os-release; echo \"$IMAGE_VERSION\"")
    }

    /// The boot entries on the ESP, sorted.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn entries(&mut self) -> Result<Vec<String>> {
        let names = self.machine.ask("cd /efi 2>/dev/null && cd EFI/Linux 2>/dev/null || cd /boot/EFI/Linux; ls -A | LC_ALL=C sort")?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Shuts the machine down.
    ///
    /// # Errors
    /// When it stays on.
    pub fn shut_down(self) -> Result<()> {
        self.machine.shut_down()
    }

    /// `error`, with what the agent and the health checks logged.
    pub fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let ask = "journalctl --no-pager -b -n 60 -u 'acl-*'; systemctl --failed --no-pager";
        match self.machine.run(ask) {
            Ok(log) => anyhow!("{error:#}\n--- the agent's log ---\n{}\n---", log.text),
            Err(_) => error,
        }
    }
}

impl Status {
    /// The name of the state.
    pub fn state(&self) -> &str {
        self.text("/state/name")
    }

    /// The version that runs.
    pub fn running(&self) -> &str {
        self.text("/running")
    }

    /// The text at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The last update that has an outcome.
    pub fn last_update(&self) -> &Value {
        self.0
            .pointer("/history")
            .and_then(Value::as_array)
            .and_then(|history| history.last())
            .unwrap_or(&Value::Null)
    }
}
