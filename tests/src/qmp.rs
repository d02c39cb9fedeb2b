//! The machine's control socket: the QEMU Machine Protocol, as much of it as the tests use.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// An answer takes milliseconds; a busy host may stretch it.
const ANSWER: Duration = Duration::from_secs(60);

/// A control socket on which commands were negotiated.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Reads QEMU's greeting and leaves negotiation mode.
    ///
    /// # Errors
    /// When what answers is not QEMU.
    pub fn open(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        let writer = stream.try_clone()?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
            writer,
        };
        let greeting = qmp.read()?;
        if greeting.get("QMP").is_none() {
            bail!("the control socket greets with {greeting}, not as QEMU does");
        }
        qmp.execute("qmp_capabilities")?;
        Ok(qmp)
    }

    /// Runs a command without arguments and gives its answer; events on the way are passed over.
    ///
    /// # Errors
    /// When QEMU refuses the command or does not answer.
    pub fn execute(&mut self, command: &str) -> Result<Value> {
        let line = json!({ "execute": command });
        writeln!(self.writer, "{line}")
            .with_context(|| format!("cannot send {command} to the machine"))?;
        loop {
            let mut message = self.read()?;
            if let Some(error) = message.get("error") {
                bail!("the machine refused {command}: {error}");
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count = self
            .reader
            .read_line(&mut line)
            .context("the machine's control socket is silent")?;
        if count == 0 {
            bail!("the machine closed its control socket");
        }
        serde_json::from_str(&line).with_context(|| format!("the machine said {line:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Qmp;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    /// A QEMU that plays back `answers`, one for each line it is sent, and gives back what it was sent.
    fn play(mut stream: UnixStream, answers: &'static [&str]) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut sent = String::new();
            stream.write_all(b"{\"QMP\": {}}\n").unwrap();
            for answer in answers {
                lines.read_line(&mut sent).unwrap();
                writeln!(stream, "{answer}").unwrap();
            }
            sent
        })
    }

    #[test]
    fn commands_pass_over_events() {
        let (near, far) = UnixStream::pair().unwrap();
        let answers = &[
            r#"{"return": {}}"#,
            "{\"event\": \"RESET\"}\n{\"return\": {\"status\": \"running\"}}",
        ];
        let qemu = play(far, answers);
        let mut qmp = Qmp::open(near).unwrap();
        assert_eq!(qmp.execute("query-status").unwrap()["status"], "running");
        assert_eq!(
            qemu.join().unwrap(),
            "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\"}\n"
        );
    }

    #[test]
    fn refusals_are_told() {
        let (near, far) = UnixStream::pair().unwrap();
        let answers = &[
            r#"{"return": {}}"#,
            r#"{"error": {"class": "CommandNotFound"}}"#,
        ];
        let qemu = play(far, answers);
        let error = Qmp::open(near).unwrap().execute("explode").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"the machine refused explode: {"class":"CommandNotFound"}"#
        );
        qemu.join().unwrap();
    }
}
