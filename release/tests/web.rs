//! A web server for a directory on loopback, that counts what it is asked and can be told to misbehave.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::RANGE;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::Listener;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::services::ServeDir;

use crate::time::pass;
use crate::tls::Identity;

const SECOND: Duration = Duration::from_secs(1);

/// What the server answers instead of the file: for a path, a range, and how often that path was asked for before.
pub(crate) type Lie = dyn Fn(&str, Option<&str>, usize) -> Option<Response> + Send + Sync;

/// The server.
pub(crate) struct Web {
    base: String,
    seen: Arc<Seen>,
}

/// Shut until so many requests wait before it.
struct Gate {
    count: usize,
    open: Semaphore,
}

/// What it was asked, and how it answers.
#[derive(Default)]
struct Seen {
    lie: Mutex<Option<Arc<Lie>>>,
    /// Paths and ranges.
    asked: Mutex<Vec<(String, String)>>,
    connections: AtomicUsize,
    /// Holds requests back, all but the first.
    gate: Mutex<Option<Arc<Gate>>>,
    /// Requests that wait before the gate, and the most that ever did.
    waiting: Mutex<(usize, usize)>,
}

impl Web {
    /// Serves a directory by HTTP/1.1.
    pub(crate) async fn new(dir: PathBuf) -> Self {
        Self::over(dir, None).await
    }

    /// Serves it by TLS: HTTP/2 where the client offers it and `http2` is set.
    pub(crate) async fn tls(dir: PathBuf, identity: &Identity, http2: bool) -> Self {
        Self::over(dir, Some(identity.acceptor(http2))).await
    }

