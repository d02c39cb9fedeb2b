//! An update server: a repository served by `acl-release serve`, with a gate in front of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

use acl_host::tool::Running;
use anyhow::{Context, Result};

use crate::gate::Gate;
use crate::handover::Handover;
use crate::repository::{CHANNEL, Repository};
use crate::workspace::Program;

/// The host, as a machine sees it over QEMU's user-mode network.
const HOST: &str = "10.0.2.2";
const TRUSTED_ROOT: &str = "/etc/acl/trust/root.json";

/// A running update server.
#[derive(Debug)]
pub struct Site {
    /// The way to it; machines know only this.
    pub gate: Gate,
    repository: Repository,
    server: Running,
}

impl Site {
    /// Serves `repository`.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn serve(repository: Repository) -> Result<Self> {
        let (server, address) = start(&repository)?;
        Ok(Self {
            gate: Gate::in_front_of(address)?,
            repository,
            server,
        })
    }

    /// From now on serves `repository` at the same address.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn serve_instead(&mut self, repository: &Repository) -> Result<()> {
        let (server, address) = start(repository)?;
        self.gate.lead_to(address);
        self.server = server;
        Ok(())
    }

    /// What it serves.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// A handover that has a machine take its updates from here, and do nothing unless it is told to.
    ///
    /// # Errors
    /// When the root of trust cannot be read.
    pub fn handover(&self) -> Result<Handover> {
        self.handover_with("automatic = \"off\"\n")
    }

    /// As [`Self::handover`], with `settings` instead of an agent that waits to be told.
    ///
    /// # Errors
    /// When the root of trust cannot be read.
    pub fn handover_with(&self, settings: &str) -> Result<Handover> {
        let port = self.gate.address().port();
        let config = format!(
            "server = \"http://{HOST}:{port}/\"\nroot = \"{TRUSTED_ROOT}\"\nchannel = \"{CHANNEL}\"\n{settings}"
        );
        Ok(Handover::default()
            .file("/etc/acl/updater.d/50-site.toml", 0o644, config)
            .file(TRUSTED_ROOT, 0o644, self.repository.root()?))
    }
}

fn start(repository: &Repository) -> Result<(Running, SocketAddr)> {
    let mut server = Program::Release
        .command()?
        .arg("serve")
        .arg(repository.directory())
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let said = server.take_stdout().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    let address = line
        .trim()
        .rsplit_once("http://")
        .and_then(|(_, address)| address.parse().ok())
        .with_context(|| format!("the server did not tell its address but {line:?}"))?;
    Ok((server, address))
}
