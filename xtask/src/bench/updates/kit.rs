//! The programs that the bench works with, none of them the host's: trees of Debian packages, entered without root.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use acl_tests::workspace::{self, Program};
use anyhow::Result;

/// The recipes of the peers, below the root of the sources.
const RECIPES: &str = "xtask/data/peers";
/// The programs of the peers, each under the name that their manuals use.
const PEERS: [Tool; 7] = [
    Tool::Casync,
    Tool::Curl,
    Tool::Mksquashfs,
    Tool::Openssl,
    Tool::Rauc,
    Tool::Xdelta3,
    Tool::Zstd,
];
/// Where casync looks for what speaks a protocol, and that program in Debian's package.
const PROTOCOLS: (&str, &str) = (
    "CASYNC_PROTOCOL_PATH",
    "usr/lib/casync/protocols/casync-http",
);

/// Everything that is made once.
#[derive(Debug)]
pub(super) struct Kit {
    /// QEMU, mkfs and fsck.
    pub(super) tools: Tools,
    /// What the bench makes and keeps.
    pub(super) directory: PathBuf,
    /// A directory with a starter for each program of the peers.
    starters: PathBuf,
}

/// A recipe of the peers.
pub(super) fn recipe(name: &str) -> PathBuf {
    workspace::root().join(RECIPES).join(name)
}

impl Kit {
    /// Makes what is missing.
    pub(super) fn ready() -> Result<Self> {
        workspace::build()?;
        let directory = workspace::target()?.join("bench/cache");
        std::fs::create_dir_all(&directory)?;
        let starters = directory.join("starters");
        start_by(&peers()?, &starters)?;
        Ok(Self {
            tools: workspace::tools()?,
            directory,
            starters,
        })
    }

    /// The environment in which a script finds the programs of the peers, and after them the host's.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let starters = self.starters.display();
        let path = format!("{starters}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        vec![
            ("PATH", path.into()),
            ("LC_ALL", "C.UTF-8".into()),
            (PROTOCOLS.0, self.starters.clone().into_os_string()),
        ]
    }
}

/// The tree of the peers' programs, made by the image builder.
fn peers() -> Result<PathBuf> {
    let printed = Program::Image
        .command()?
        .args(["tools", "--recipe"])
        .arg(recipe("tools.toml"))
        .arg("--cache")
        .arg(workspace::cache()?)
        .stderr(std::io::stderr())
        .run()?;
    Ok(PathBuf::from(String::from_utf8(printed)?.trim()))
}

/// Programs start each other by their plain names (rauc does mksquashfs), so each gets a script of its name.
fn start_by(tree: &Path, starters: &Path) -> Result<()> {
    std::fs::create_dir_all(starters)?;
    let tools = Tools::tree(tree);
    for tool in PEERS {
        let name = tool.program();
        starter(&starters.join(name), &tools.command(tool).words()?)?;
    }
    // casync's helper takes what it speaks from its name. In a tree a command line ends with that and the file.
    let helper = starters.join("casync-http");
    let mut words = tools.command(Tool::Casync).words()?;
    words.truncate(words.len().saturating_sub(2));
    words.extend([helper.clone(), tree.join(PROTOCOLS.1)].map(PathBuf::into_os_string));
    starter(&helper, &words)
}

fn starter(path: &Path, words: &[OsString]) -> Result<()> {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "));
    file::scratch(path, script.as_bytes())?;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o755),
    )?)
}
