//! One run of an external program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::place::Program;
use super::running::{self, Running};
use crate::error::{Error, Result};

/// How many bytes of the end of standard error an error carries.
const TAIL: usize = 2000;

/// An external program with its arguments, ready to run.
///
/// Standard input is empty unless given; the working directory and the environment are the caller's.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run or spawned"]
pub struct ToolCommand {
    name: String,
    program: Result<Program>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    clean_env: bool,
    without_env: &'static [&'static str],
    directory: Option<PathBuf>,
    input: Option<Vec<u8>>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    limit: Option<Duration>,
}

impl ToolCommand {
    pub(super) fn new(name: PathBuf, program: Result<Program>) -> Self {
        Self {
            name: name.display().to_string(),
            program,
            args: Vec::new(),
            env: Vec::new(),
            clean_env: false,
            without_env: &[],
            directory: None,
            input: None,
            stdin: None,
            stdout: None,
            stderr: None,
            limit: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Leaves out all that the caller's environment holds.
    pub fn clean_env(mut self) -> Self {
        self.clean_env = true;
        self
    }

    /// Leaves out those variables of the caller's environment whose names start so.
    pub fn without_env(mut self, prefixes: &'static [&'static str]) -> Self {
        self.without_env = prefixes;
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Gives `bytes` to standard input; for [`Self::run`] only.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Where standard input comes from.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Where standard output goes, instead of being captured ([`Self::run`]) or dropped ([`Self::spawn`]).
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where standard error goes, instead of into the error ([`Self::run`]) or being dropped ([`Self::spawn`]).
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Kills the program and all of its process group when it takes longer; for [`Self::run`] only.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The program's path and what follows it on the command line, for a script that is to start it.
    ///
    /// # Errors
    /// [`Error::FindTool`], [`Error::FindToolInTree`].
    pub fn words(self) -> Result<Vec<OsString>> {
        let program = self.program?;
        let mut words = vec![program.path.into_os_string()];
        words.extend(program.before);
        words.extend(self.args);
        Ok(words)
    }

    /// Runs the program to its end and returns what it wrote to standard output.
    ///
    /// # Errors
    /// [`Error::FindTool`], [`Error::FindToolInTree`], [`Error::StartTool`]; [`Error::RunTool`] for an exit status
    /// other than 0; [`Error::ToolTimeout`] when it takes longer than its limit.
    pub fn run(mut self) -> Result<Vec<u8>> {
        let input = self.input.take();
        if input.is_some() {
            self.stdin = Some(Stdio::piped());
        }
        self.stdout.get_or_insert_with(Stdio::piped);
        self.stderr.get_or_insert_with(Stdio::piped);
        let (name, limit) = (self.name.clone(), self.limit);
        let mut child = self.start()?;
        let output = running::collect(&mut child, input, limit);
        let output = output.map_err(|source| Error::TalkToTool {
            program: name.clone(),
            source,
        })?;
        let stderr = tail(&output.stderr);
        match (output.status, limit) {
            (Some(status), _) if status.success() => Ok(output.stdout),
            (None, Some(limit)) => Err(Error::ToolTimeout {
                program: name,
                limit,
                stderr,
            }),
            (status, _) => Err(Error::RunTool {
                program: name,
                status: status.unwrap_or_default(),
                stderr,
            }),
        }
    }

    /// Starts the program and leaves it running: a server, a virtual machine. It is killed when the value is dropped.
    ///
    /// # Errors
    /// [`Error::FindTool`], [`Error::FindToolInTree`], [`Error::StartTool`].
    pub fn spawn(mut self) -> Result<Running> {
        self.stdout.get_or_insert_with(Stdio::null);
        self.stderr.get_or_insert_with(Stdio::null);
        let name = self.name.clone();
        Ok(Running::new(name, self.start()?))
    }

    fn start(self) -> Result<Child> {
        let program = self.program?;
        let mut command = command(&program);
        if self.clean_env {
            command.env_clear();
        }
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if self.without_env.iter().any(|start| name.starts_with(start)) {
                command.env_remove(&*name);
            }
        }
        command.envs(program.env).envs(self.env).args(self.args);
        command.stdin(self.stdin.unwrap_or_else(Stdio::null));
        if let Some(stdout) = self.stdout {
            command.stdout(stdout);
        }
        if let Some(stderr) = self.stderr {
            command.stderr(stderr);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if self.limit.is_some() {
            // A group of its own, so that what it started can be killed with it.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        command.spawn().map_err(|source| match program.of_operator {
            true => Error::StartOperatorProgram {
                path: self.name.into(),
                source,
            },
            false => Error::StartTool {
                program: self.name,
                source,
            },
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the register of external programs starts them here"
)]
fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command.args(&program.before);
    command
}

/// The last lines of `bytes`, at most [`TAIL`] bytes of them.
fn tail(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(TAIL);
    let text = String::from_utf8_lossy(&bytes[start..]);
    let whole = match text.split_once('\n') {
        // The first line is cut.
        Some((_, rest)) if start > 0 => rest,
        _ => &text,
    };
    whole.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{TAIL, tail};

    #[test]
    fn tail_is_whole_lines() {
        assert_eq!(tail(b""), "");
        assert_eq!(tail(b"one\ntwo\n"), "one\ntwo");
        let long = format!("{}\nlast\n", "x".repeat(TAIL));
        assert_eq!(tail(long.as_bytes()), "last");
        assert_eq!(tail("y".repeat(TAIL + 1).as_bytes()), "y".repeat(TAIL));
    }
}
