//! A web server of static files on the loopback that counts what goes over the wire.
//!
//! HTTP/1.1 with ranges and kept connections, as far as the clients of the bench need it. What is counted is every byte of
//! an answer, its head included; what lies below TCP is the same for all. A request for `/mark/NAME` is not counted: it
//! notes how much came before it, for clients that cannot tell themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::{Range, Sub};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

/// How much of a body is sent, and then counted, at a time.
const PIECE: u64 = 1 << 18;
/// Notes, instead of a file.
const MARK: &str = "/mark/";

/// The server. It lives as long as the process.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What was asked for and sent so far.
#[derive(Debug, Default)]
struct Log {
    answers: Vec<Answer>,
    marks: BTreeMap<String, Traffic>,
}

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// What was asked for, with the slash before it.
    pub(super) path: String,
    /// The bytes of the file that were asked for.
    pub(super) range: Range<u64>,
    /// What was sent of head and body.
    pub(super) sent: u64,
}

/// An amount of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) bytes: u64,
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

impl Server {
    /// Serves the files below `directory` on a port that is free.
    pub(super) fn serve(directory: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let log = Arc::new(Mutex::new(Log::default()));
        let (shared, directory) = (Arc::clone(&log), directory.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, directory) = (Arc::clone(&shared), directory.clone());
                // A client that goes away is seen in what it then lacks.
                std::thread::spawn(move || drop(talk(&client, &directory, &log)));
            }
        });
        Ok(Self { address, log })
    }

    /// Its URL, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was answered.
    pub(super) fn answers(&self) -> Vec<Answer> {
        lock(&self.log).answers.clone()
    }

    /// What had been sent when a client noted it.
    pub(super) fn at_mark(&self, name: &str) -> Result<Traffic> {
        let mark = lock(&self.log).marks.get(name).copied();
        mark.with_context(|| format!("nobody asked for {MARK}{name}"))
    }
}

/// The sum of those answers whose path passes.
pub(super) fn sum<'a>(
    answers: impl IntoIterator<Item = &'a Answer>,
    of: impl Fn(&str) -> bool,
) -> Traffic {
    let passing = answers.into_iter().filter(|answer| of(&answer.path));
    passing.fold(Traffic::default(), |sum, answer| Traffic {
        requests: sum.requests + 1,
        bytes: sum.bytes + answer.sent,
    })
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of a connection, one after the other, until the client is done.
fn talk(client: &TcpStream, directory: &Path, log: &Mutex<Log>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client);
    while let Some(request) = Request::read(&mut reader)? {
        if let Some(name) = request.path.strip_prefix(MARK) {
            let mut log = lock(log);
            let now = sum(&log.answers, |_| true);
            log.marks.insert(name.to_owned(), now);
            drop(log);
            send_head(client, "204 No Content", "")?;
        } else {
            answer(client, directory, &request, log)?;
        }
        if request.last {
            break;
        }
    }
    Ok(())
}

fn answer(client: &TcpStream, directory: &Path, request: &Request, log: &Mutex<Log>) -> Result<()> {
    let found = open(directory, &request.path);
    let number = {
        let mut log = lock(log);
        log.answers.push(Answer {
            path: request.path.clone(),
            range: 0..0,
            sent: 0,
        });
        log.answers.len() - 1
    };
    let count = |bytes: u64| lock(log).answers[number].sent += bytes;
    let Some((mut file, size)) = found else {
        count(send_head(client, "404 Not Found", "Content-Length: 0\r\n")?);
        return Ok(());
    };
    let Some(range) = request.range_of(size) else {
        let fields = format!("Content-Range: bytes */{size}\r\nContent-Length: 0\r\n");
        count(send_head(client, "416 Range Not Satisfiable", &fields)?);
        return Ok(());
    };
    lock(log).answers[number].range = range.clone();
    let length = range.end - range.start;
    let mut fields = format!("Accept-Ranges: bytes\r\nContent-Length: {length}\r\n");
    let status = match request.range {
        None => "200 OK",
        Some(_) => {
            let (first, last) = (range.start, range.end - 1);
            fields.push_str(&format!("Content-Range: bytes {first}-{last}/{size}\r\n"));
            "206 Partial Content"
        }
    };
    count(send_head(client, status, &fields)?);
    if request.head_only {
        return Ok(());
    }
    file.seek(SeekFrom::Start(range.start))?;
    let mut left = length;
    while left > 0 {
        let mut client = client;
        let sent = io::copy(
            &mut Read::by_ref(&mut file).take(left.min(PIECE)),
            &mut client,
        )?;
        count(sent);
        left = left.checked_sub(sent.max(1)).context("a file shrank")?;
    }
    Ok(())
}

/// A file below the directory and its size; names that lead out of it are not there.
fn open(directory: &Path, path: &str) -> Option<(File, u64)> {
    let relative = PathBuf::from(path.trim_start_matches('/').split('?').next()?);
    if relative
        .components()
        .any(|part| !matches!(part, std::path::Component::Normal(_)))
    {
        return None;
    }
    let file = File::open(directory.join(relative)).ok()?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata.len()))
}

