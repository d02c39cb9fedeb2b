//! What a machine wrote to a serial port: lines with the time they came, to wait on and to show when something fails.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Is called with each line as it comes.
pub type Watcher = Box<dyn Fn(&Line) + Send>;

/// One line, without its end and without the terminal's control sequences.
#[derive(Debug, Clone)]
pub struct Line {
    /// Since the machine was switched on.
    pub at: Duration,
    /// The text.
    pub text: String,
}

/// All lines so far. Clones show the same lines.
#[derive(Clone)]
pub struct Transcript {
    shared: Arc<Shared>,
}

/// Why waiting ended without the line that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// The time was up.
    #[error("it did not come within the time given")]
    Timeout,
    /// The machine ended.
    #[error("the machine ended")]
    Closed,
}

struct Shared {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    closed: bool,
}

impl Transcript {
    /// Starts to read `stream`; every line also goes to the file `log` and to `watcher`.
    ///
    /// # Errors
    /// When the log cannot be made.
    pub fn follow(stream: UnixStream, log: &Path, watcher: Option<Watcher>) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let transcript = Self {
            shared: Arc::new(Shared {
                lines: Mutex::default(),
                more: Condvar::new(),
            }),
        };
        let writer = transcript.clone();
        std::thread::spawn(move || {
            writer.read_all(stream, log, watcher.as_ref());
            writer.lock().closed = true;
            writer.shared.more.notify_all();
        });
        Ok(transcript)
    }

    /// How many lines there are: the place from which to wait for what comes next.
    pub fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line from `from` on that `wanted` accepts; gives the place after it and the line.
    ///
    /// # Errors
    /// [`Silence`] when it does not come.
    pub fn wait(
        &self,
        from: usize,
        timeout: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Result<(usize, Line), Silence> {
        let end = Instant::now() + timeout;
        let mut next = from;
        let mut lines = self.lock();
        loop {
            while let Some(line) = lines.lines.get(next) {
                next += 1;
                if wanted(&line.text) {
                    return Ok((next, line.clone()));
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if lines.closed {
                return Err(Silence::Closed);
            }
            if left.is_zero() {
                return Err(Silence::Timeout);
            }
            lines = self
                .shared
                .more
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The lines in `[from, to)`.
    pub fn between(&self, from: usize, to: usize) -> Vec<Line> {
        self.lock().lines.get(from..to).unwrap_or_default().to_vec()
    }

    /// The last `count` lines as text, each with its time.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lock();
        let start = lines.lines.len().saturating_sub(count);
        lines.lines[start..]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read_all(&self, mut stream: UnixStream, mut log: File, watcher: Option<&Watcher>) {
        let started = Instant::now();
        let mut pending = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            pending.extend_from_slice(&buffer[..count]);
            while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                let raw: Vec<u8> = pending.drain(..=end).collect();
                let line = Line {
                    at: started.elapsed(),
                    text: plain(&String::from_utf8_lossy(&raw)),
                };
                // The log is for people; a full disk must not end the test.
                let _ = writeln!(log, "{line}");
                if let Some(watcher) = watcher {
                    watcher(&line);
                }
                self.lock().lines.push(line);
                self.shared.more.notify_all();
            }
        }
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} lines)", self.len())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8.2} {}", self.at.as_secs_f64(), self.text)
    }
}

/// `text` without carriage returns and terminal control sequences (ECMA-48 CSI, OSC and two-byte escapes).
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => skip_escape(&mut chars),
            '\r' | '\n' | '\0' | '\x07' | '\x08' => {}
            _ => plain.push(char),
        }
    }
    plain
}

fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            chars.find(|char| ('@'..='~').contains(char));
        }
        Some(']') => {
            chars.find(|&char| char == '\x07' || char == '\\');
        }
        Some('(' | ')') => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Silence, Transcript, plain};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn control_sequences_are_dropped() {
        let table = [
            ("\x1b[01;01H\x1b[=3hBdsDxe: failed\r\n", "BdsDxe: failed"),
            ("[\x1b[0;32m  OK  \x1b[0m] Reached\r\n", "[  OK  ] Reached"),
            ("\x1b]0;title\x07text\n", "text"),
            ("plain\n", "plain"),
        ];
        for (written, wanted) in table {
            assert_eq!(plain(written), wanted);
        }
    }

    #[test]
    fn waits_from_a_place_and_tells_when_the_machine_ended() {
        let directory = tempfile::tempdir().unwrap();
        let (mut port, reader) = UnixStream::pair().unwrap();
        let transcript = Transcript::follow(reader, &directory.path().join("log"), None).unwrap();
        port.write_all(b"one\ntwo\nhalf").unwrap();
        let soon = Duration::from_secs(10);
        let (next, line) = transcript.wait(0, soon, |text| text == "one").unwrap();
        assert_eq!((next, line.text.as_str()), (1, "one"));
        assert_eq!(
            transcript.wait(next, soon, |text| text == "two").unwrap().0,
            2
        );
        let nothing = transcript.wait(next, Duration::from_millis(1), |text| text == "one");
        assert_eq!(nothing.unwrap_err(), Silence::Timeout);
        drop(port);
        let ended = transcript.wait(2, soon, |_| true);
        assert_eq!(ended.unwrap_err(), Silence::Closed);
    }
}
