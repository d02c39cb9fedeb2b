//! What stands between a machine and its update server: a proxy that sees every request and can hold or falsify an
//! answer. With it a test stops a machine at a chosen moment, and plays a lying server.
//!
//! HTTP/1.1, one request a connection: the server is asked to close after its answer.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What the gate does with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Passes it on.
    Pass,
    /// Holds it after so many bytes of its body, until [`Gate::open`]; the client sees a server that stalls.
    Hold(u64),
    /// Flips all bits of the byte at this place of its body.
    Flip(u64),
}

/// Decides about a request from its path and from the paths that came before it.
pub type Rule = Box<dyn Fn(&str, &[String]) -> Action + Send>;

/// A proxy in front of a server.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    upstream: SocketAddr,
    rule: Rule,
    paths: Vec<String>,
    /// Bytes of bodies passed on.
    passed: u64,
    /// How often the gate was opened; an answer is held while this stays.
    opened: u64,
    holding: u32,
}

impl Gate {
    /// Stands in front of the server at `upstream`, on a port of the loopback that is free.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn in_front_of(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                upstream,
                rule: pass(),
                paths: Vec::new(),
                passed: 0,
                opened: 0,
                holding: 0,
            }),
            changed: Condvar::new(),
        });
        let server = Arc::clone(&shared);
        // Lives as long as the process: a test that is over asks nothing of it any more.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client or a server that went away is what tests are about; it fails in what the test asserts.
                std::thread::spawn(move || drop(server.answer(&client)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on leads to the server at `upstream`.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// From now on decides by `rule`.
    pub fn set_rule(&self, rule: impl Fn(&str, &[String]) -> Action + Send + 'static) {
        self.shared.lock().rule = Box::new(rule);
    }

    /// Passes everything on again, also what is held.
    pub fn open(&self) {
        let mut state = self.shared.lock();
        state.rule = pass();
        state.opened += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until an answer is held.
    ///
    /// # Errors
    /// When none is within `limit`; with the requests that came.
    pub fn wait_until_holding(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut state = self.shared.lock();
        while state.holding == 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no answer was held; requests so far: {:#?}", state.paths);
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(())
    }

    /// The paths asked for so far.
    pub fn paths(&self) -> Vec<String> {
        self.shared.lock().paths.clone()
    }

    /// How many bytes of bodies were passed on so far.
    pub fn passed(&self) -> u64 {
        self.shared.lock().passed
    }
}

fn pass() -> Rule {
    Box::new(|_, _| Action::Pass)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, client: &TcpStream) -> Result<()> {
        let (path, head) = read_request(client)?;
        let (action, upstream) = {
            let mut state = self.lock();
            let action = (state.rule)(&path, &state.paths);
            state.paths.push(path);
            (action, state.upstream)
        };
        let mut server = TcpStream::connect(upstream)?;
        server.write_all(head.as_bytes())?;
        let mut server = BufReader::new(server);
        let mut client = client;
        client.write_all(&read_head(&mut server)?)?;
        self.pass_body(&mut server, &mut client, action)
    }

    fn pass_body(
        &self,
        server: &mut impl Read,
        client: &mut impl Write,
        action: Action,
    ) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut done = 0;
        loop {
            let mut room = buffer.len();
            if let Action::Hold(at) = action
                && done <= at
            {
                if done == at {
                    self.hold();
                }
                room = room.min(usize::try_from(at - done)?.max(1));
            }
            let count = server.read(&mut buffer[..room])?;
            if count == 0 {
                return Ok(());
            }
            if let Action::Flip(at) = action
                && (done..done + count as u64).contains(&at)
            {
                let index = usize::try_from(at - done)?;
                buffer[index] = !buffer[index];
            }
            client.write_all(&buffer[..count])?;
            done += count as u64;
            self.lock().passed += count as u64;
        }
    }

    /// Waits until the gate is opened the next time.
    fn hold(&self) {
        let mut state = self.lock();
        let opened = state.opened;
        state.holding += 1;
        self.changed.notify_all();
        while state.opened == opened {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.holding -= 1;
    }
}

/// The path of a request, and its head with the wish to close the connection after the answer.
fn read_request(client: &TcpStream) -> Result<(String, String)> {
    let head = String::from_utf8(read_head(&mut BufReader::new(client))?)?;
    let path = head.split(' ').nth(1).context("no path in the request")?;
    let kept = head
        .lines()
        .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"))
        .collect::<Vec<_>>()
        .join("\r\n");
    Ok((
        path.to_owned(),
        format!("{kept}\r\nConnection: close\r\n\r\n"),
    ))
}

/// The lines up to the empty one, and that one.
fn read_head(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        if reader.read_until(b'\n', &mut head)? == 0 {
            bail!("the connection ended within a head");
        }
        if matches!(&head[start..], b"\r\n" | b"\n") {
            return Ok(head);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Gate};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// A gate in front of a server that answers every request with `0123456789`.
    fn gate() -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let gate = Gate::in_front_of(listener.local_addr().unwrap()).unwrap();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let head = BufReader::new(&client).lines().map_while(Result::ok);
                let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
                assert!(head.contains(&"Connection: close".to_owned()), "{head:?}");
                client
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")
                    .unwrap();
            }
        });
        gate
    }

    fn ask(gate: &Gate, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(gate.address()).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
        )
        .unwrap();
        stream
    }

    fn body(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer: String = answer.into_iter().map(char::from).collect();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn passes_and_counts() {
        let gate = gate();
        assert_eq!(body(ask(&gate, "/a")), "0123456789");
        assert_eq!(body(ask(&gate, "/b")), "0123456789");
        assert_eq!(gate.paths(), ["/a", "/b"]);
        assert_eq!(gate.passed(), 20);
    }

    #[test]
    fn flips_what_the_rule_says() {
        let gate = gate();
        gate.set_rule(|path, before| match path {
            "/b" if before.len() == 1 => Action::Flip(3),
            _ => Action::Pass,
        });
        assert_eq!(body(ask(&gate, "/a")), "0123456789");
        let flipped = char::from(!b'3');
        assert_eq!(body(ask(&gate, "/b")), format!("012{flipped}456789"));
        assert_eq!(body(ask(&gate, "/b")), "0123456789");
    }

    #[test]
    fn holds_until_it_is_opened() {
        let gate = gate();
        gate.set_rule(|_, _| Action::Hold(4));
        let held = ask(&gate, "/a");
        gate.wait_until_holding(Duration::from_secs(10)).unwrap();
        assert_eq!(gate.passed(), 4);
        gate.open();
        assert_eq!(body(held), "0123456789");
        let error = gate.wait_until_holding(Duration::ZERO).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no answer was held; requests so far: [\n    \"/a\",\n]"
        );
    }
}
