//! Where things are: the sources, the programs of the workspace, and what the tests make.
//!
//! Everything made stays below `target/`: `tests/` holds what is slow to make and is used again (keys, the tools tree,
//! releases), and the logs of the last run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use acl_host::tool::{Tool, ToolCommand, Tools};
use anyhow::{Context, Result};

/// The recipe of the image that is tested, below the root of the sources.
pub const RECIPE: &str = "image/recipes/acl.toml";

/// The programs of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The image builder.
    Image,
    /// The publisher.
    Release,
    /// The agent; runs on the machine, is part of the image.
    Updated,
    /// The operator's tool; runs on the machine, is part of the image.
    Ctl,
    /// The first boot; runs in the initrd, is part of the image.
    Provision,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Image,
        Self::Release,
        Self::Updated,
        Self::Ctl,
        Self::Provision,
    ];

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "acl-image",
            Self::Release => "acl-release",
            Self::Updated => "acl-updated",
            Self::Ctl => "aclctl",
            Self::Provision => "acl-provision",
        }
    }

    /// Where it was built to.
    ///
    /// # Errors
    /// When the target directory cannot be found.
    pub fn path(self) -> Result<PathBuf> {
        Ok(target()?.join("release").join(self.name()))
    }

    /// A command that starts it.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn command(self) -> Result<ToolCommand> {
        Ok(Tools::host().command(Tool::Own(self.path()?)))
    }
}

/// The root of the sources.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Cargo's target directory: the one that the running program was built into.
///
/// # Errors
/// When the program was moved out of it.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name == "release"))
        .and_then(Path::parent)
        .map(Path::to_owned)
        .with_context(|| {
            let program = program.display();
            format!("{program} is not below target/release: run it through cargo, with --release")
        })
}

/// A directory below `target/tests/`; made when missing.
///
/// # Errors
/// When it cannot be made.
pub fn directory(relative: impl AsRef<Path>) -> Result<PathBuf> {
    let path = target()?.join("tests").join(relative);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// A directory for what a test changes; emptied.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let path = directory("scratch")?.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    directory(Path::new("scratch").join(name))
}

/// The directory for the logs of the machine `name`.
///
/// # Errors
/// When it cannot be made.
pub fn logs(name: &str) -> Result<PathBuf> {
    directory(Path::new("logs").join(name))
}

/// Waits until no other test, in this process or another, has the lock `name`; it is held until the value is dropped.
///
/// # Errors
/// When the lock cannot be made.
pub fn turn(name: &str) -> Result<File> {
    let file = File::create(directory("")?.join(name))?;
    file.lock()?;
    Ok(file)
}

/// A command that starts cargo as a person would.
///
/// What cargo tells the programs that it runs about their own package stays away from it: ring's build script asks to be
/// run again whenever these variables change, so that half of the workspace would be compiled again each time cargo
/// is started another way.
pub fn cargo() -> ToolCommand {
    Tools::host()
        .command(Tool::Cargo)
        .without_env(&["CARGO_MANIFEST_", "CARGO_PKG_"])
        .current_dir(root())
}

/// Builds the programs, as they go into the image and as they run here. Takes no time when they are fresh.
///
/// # Errors
/// When they do not compile; what the compiler says goes to standard error.
pub fn build() -> Result<()> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if BUILT.get().is_some() {
        return Ok(());
    }
    let packages = Program::ALL.map(Program::name);
    cargo()
        .args(["build", "--release", "--quiet", "--locked", "--bins"])
        .args(packages.iter().flat_map(|name| ["--package", name]))
        .stderr(std::io::stderr())
        .run()
        .context("cannot build the workspace's programs")?;
    BUILT.get_or_init(|| ());
    Ok(())
}

/// Where the image builder keeps what it fetched: package lists, packages, the tools tree.
///
/// # Errors
/// When it cannot be made.
pub fn cache() -> Result<PathBuf> {
    directory("cache")
}

/// The tools tree (QEMU, firmware, openssl); made by the image builder when missing.
///
/// # Errors
/// When it cannot be made.
pub fn tools() -> Result<Tools> {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    if let Some(tree) = MADE.get() {
        return Ok(Tools::tree(tree));
    }
    build()?;
    let _turn = turn("tools.lock")?;
    let printed = Program::Image
        .command()?
        .args(["tools", "--test", "--recipe"])
        .arg(root().join(RECIPE))
        .arg("--cache")
        .arg(cache()?)
        .stderr(std::io::stderr())
        .run()?;
    let tree = PathBuf::from(String::from_utf8(printed)?.trim());
    Ok(Tools::tree(MADE.get_or_init(|| tree)))
}
