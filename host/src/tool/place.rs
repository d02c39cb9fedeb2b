//! Where programs are taken from: the host, or a tools tree.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Tool, ToolCommand};
use crate::environment;
use crate::error::{Error, Result};

/// Where programs are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The root of the tools tree; `None` for the host.
    tree: Option<PathBuf>,
}

/// A program that was found, and how it is started.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// What stands between the path and the arguments of the tool.
    pub(super) before: Vec<OsString>,
    pub(super) env: Vec<(&'static str, OsString)>,
    /// Whether it is the operator's, who is then the one to mend it.
    pub(super) of_operator: bool,
}

/// Where Debian keeps shared libraries that are not found without being told, below the tree's root.
const LIBRARIES: [&str; 4] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/systemd",
    "usr/lib/x86_64-linux-gnu/pulseaudio",
    "usr/lib/x86_64-linux-gnu/swtpm",
];

/// Not in the `PATH` of an ordinary user of Debian, and yet the home of mkfs, veritysetup and apt-helper.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/apt"];

impl Tools {
    /// Programs of the host: `PATH`, and the sbin directories, which an ordinary user's `PATH` lacks.
    pub fn host() -> Self {
        Self { tree: None }
    }

    /// Programs of a tools tree: an unpacked Debian root, used without chroot and without root.
    ///
    /// Each program is started through the tree's own dynamic linker with the tree's own libraries, Python programs
    /// through the tree's own interpreter. Programs that they start themselves are the host's. What acts on the host
    /// (cargo, sudo, setpriv, an operator's program) is taken from the host all the same.
    pub fn tree(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        // A command may run in another directory than the caller's.
        let absolute = std::path::absolute(&directory).unwrap_or(directory);
        Self {
            tree: Some(absolute),
        }
    }

    /// The command that starts `tool`. A missing program is told when the command is run.
    pub fn command(&self, tool: Tool) -> ToolCommand {
        ToolCommand::new(tool.program(), self.find(&tool))
    }

    /// Whether `tool` is there.
    ///
    /// # Errors
    /// [`Error::FindTool`] or [`Error::FindToolInTree`], with the package to install.
    pub fn require(&self, tool: &Tool) -> Result<()> {
        self.find(tool).map(|_| ())
    }

    /// A data file that comes with the tools (firmware, say), by its path below the root: `usr/share/OVMF/…`.
    pub fn data(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.tree
            .as_deref()
            .unwrap_or(Path::new("/"))
            .join(relative)
    }

    fn find(&self, tool: &Tool) -> Result<Program> {
        match &self.tree {
            Some(tree) if !tool.of_the_host() => in_tree(tree, tool),
            _ => on_host(tool),
        }
    }
}

fn on_host(tool: &Tool) -> Result<Program> {
    let name = tool.program();
    let (path, env) = match tool {
        Tool::Operator(path) if is_missing(path) => {
            return Err(Error::FindOperatorProgram { path: name });
        }
        Tool::Own(path) if is_missing(path) => return Err(Error::FindOwnProgram { path: name }),
        Tool::Operator(_) | Tool::Own(_) => (name, Vec::new()),
        _ => (search(&name, tool)?, plain_messages()),
    };
    Ok(Program {
        path,
        before: Vec::new(),
        env,
        of_operator: matches!(tool, Tool::Operator(_)),
    })
}

/// Whether there is surely nothing; where that cannot be told, the start of the program says why.
fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

fn search(name: &Path, tool: &Tool) -> Result<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(SYSTEM_DIRECTORIES.map(PathBuf::from));
    let mut failed = None;
    for path in directories.map(|directory| directory.join(name)) {
        match is_program(&path) {
            Ok(true) => return Ok(path),
            Ok(false) => {}
            // A directory of somebody else: a shell passes it over, too.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(source) => failed = failed.or(Some(Error::ReadFile { path, source })),
        }
    }
    Err(failed.unwrap_or_else(|| Error::FindTool {
        program: name.display().to_string(),
        package: tool.package(),
    }))
}

fn in_tree(tree: &Path, tool: &Tool) -> Result<Program> {
    let (name, path) = file_in_tree(tree, tool)?;
    let python = starts_with_python(&path)?;
    let mut before = vec![
        "--library-path".into(),
        library_path(tree),
        "--argv0".into(),
    ];
    let mut env = plain_messages();
    if python {
        let (name, interpreter) = file_in_tree(tree, &Tool::Python3)?;
        before.extend([name.into(), interpreter.into()]);
    } else {
        // kmod, and others of many names, look at the one that they are started by.
        before.push(name.into());
    }
    if python || *tool == Tool::Python3 {
        env.push(("PYTHONHOME", tree.join("usr").into()));
        env.push((
            "PYTHONPATH",
            tree.join("usr/lib/python3/dist-packages").into(),
        ));
        env.push(("PYTHONDONTWRITEBYTECODE", "1".into()));
    }
    if *tool == Tool::QemuSystem {
        let modules = tree.join("usr/lib/x86_64-linux-gnu/qemu");
        env.push(("QEMU_MODULE_DIR", modules.into()));
    }
    before.push(path.into());
    Ok(Program {
        path: linker(tree),
        before,
        env,
        of_operator: false,
    })
}

/// Messages in English, whatever the language of the operator, since they go into errors and logs.
fn plain_messages() -> Vec<(&'static str, OsString)> {
    vec![("LC_ALL", "C.UTF-8".into())]
}

/// The dynamic linker. Its well-known name is a link, which may lead out of the tree.
fn linker(tree: &Path) -> PathBuf {
    let file = tree.join("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    if is_missing(&file) {
        inside(tree, tree.join("usr/lib64/ld-linux-x86-64.so.2"))
    } else {
        file
    }
}

/// The path of a program in the tree, and the file that this path leads to.
fn file_in_tree(tree: &Path, tool: &Tool) -> Result<(PathBuf, PathBuf)> {
    let name = tool.program();
    for directory in ["usr/bin", "usr/sbin", "usr/libexec"] {
        let path = tree.join(directory).join(&name);
        let file = inside(tree, path.clone());
        let found = is_program(&file);
        let found = found.map_err(|source| Error::ReadFile {
            path: file.clone(),
            source,
        })?;
        if found {
            return Ok((path, file));
        }
    }
    Err(Error::FindToolInTree {
        path: tree.join("usr/bin").join(&name),
        package: tool.package(),
    })
}

/// Follows absolute symbolic links (`/etc/alternatives/…`) inside of the tree; relative ones the kernel follows.
///
/// Not more of them than the kernel would (path_resolution(7)): they may lead in a circle.
fn inside(tree: &Path, mut path: PathBuf) -> PathBuf {
    for _ in 0..40 {
        let target = std::fs::read_link(&path).unwrap_or_default();
        match target.strip_prefix("/") {
            Ok(below) => path = tree.join(below),
            Err(_) => break,
        }
    }
    path
}

/// Whether a file that may be executed is there. A file that cannot be looked at is an error, and not "no".
fn is_program(path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(meta.is_file() && meta.permissions().mode() & 0o111 != 0),
        Err(error) if is_nothing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error says that nothing has the name.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn starts_with_python(path: &Path) -> Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .map_err(|source| Error::ReadFile {
            path: path.to_owned(),
            source,
        })?;
    let first = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    Ok(first.starts_with(b"#!") && first.windows(6).any(|word| word == b"python"))
}

fn library_path(tree: &Path) -> OsString {
    let directories: Vec<OsString> = LIBRARIES
        .iter()
        .map(|directory| tree.join(directory).into())
        .collect();
    directories.join(OsString::from(":").as_os_str())
}
