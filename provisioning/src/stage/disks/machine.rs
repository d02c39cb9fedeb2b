//! The machine whose disks are made: where its devices are, and what runs its programs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::{Tool, Tools};

use crate::{Error, Result};

/// A command line: what a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The program.
    pub tool: Tool,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Line {
    pub(crate) fn new<A: Into<String>>(tool: Tool, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            tool,
            args: args.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tool.program().display())?;
        self.args.iter().try_for_each(|arg| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,.:/@%".contains(c);
            match !arg.is_empty() && arg.chars().all(plain) {
                true => write!(f, " {arg}"),
                false => write!(f, " {arg:?}"),
            }
        })
    }
}

/// What runs command lines: the tools of the initrd, or in tests a recorder.
pub trait Programs: fmt::Debug + Send + Sync {
    /// Runs one to its end and returns its standard output.
    ///
    /// # Errors
    /// Those of [`acl_host::tool::ToolCommand::run`].
    fn run(&self, line: &Line, limit: Option<Duration>) -> acl_host::Result<Vec<u8>>;
}

impl Programs for Tools {
    fn run(&self, line: &Line, limit: Option<Duration>) -> acl_host::Result<Vec<u8>> {
        let command = self.command(line.tool.clone()).args(line.args.clone());
        match limit {
            Some(limit) => command.limit(limit).run(),
            None => command.run(),
        }
    }
}

/// The machine whose disks are made.
#[derive(Debug)]
pub struct Machine {
    /// What `/dev`, `/sys`, `/proc` and `/run` lie below: `/`, or in tests a directory.
    pub root: PathBuf,
    /// What runs the programs.
    pub programs: Box<dyn Programs>,
    /// How long a device is waited for, and udev.
    pub patience: Duration,
}

impl Machine {
    /// This machine. A device is waited for as long as systemd waits for one, 90 s.
    pub fn this() -> Self {
        Self {
            root: PathBuf::from("/"),
            programs: Box::new(Tools::host()),
            patience: Duration::from_secs(90),
        }
    }

    /// An absolute path of a config, or of the kernel, on this machine.
    pub(crate) fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root
            .join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Runs a command line; a failure is told as "cannot `action` `name`".
    pub(crate) fn run(&self, action: &str, name: &str, line: &Line) -> Result<Vec<u8>> {
        tracing::info!("{name}: {line}");
        self.programs
            .run(line, None)
            .map_err(|source| Error::Prepare {
                action: action.to_owned(),
                name: name.to_owned(),
                source,
            })
    }

    /// Whether udev runs.
    ///
    /// # Errors
    /// [`Error::Host`] when it cannot be told.
    pub(crate) fn has_udev(&self) -> Result<bool> {
        Ok(acl_host::file::exists(self.path("/run/udev/control"))?)
    }

    /// Waits until udev has seen all that happened so far; without udev there is nobody to wait for.
    pub(crate) fn settle(&self) -> Result<()> {
        if !self.has_udev()? {
            return Ok(());
        }
        let limit = format!("--timeout={}", self.patience.as_secs());
        let line = Line::new(Tool::Udevadm, ["settle", &limit]);
        self.programs.run(&line, Some(self.patience * 2))?;
        Ok(())
    }
}