/// Sends a head in one piece; how long it was.
fn send_head(mut client: &TcpStream, status: &str, fields: &str) -> io::Result<u64> {
    let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
    client.write_all(head.as_bytes())?;
    Ok(head.len() as u64)
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    path: String,
    head_only: bool,
    /// First and last byte, as far as given; the last bytes of a file are not asked for by any client here.
    range: Option<(u64, Option<u64>)>,
    last: bool,
}

impl Request {
    /// The next one; none when the client has closed the connection.
    fn read(reader: &mut impl BufRead) -> Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, path, version) = (words.next(), words.next(), words.next());
        let mut request = Self {
            path: percent_decoded(path.context("no path in the request")?),
            head_only: method == Some("HEAD"),
            range: None,
            last: version == Some("HTTP/1.0"),
        };
        loop {
            let mut field = String::new();
            if reader.read_line(&mut field)? == 0 || field.trim().is_empty() {
                return Ok(Some(request));
            }
            let (name, value) = field.split_once(':').context("a field without a colon")?;
            match name.trim().to_ascii_lowercase().as_str() {
                "range" => request.range = parse_range(value.trim()),
                "connection" => request.last |= value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
    }

    /// The bytes of a file of this size that are asked for; none when it has none of them.
    fn range_of(&self, size: u64) -> Option<Range<u64>> {
        let Some((first, last)) = self.range else {
            return Some(0..size);
        };
        let end = last.map_or(size, |last| last.saturating_add(1)).min(size);
        (first < end).then_some(first..end)
    }
}

/// One range; several at once are answered with the whole file, as RFC 9110 14.2 allows.
fn parse_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = match last {
        "" => None,
        last => Some(last.parse().ok()?),
    };
    Some((first.parse().ok()?, last))
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii() => {
                decoded.push(char::from(byte));
                decoded.push_str(&part[2..]);
            }
            _ => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::{MARK, Request, Server, Traffic, sum};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn served() -> (tempfile::TempDir, Server) {
        let directory = tempfile::tempdir().unwrap();
        acl_host::file::scratch(directory.path().join("usr.1+2"), b"0123456789").unwrap();
        let server = Server::serve(directory.path()).unwrap();
        (directory, server)
    }

    fn ask(server: &Server, requests: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn every_byte_is_counted_and_marks_are_not() {
        let (_directory, server) = served();
        let whole = ask(
            &server,
            "GET /usr.1%2B2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        );
        assert!(whole.ends_with("\r\n\r\n0123456789"), "{whole}");
        ask(&server, "GET /mark/half HTTP/1.0\r\n\r\n");
        let two = ask(
            &server,
            "GET /usr.1+2 HTTP/1.1\r\nRange: bytes=2-4\r\n\r\nHEAD /usr.1+2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        );
        assert!(
            two.contains("Content-Range: bytes 2-4/10\r\n\r\n234HTTP/1.1 200 OK"),
            "{two}"
        );
        let gone = ask(&server, "GET /other HTTP/1.0\r\n\r\n");
        assert!(gone.starts_with("HTTP/1.1 404 "), "{gone}");

        let answers = server.answers();
        let (first, all) = (
            whole.len() as u64,
            (whole.len() + two.len() + gone.len()) as u64,
        );
        let traffic = |requests, bytes| Traffic { requests, bytes };
        assert_eq!(sum(&answers, |_| true), traffic(4, all));
        assert_eq!(
            sum(&answers, |path| path == "/other"),
            traffic(1, gone.len() as u64)
        );
        assert_eq!(server.at_mark("half").unwrap(), traffic(1, first));
        assert_eq!(answers[1].range, 2..5);
        let error = server.at_mark("end").unwrap_err();
        assert_eq!(error.to_string(), format!("nobody asked for {MARK}end"));
    }

    #[test]
    fn names_stay_below_the_directory() {
        let (_directory, server) = served();
        for path in [
            "/../etc/passwd",
            "//etc/passwd",
            "/%2e%2e/etc/passwd",
            "/./usr.1+2x",
        ] {
            let answer = ask(&server, &format!("GET {path} HTTP/1.0\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
    }

    #[test]
    fn ranges() {
        let of = |value: &str, size| {
            let request = format!("GET / HTTP/1.1\r\nRange: {value}\r\n\r\n");
            let request = Request::read(&mut request.as_bytes()).unwrap().unwrap();
            request.range_of(size)
        };
        assert_eq!(of("bytes=2-4", 10), Some(2..5));
        assert_eq!(of("bytes=2-", 10), Some(2..10));
        assert_eq!(of("bytes=2-99", 10), Some(2..10));
        assert_eq!(of("bytes=10-", 10), None);
        assert_eq!(of("bytes=0-1,4-5", 10), Some(0..10));
    }
}
