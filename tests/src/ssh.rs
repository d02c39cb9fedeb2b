//! The way into a machine that its users take: SSH, from this host, with a key.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};

/// How long a login and a command that only asks may take.
const LOGIN: Duration = Duration::from_secs(120);

/// A key pair.
#[derive(Debug)]
pub struct Key {
    private: PathBuf,
    /// The public half, as a line of `authorized_keys`.
    pub public: String,
}

/// The machine's port 22, seen from this host.
#[derive(Debug)]
pub struct Door {
    port: u16,
    known_hosts: PathBuf,
}

impl Key {
    /// Makes one, in the file `name` of `directory`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(tools: &Tools, directory: &Path, name: &str) -> Result<Self> {
        let private = directory.join(name);
        tools
            .command(Tool::SshKeygen)
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&private)
            .run()?;
        let public = file::read_to_string(private.with_extension("pub"))?;
        Ok(Self {
            private,
            public: public.trim_end().to_owned(),
        })
    }
}

impl Door {
    /// A port of the loopback that is free now; what is known of the machine goes to `directory`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn choose(directory: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        Ok(Self {
            port: listener.local_addr()?.port(),
            known_hosts: directory.join("known_hosts"),
        })
    }

    /// The option of QEMU's user network that opens it.
    pub fn network(&self) -> String {
        format!("hostfwd=tcp:127.0.0.1:{}-:22", self.port)
    }

    /// From now on only a machine with this public key is talked to.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn trust(&self, host_key: &str) -> Result<()> {
        let line = format!("[127.0.0.1]:{} {host_key}\n", self.port);
        Ok(file::scratch(&self.known_hosts, line.as_bytes())?)
    }

    /// Logs in as `user` with `key` alone, and runs `command`; gives what it wrote to standard output.
    ///
    /// # Errors
    /// With what ssh says, when the machine does not let the user in, or the command fails.
    pub fn run(&self, tools: &Tools, user: &str, key: &Key, command: &str) -> Result<String> {
        let known_hosts = self.known_hosts.display();
        let port = self.port.to_string();
        let written = tools
            .command(Tool::Ssh)
            // Nothing of the person who runs the tests: settings, agent, keys, hosts.
            .args([
                "-F",
                "none",
                "-o",
                "IdentityAgent=none",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "GlobalKnownHostsFile=none", "-o"])
            .arg(format!("UserKnownHostsFile=\"{known_hosts}\""))
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"])
            .args(["-p", &port, "-l", user, "-i"])
            .arg(&key.private)
            .args(["127.0.0.1", command])
            .limit(LOGIN)
            .run()?;
        Ok(String::from_utf8(written)?.trim_end().to_owned())
    }
}
