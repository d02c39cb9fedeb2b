//! A tang server, which unlocks volumes for machines of its network: tangd, one process a connection.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};

/// Its two keys: one signs its advertisement, one unlocks.
const KEYS: [(&str, &str); 2] = [
    ("signs.jwk", r#"{"alg":"ES512"}"#),
    ("unlocks.jwk", r#"{"alg":"ECMR"}"#),
];

/// A server. It serves as long as the process lives.
#[derive(Debug, Clone)]
pub struct Tang {
    tools: Tools,
    keys: PathBuf,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Tang {
    /// Serves new keys, which are kept in the folder `keys`, on a port of the loopback that is free.
    ///
    /// # Errors
    /// When the keys cannot be made, or no port is free.
    pub fn serve(tools: &Tools, keys: &Path) -> Result<Self> {
        std::fs::create_dir_all(keys)?;
        for (name, template) in KEYS {
            let jose = tools.command(Tool::Jose);
            let key = jose.args(["jwk", "gen", "-i", template]).run()?;
            file::scratch(keys.join(name), &key)?;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(AtomicUsize::new(0));
        let tang = Self {
            tools: tools.clone(),
            keys: keys.to_owned(),
            address,
            asked,
        };
        let server = tang.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                server.asked.fetch_add(1, Ordering::Relaxed);
                let server = server.clone();
                // A client that went away fails in what the test asserts.
                std::thread::spawn(move || answer(&server.tools, &server.keys, client));
            }
        });
        Ok(tang)
    }

    /// Its address as machines of QEMU's user network see it.
    pub fn url(&self) -> String {
        format!("http://10.0.2.2:{}", self.address.port())
    }

    /// The thumbprint of its signing key (RFC 7638 with SHA-256), by which a config knows the server.
    ///
    /// # Errors
    /// When jose fails.
    pub fn thumbprint(&self) -> Result<String> {
        let key = self.keys.join(KEYS[0].0);
        let jose = self.tools.command(Tool::Jose);
        let thumbprint = jose
            .args(["jwk", "thp", "-a", "S256", "-i"])
            .arg(key)
            .run()?;
        Ok(String::from_utf8(thumbprint)?.trim().to_owned())
    }

    /// How many connections there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// tangd reads its request and writes its answer like a service of inetd.
fn answer(tools: &Tools, keys: &Path, client: TcpStream) -> Result<()> {
    let output = Stdio::from(OwnedFd::from(client.try_clone()?));
    tools
        .command(Tool::Tangd)
        .arg(keys)
        .stdin(Stdio::from(OwnedFd::from(client)))
        .stdout(output)
        .run()?;
    Ok(())
}
