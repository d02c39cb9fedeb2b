//! A root shell on the machine's second serial port.
//!
//! It comes into an unmodified image as a unit of the config of the first boot ([`crate::handover`]), so it is not there
//! on a machine that nobody tests. Each boot announces itself by its boot ID: that is also how a test knows that the
//! machine has rebooted.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::transcript::{Silence, Transcript};

/// The script that the machine runs on its end.
pub const SCRIPT: &str = include_str!("shell.sh");

const READY: &str = "acl-shell ready ";

/// The near end of the shell.
#[derive(Debug)]
pub struct Shell {
    transcript: Transcript,
    writer: UnixStream,
    /// Where in the transcript the running boot began; before it, no shell is there.
    boot: Option<Boot>,
    /// Commands so far.
    commands: u64,
}

#[derive(Debug, Clone)]
struct Boot {
    id: String,
    begins: usize,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub status: i32,
    /// What it wrote to standard output and standard error.
    pub text: String,
}

impl Shell {
    /// The shell at the end of `stream`.
    ///
    /// # Errors
    /// When its log cannot be made.
    pub fn open(stream: UnixStream, log: &Path) -> Result<Self> {
        Ok(Self {
            writer: stream.try_clone()?,
            transcript: Transcript::follow(stream, log, None)?,
            boot: None,
            commands: 0,
        })
    }

    /// Waits until the shell of a boot answers that is not the one last waited for.
    ///
    /// # Errors
    /// [`Silence`] when none does.
    pub fn wait_for_boot(&mut self, timeout: Duration) -> Result<(), Silence> {
        let (from, last) = match &self.boot {
            Some(boot) => (boot.begins, boot.id.clone()),
            None => (0, String::new()),
        };
        let (begins, line) = self.transcript.wait(from, timeout, |text| {
            boot_id(text).is_some_and(|id| id != last)
        })?;
        self.boot = boot_id(&line.text).map(|id| Boot {
            id: id.to_owned(),
            begins,
        });
        Ok(())
    }

    /// Forgets what was said until now: a boot that announced itself unheard is not the next one.
    pub fn forget(&mut self) {
        if let Some(boot) = &mut self.boot {
            boot.begins = self.transcript.len();
        }
    }

    /// Runs `command` as root with /bin/bash.
    ///
    /// # Errors
    /// When no boot was waited for, or the machine does not answer, or reboots instead of answering.
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<Output> {
        let Some(boot) = &self.boot else {
            bail!("the machine was not waited for before `{command}`");
        };
        let from = self.transcript.len().max(boot.begins);
        let boot = boot.id.clone();
        let id = self.send(command)?;
        let (begin, end) = (
            format!("acl-shell begin {id}"),
            format!("acl-shell end {id} "),
        );
        let mut rebooted = false;
        let mut status = None;
        let answer = self.transcript.wait(from, timeout, |text| {
            rebooted = boot_id(text).is_some_and(|id| id != boot);
            status = text.strip_prefix(&end).and_then(|code| code.parse().ok());
            rebooted || status.is_some()
        });
        let (next, _) = answer.with_context(|| format!("no answer to `{command}`"))?;
        let Some(status) = status else {
            bail!("the machine rebooted while it ran `{command}`");
        };
        let lines = self.transcript.between(from, next - 1);
        let text: Vec<_> = lines
            .iter()
            .map(|line| line.text.as_str())
            .skip_while(|text| *text != begin)
            .skip(1)
            .collect();
        Ok(Output {
            status,
            text: text.join("\n").trim_end().to_owned(),
        })
    }

    /// Sends `command` and waits for no answer: one that ends the boot may end the shell before its
    /// answer is out. Gives its number.
    ///
    /// # Errors
    /// When the machine is gone already.
    pub fn send(&mut self, command: &str) -> Result<u64> {
        self.commands += 1;
        let id = self.commands;
        writeln!(self.writer, "{id} {}", STANDARD.encode(command))?;
        Ok(id)
    }
}

fn boot_id(text: &str) -> Option<&str> {
    text.strip_prefix(READY)
}

#[cfg(test)]
mod tests {
    use super::{Output, Shell};
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    /// A machine that writes `script` after it got one line.
    fn machine(mut port: UnixStream, script: &'static str) {
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(port.try_clone().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line, "1 dHJ1ZQ==\n");
            port.write_all(script.as_bytes()).unwrap();
            // The port stays open as long as the test runs.
            std::mem::forget(port);
        });
    }

    fn shell() -> (Shell, UnixStream, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"noise\nacl-shell ready first\n").unwrap();
        let mut shell = Shell::open(near, &directory.path().join("log")).unwrap();
        shell.wait_for_boot(SOON).unwrap();
        (shell, far, directory)
    }

    #[test]
    fn an_answer_is_what_stands_between_its_marks() {
        let (mut shell, far, _directory) = shell();
        machine(
            far,
            "late noise\nacl-shell begin 1\none\n\ntwo\n\nacl-shell end 1 3\n",
        );
        let wanted = Output {
            status: 3,
            text: "one\n\ntwo".to_owned(),
        };
        assert_eq!(shell.run("true", SOON).unwrap(), wanted);
    }

    #[test]
    fn a_reboot_ends_the_command_and_is_a_new_boot() {
        let (mut shell, far, _directory) = shell();
        machine(far, "acl-shell begin 1\nhalf\nacl-shell ready second\n");
        assert_eq!(
            shell.run("true", SOON).unwrap_err().to_string(),
            "the machine rebooted while it ran `true`"
        );
        shell.wait_for_boot(SOON).unwrap();
        assert_eq!(shell.boot.unwrap().id, "second");
    }

    #[test]
    fn a_command_may_take_its_answer_with_it() {
        let (mut shell, far, _directory) = shell();
        machine(far, "acl-shell begin 1\nacl-shell ready second\n");
        shell.send("true").unwrap();
        shell.wait_for_boot(SOON).unwrap();
        assert_eq!(shell.boot.unwrap().id, "second");
    }

    #[test]
    fn a_boot_that_nobody_waited_for_is_not_the_one_after_a_reset() {
        let (mut shell, mut far, _directory) = shell();
        far.write_all(b"acl-shell ready second\n").unwrap();
        while shell.transcript.len() < 3 {
            std::thread::sleep(Duration::from_millis(1));
        }
        shell.forget();
        far.write_all(b"acl-shell ready third\n").unwrap();
        shell.wait_for_boot(SOON).unwrap();
        assert_eq!(shell.boot.unwrap().id, "third");
    }

    #[test]
    fn nothing_is_run_before_the_machine_is_there() {
        let (near, _far) = UnixStream::pair().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Shell::open(near, &directory.path().join("log")).unwrap();
        assert_eq!(
            shell.run("true", SOON).unwrap_err().to_string(),
            "the machine was not waited for before `true`"
        );
    }
}