    async fn over(dir: PathBuf, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let layer = from_fn({
            let seen = Arc::clone(&seen);
            move |request: Request, next: Next| answer_to(Arc::clone(&seen), request, next)
        });
        let app = Router::new()
            .fallback_service(ServeDir::new(dir))
            .layer(layer);
        let counted = Counted {
            listener,
            tls,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move { axum::serve(counted, app).await });
        Self { base, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Its address without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn lie(
        &self,
        lie: impl Fn(&str, Option<&str>, usize) -> Option<Response> + Send + Sync + 'static,
    ) {
        *self.seen.lie.lock().unwrap() = Some(Arc::new(lie));
    }

    pub(crate) fn honest(&self) {
        *self.seen.lie.lock().unwrap() = None;
    }

    /// From the second request on, answers only once so many wait at the same time.
    pub(crate) fn gather(&self, count: usize) {
        let open = Semaphore::new(0);
        *self.seen.gate.lock().unwrap() = Some(Arc::new(Gate { count, open }));
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.ranges(path).len()
    }

    /// The ranges of a path that were asked for; empty for all of it.
    pub(crate) fn ranges(&self, path: &str) -> Vec<String> {
        let path = format!("/{path}");
        let asked = self.seen.asked.lock().unwrap();
        let of_path = asked.iter().filter(|(asked, _)| *asked == path);
        of_path.map(|(_, range)| range.clone()).collect()
    }

    /// How much was asked for at all.
    pub(crate) fn requests(&self) -> usize {
        self.seen.asked.lock().unwrap().len()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The most requests that ever waited before the gate.
    pub(crate) fn most_waiting(&self) -> usize {
        self.seen.waiting.lock().unwrap().1
    }
}

async fn answer_to(seen: Arc<Seen>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let range = request.headers().get(RANGE);
    let range = range.map(|range| range.to_str().unwrap().to_owned());
    let (all, before) = {
        let mut asked = seen.asked.lock().unwrap();
        asked.push((path.clone(), range.clone().unwrap_or_default()));
        let same = asked.iter().filter(|(old, _)| *old == path);
        (asked.len(), same.count() - 1)
    };
    if all > 1 {
        seen.hold_back().await;
    }
    let lie = seen.lie.lock().unwrap().clone();
    match lie.and_then(|lie| lie(&path, range.as_deref(), before)) {
        Some(response) => response,
        None => next.run(request).await,
    }
}

impl Seen {
    /// Waits before the gate.
    async fn hold_back(&self) {
        let Some(gate) = self.gate.lock().unwrap().clone() else {
            return;
        };
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.0 += 1;
            waiting.1 = waiting.1.max(waiting.0);
            waiting.0
        };
        if waiting == gate.count {
            // Any more than that come before it opens.
            for _ in 0..10_000 {
                tokio::task::yield_now().await;
            }
            gate.open.close();
        }
        // Closed is how it says that it is open.
        let _ = gate.open.acquire().await;
        self.waiting.lock().unwrap().0 -= 1;
    }
}

/// Connections as they are accepted.
struct Counted {
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    seen: Arc<Seen>,
}

/// A connection, with TLS or without.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Listener for Counted {
    type Io = Box<dyn Wire>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // With Nagle's algorithm, when a few bytes come would be up to the kernel's own clock.
            stream.set_nodelay(true).unwrap();
            self.seen.connections.fetch_add(1, Ordering::SeqCst);
            match &self.tls {
                None => return (Box::new(stream), address),
                // A client that does not trust us goes away.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        return (Box::new(stream), address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Where a `Range: bytes=N-…` begins.
pub(crate) fn start(range: Option<&str>) -> usize {
    let range = range.unwrap().strip_prefix("bytes=").unwrap();
    range.split_once('-').unwrap().0.parse().unwrap()
}

/// An answer whose connection breaks after `bytes`; `promised` is its Content-Length.
pub(crate) fn cut_answer(
    status: u16,
    headers: &[(&str, String)],
    bytes: Vec<u8>,
    promised: usize,
) -> Response {
    let broken = async {
        // What was sent before is on its way only when the body pauses.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Err(std::io::Error::other("cut"))
    };
    let pieces = futures_util::stream::once(async { Ok(bytes) });
    let pieces = pieces.chain(futures_util::stream::once(broken));
    streamed(status, headers, Body::from_stream(pieces), promised)
}

/// An answer that stands still after `bytes`, for as long as it is waited for: the clock must be a
/// [`StoppedClock`](crate::time::StoppedClock).
pub(crate) fn stalling_answer(
    status: u16,
    headers: &[(&str, String)],
    bytes: Vec<u8>,
    promised: usize,
) -> Response {
    let pieces = futures_util::stream::once(async { Ok::<_, std::io::Error>(bytes) });
    let still = async {
        loop {
            pass(SECOND).await;
        }
    };
    let pieces = pieces.chain(futures_util::stream::once(still));
    streamed(status, headers, Body::from_stream(pieces), promised)
}

/// An answer of which, after the first `begun` bytes, `drop` come each second of a
/// [`StoppedClock`](crate::time::StoppedClock).
pub(crate) fn dripping_answer(
    status: u16,
    headers: &[(&str, String)],
    bytes: Vec<u8>,
    (begun, drop): (usize, usize),
) -> Response {
    let promised = bytes.len();
    let drops = futures_util::stream::unfold((bytes, begun), move |(mut rest, taken)| async move {
        if rest.is_empty() {
            return None;
        }
        pass(SECOND).await;
        let taken = taken.min(rest.len());
        let piece = rest.drain(..taken).collect::<Vec<u8>>();
        Some((Ok::<_, std::io::Error>(piece), (rest, drop)))
    });
    streamed(status, headers, Body::from_stream(drops), promised)
}

fn streamed(status: u16, headers: &[(&str, String)], body: Body, promised: usize) -> Response {
    let mut response = Response::builder()
        .status(status)
        .header("content-length", promised);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(body).unwrap()
}

/// An answer with this status and body.
pub(crate) fn answer(status: u16, headers: &[(&str, String)], body: Vec<u8>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(body)).unwrap()
}
