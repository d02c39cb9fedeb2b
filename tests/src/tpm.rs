//! A TPM 2.0 for a machine: swtpm, whose state lies beside the machine's disk and so stays over its boots.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acl_host::tool::{Running, Tool, Tools};
use anyhow::{Result, bail};

/// How long swtpm may take to listen.
const START: Duration = Duration::from_secs(30);
/// Between two looks whether it does.
const PAUSE: Duration = Duration::from_millis(20);

/// A TPM that runs. It ends with the machine that it is plugged into, or with this value.
#[derive(Debug)]
pub struct Tpm {
    socket: PathBuf,
    _swtpm: Running,
    _directory: tempfile::TempDir,
}

impl Tpm {
    /// Starts a TPM with the state in the folder `state`; makes a new one where there is none.
    ///
    /// # Errors
    /// When swtpm does not start.
    pub fn start(tools: &Tools, state: &Path) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("tpm");
        let mut swtpm = tools
            .command(Tool::Swtpm)
            .args(["socket", "--tpm2", "--terminate", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", socket.display()))
            .spawn()?;
        let end = Instant::now() + START;
        while !socket.exists() {
            if let Some(status) = swtpm.try_wait()? {
                bail!("swtpm ended with {status}");
            }
            if Instant::now() > end {
                bail!("swtpm does not listen");
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Self {
            socket,
            _swtpm: swtpm,
            _directory: directory,
        })
    }

    /// The arguments of QEMU that plug it in.
    pub fn hardware(&self) -> [String; 6] {
        let socket = self.socket.display();
        [
            "-chardev".to_owned(),
            format!("socket,id=tpm,path={socket}"),
            "-tpmdev".to_owned(),
            "emulator,id=tpm,chardev=tpm".to_owned(),
            "-device".to_owned(),
            "tpm-crb,tpmdev=tpm".to_owned(),
        ]
    }
}
