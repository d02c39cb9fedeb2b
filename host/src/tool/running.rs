//! A program while it runs: its output, its end, its time limit.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};

use crate::error::{Error, Result};

/// Bytes of standard error that are kept, of its end; more than are told.
const KEPT: usize = 64 * 1024;

/// A program that was started and left running; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    pub(super) fn new(name: String, child: Child) -> Self {
        Self { name, child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, when that was asked to be a pipe; once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, when that was asked to be a pipe; once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// [`Error::TalkToTool`].
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        status.map_err(|source| self.talk(source))
    }

    /// Waits for its end, for at most `limit`; `None` when it still runs then.
    ///
    /// # Errors
    /// [`Error::TalkToTool`].
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        let ended = pidfd(&self.child)
            .and_then(|end| wait_for(&mut [PollFd::new(&end, PollFlags::IN)], Some(deadline)));
        match ended {
            Ok(_) => self.try_wait(),
            Err(source) => Err(self.talk(source)),
        }
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// [`Error::TalkToTool`].
    pub fn terminate(&mut self) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(pid(&self.child), Signal::TERM).map_err(|error| self.talk(error.into()))
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// [`Error::TalkToTool`].
    pub fn kill(&mut self) -> Result<ExitStatus> {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        ended.map_err(|source| self.talk(source))
    }

    fn talk(&self, source: io::Error) -> Error {
        Error::TalkToTool {
            program: self.name.clone(),
            source,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program wrote, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// `None` when it was killed for its time limit.
    pub(super) status: Option<ExitStatus>,
}

/// Reads what the program writes until it ends. Does not wait for programs it leaves behind with the same pipes.
pub(super) fn collect(
    child: &mut Child,
    input: Option<Vec<u8>>,
    limit: Option<Duration>,
) -> io::Result<Output> {
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        // A thread, since the program may write before it reads. It ends when the pipe breaks; a program that does
        // not want its input is its own business, its exit status tells.
        std::thread::spawn(move || stdin.write_all(&bytes));
    }
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut output = Output::default();
    if read_until_end(child, deadline, &mut output)? {
        output.status = Some(child.wait()?);
    } else {
        // Its own group (see `ToolCommand::start`), so the caller is not hit.
        let _ = kill_process_group(pid(child), Signal::KILL);
        child.wait()?;
    }
    Ok(output)
}

/// Returns whether the program ended before the deadline.
fn read_until_end(
    child: &mut Child,
    deadline: Option<Instant>,
    output: &mut Output,
) -> io::Result<bool> {
    let end = pidfd(child)?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut ended = false;
    loop {
        let mut watched = vec![PollFd::new(&end, PollFlags::IN)];
        watched.extend(stdout.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        watched.extend(stderr.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        // Once it ended, only what is already in the pipes is taken.
        let until = if ended {
            Some(Instant::now())
        } else {
            deadline
        };
        wait_for(&mut watched, until)?;
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        let now_ended = ready.first() == Some(&true);
        let (out_ready, err_ready) = match (&stdout, &stderr) {
            (Some(_), _) => (ready.get(1) == Some(&true), ready.get(2) == Some(&true)),
            (None, _) => (false, ready.get(1) == Some(&true)),
        };
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if ended && (late || !(out_ready || err_ready)) {
            return Ok(true);
        }
        if late && !now_ended {
            return Ok(false);
        }
        ended |= now_ended;
        if out_ready {
            take(&mut stdout, &mut output.stdout)?;
        }
        if err_ready {
            take(&mut stderr, &mut output.stderr)?;
            // Only its end is told: what a program writes until then must not fill the memory.
            let excess = output.stderr.len().saturating_sub(KEPT);
            output.stderr.drain(..excess);
        }
    }
}

/// Reads once; closes the pipe at its end.
fn take<R: Read>(pipe: &mut Option<R>, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    if let Some(reader) = pipe {
        match reader.read(&mut buffer)? {
            0 => *pipe = None,
            length => into.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(())
}

/// Waits until something is ready; returns 0 at the deadline.
fn wait_for(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(watched, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return Ok(ready?),
        }
    }
}

fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid(child), PidfdFlags::empty())?)
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}
