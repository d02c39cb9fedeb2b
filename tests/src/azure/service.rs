//! A web server that answers as a test tells it to, and remembers every request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// How long a slow answer waits before each of its pieces.
const SLOW: Duration = Duration::from_millis(400);
/// How many pieces a slow answer has.
const PIECES: usize = 8;
/// The largest body that is taken.
const LARGEST: usize = 1 << 20;

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status, with this text.
    Text(u16, String),
    /// This status, and to come back after so many seconds.
    Later(u16, u32),
    /// 200 with this text, in pieces and with pauses: 3 s in all.
    Slowly(String),
    /// 200 with the first half of this text; then the connection ends.
    Cut(String),
}

/// The answers to each request line (`GET /?comp=versions`), in turn; the last one for ever. To others it is 404.
pub type Script = Vec<(&'static str, Vec<Reply>)>;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method, and the path with its query.
    pub line: String,
    /// The headers, by their names in small letters.
    pub headers: HashMap<String, String>,
    /// The document that was sent; empty when there was none.
    pub body: String,
    /// The status that is answered.
    pub status: u16,
}

/// The server. It lives as long as the process.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    more: Condvar,
}

impl Service {
    /// Answers by `script`, on a port of the loopback that is free.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let log = Arc::new(Log::default());
        let (script, shared) = (Arc::new(script), Arc::clone(&log));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&shared));
                // A client that went away is seen in what the test asserts.
                std::thread::spawn(move || log.answer(&client, &script));
            }
        });
        Ok(Self { address, log })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().clone()
    }

    /// The same in short: each request line with the status that was answered.
    pub fn told(&self) -> Vec<String> {
        let asked = self.asked();
        let short = asked.iter().map(|asked| {
            let Asked { line, status, .. } = asked;
            format!("{line} -> {status}")
        });
        short.collect()
    }

    /// Waits for a request that is told as `wanted`, and gives it.
    ///
    /// # Errors
    /// With the requests that came, when it does not come within `limit`.
    pub fn wait_for(&self, wanted: &str, limit: Duration) -> Result<Asked> {
        let end = Instant::now() + limit;
        let mut asked = self.log.lock();
        loop {
            let is_wanted =
                |asked: &&Asked| format!("{} -> {}", asked.line, asked.status) == wanted;
            if let Some(found) = asked.iter().find(is_wanted) {
                return Ok(found.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(asked);
                let told = self.told().join("\n");
                return Err(anyhow!("no {wanted:?} came, but\n{told}"));
            }
            let waited = self.log.more.wait_timeout(asked, left);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Log {
    fn answer(&self, client: &TcpStream, script: &Script) -> Result<()> {
        let mut asked = read(client)?;
        let known = script.iter().find(|(line, _)| *line == asked.line);
        let reply = {
            let mut log = self.lock();
            let before = log.iter().filter(|other| other.line == asked.line).count();
            let turn = |replies: &Vec<Reply>| replies.get(before).or(replies.last()).cloned();
            let reply = known.and_then(|(_, replies)| turn(replies));
            let reply = reply.unwrap_or_else(|| Reply::Text(404, String::new()));
            asked.status = reply.status();
            log.push(asked);
            reply
        };
        self.more.notify_all();
        reply.send(client)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reply {
    fn status(&self) -> u16 {
        match self {
            Self::Text(status, _) | Self::Later(status, _) => *status,
            Self::Slowly(_) | Self::Cut(_) => 200,
        }
    }

    fn send(&self, mut client: &TcpStream) -> Result<()> {
        let status = self.status();
        let (text, more) = match self {
            Self::Text(_, text) | Self::Slowly(text) | Self::Cut(text) => {
                (text.as_str(), String::new())
            }
            Self::Later(_, seconds) => ("", format!("retry-after: {seconds}\r\n")),
        };
        let length = text.len();
        write!(
            client,
            "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
        )?;
        match self {
            Self::Cut(text) => client.write_all(&text.as_bytes()[..length / 2])?,
            Self::Slowly(text) => {
                for piece in text.as_bytes().chunks(length.div_ceil(PIECES).max(1)) {
                    std::thread::sleep(SLOW);
                    client.write_all(piece)?;
                }
            }
            Self::Text(..) | Self::Later(..) => client.write_all(text.as_bytes())?,
        }
        Ok(())
    }
}

/// A request of HTTP/1.1 whose body has a length.
fn read(client: &TcpStream) -> Result<Asked> {
    let mut reader = BufReader::new(client);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = HashMap::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let length: usize = length.map_or(Ok(0), |length| length.parse())?;
    let mut body = vec![0; length.min(LARGEST)];
    reader.read_exact(&mut body)?;
    Ok(Asked {
        line: first.rsplit_once(' ').context("no request")?.0.to_owned(),
        headers,
        body: String::from_utf8(body)?,
        status: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::{Reply, Service};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    fn ask(service: &Service, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port())).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_in_turn_and_remembers() {
        let answers = vec![
            Reply::Later(429, 7),
            Reply::Cut("whole".to_owned()),
            Reply::Slowly("slow".to_owned()),
        ];
        let service = Service::start(vec![("POST /a?b", answers)]).unwrap();
        let request = "POST /a?b HTTP/1.1\r\nMetadata:  true\r\nContent-Length: 2\r\n\r\nhi";
        let answers: Vec<_> = (0..4).map(|_| ask(&service, request)).collect();
        let head =
            |length| format!("HTTP/1.1 200 -\r\ncontent-length: {length}\r\nconnection: close\r\n");
        let expected = [
            "HTTP/1.1 429 -\r\ncontent-length: 0\r\nconnection: close\r\nretry-after: 7\r\n\r\n"
                .to_owned(),
            format!("{}\r\nwh", head(5)),
            format!("{}\r\nslow", head(4)),
            format!("{}\r\nslow", head(4)),
        ];
        assert_eq!(answers, expected);
        assert!(ask(&service, "GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        let lines = ["429", "200", "200", "200"].map(|status| format!("POST /a?b -> {status}"));
        assert_eq!(service.told()[..4], lines);
        assert_eq!(service.told()[4..], ["GET /other -> 404"]);
        let first = service
            .wait_for("POST /a?b -> 429", Duration::ZERO)
            .unwrap();
        assert_eq!(
            (first.body.as_str(), first.headers["metadata"].as_str()),
            ("hi", "true")
        );
        let missing = service
            .wait_for("GET /never -> 200", Duration::ZERO)
            .unwrap_err();
        assert!(missing.to_string().ends_with("but\nPOST /a?b -> 429\nPOST /a?b -> 200\nPOST /a?b -> 200\nPOST /a?b -> 200\nGET /other -> 404"));
    }
}
