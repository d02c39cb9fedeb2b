//! One first boot of one subject, on a fresh root.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use acl_host::file;
use anyhow::{Context, Result};
use tempfile::TempDir;

use super::cases::Case;
use crate::bench::usage::{self, Usage};

/// Where an initrd keeps what lies in memory; the same here.
const MEMORY: &str = "/dev/shm";

/// Who makes the machine.
#[derive(Debug)]
pub(super) enum Subject {
    /// `acl-provision`, by its path.
    Ours(PathBuf),
    /// Ignition, by its path.
    Ignition(PathBuf),
    /// Nobody: the same files are written and made durable, which is the least that it takes.
    Plain,
}

impl Subject {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "acl-provision",
            Self::Ignition(_) => "Ignition",
            Self::Plain => "plain write",
        }
    }

    /// What it takes until every file is durable.
    pub(super) fn boot(&self, case: &Case, config: &Path, scratch: &Path) -> Result<Usage> {
        let root = root(scratch)?;
        let made = match self {
            Self::Ours(program) => Boot::new(program, config, root.path(), true)?.run(),
            Self::Ignition(program) => Boot::new(program, config, root.path(), false)?.run(),
            Self::Plain => write(case, root.path()),
        }?;
        let synced = sync(root.path())?;
        check(case, root.path())?;
        Ok(made.then(synced))
    }
}

/// The least that stages want of a root.
fn root(scratch: &Path) -> Result<TempDir> {
    let root = tempfile::tempdir_in(scratch)?;
    let table = [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("etc/group", "root:x:0:\n"),
    ];
    for (path, text) in table {
        let path = root.path().join(path);
        file::make_parents(&path)?;
        file::scratch(path, text.as_bytes())?;
    }
    // Not of the measured time.
    sync(root.path())?;
    Ok(root)
}

/// The stages of one boot.
struct Boot<'a> {
    program: &'a Path,
    config: &'a Path,
    root: &'a Path,
    run: TempDir,
    ours: bool,
}

impl<'a> Boot<'a> {
    fn new(program: &'a Path, config: &'a Path, root: &'a Path, ours: bool) -> Result<Self> {
        let run = match Path::new(MEMORY).is_dir() {
            true => tempfile::tempdir_in(MEMORY),
            false => tempfile::tempdir(),
        };
        Ok(Self {
            program,
            config,
            root,
            run: run.context("cannot make a directory for the stages")?,
            ours,
        })
    }

    fn run(&self) -> Result<Usage> {
        let mut all = Usage::default();
        for stage in [
            "fetch-offline",
            "fetch",
            "kargs",
            "disks",
            "mount",
            "files",
            "umount",
        ] {
            // As the units of both: the network is not waited for when the config is there.
            if stage != "fetch" || !self.cache().try_exists()? {
                all = all.then(self.stage(stage)?);
            }
        }
        Ok(all)
    }

    fn stage(&self, stage: &str) -> Result<Usage> {
        let at = |name: &str| self.run.path().join(name).into_os_string();
        let mut arguments: Vec<OsString> = ["-log-to-stdout", "-platform", "file", "-stage", stage]
            .map(OsString::from)
            .into();
        arguments.extend(["-root".into(), self.root.as_os_str().to_owned()]);
        arguments.extend(["-config-cache".into(), self.cache().into_os_string()]);
        arguments.extend(["-neednet".into(), at("neednet")]);
        arguments.extend(["-state-file".into(), at("state")]);
        if self.ours {
            arguments.extend(["--run-directory".into(), at("own")]);
        }
        let config = self.config.as_os_str().to_owned();
        usage::of(
            self.program,
            &arguments,
            &[("IGNITION_CONFIG_FILE", config)],
        )
        .with_context(|| format!("the stage {stage} failed"))
    }

    fn cache(&self) -> PathBuf {
        self.run.path().join("config.json")
    }
}

/// Writes the files one after the other, as an archiver would.
fn write(case: &Case, root: &Path) -> Result<Usage> {
    let start = Instant::now();
    for (path, bytes) in &case.files {
        let path = root.join(path.trim_start_matches('/'));
        file::make_parents(&path)?;
        file::scratch(path, bytes)?;
    }
    Ok(only_time(start))
}

/// Waits until all that was written is durable.
fn sync(root: &Path) -> Result<Usage> {
    let root = File::open(root)?;
    let start = Instant::now();
    rustix::fs::syncfs(root)?;
    Ok(only_time(start))
}

fn only_time(start: Instant) -> Usage {
    Usage {
        seconds: start.elapsed().as_secs_f64(),
        ..Usage::default()
    }
}

/// What was fast did its work.
fn check(case: &Case, root: &Path) -> Result<()> {
    for (path, bytes) in &case.files {
        let found = file::read(root.join(path.trim_start_matches('/')))?;
        anyhow::ensure!(&found == bytes, "{path} is not what the config says");
    }
    Ok(())
}
