//! HTTP as both metadata and payload use it: one request and its answer, time limits, errors with the address.
//!
//! Whom to ask, and when to ask again, is for [`sources`](super::sources).

mod busy;
mod network;
mod pace;
mod patience;
mod retry_after;
mod tempo;

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use acl_host::clock::Clock;
use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::error::{Error, Result};
use busy::Busy;
use pace::Pace;
use retry_after::retry_after;

pub use network::{MIN_THROUGHPUT, Network, Proxy};
pub use patience::Patience;
pub(crate) use tempo::Tempo;

/// How much of one answer an HTTP/2 server may send before it is read, in bytes: with 40 ms to the server, 50 MB/s.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// The same for all answers on one connection. It is never used up: a [`Download`](super::download::Download) leaves
/// at most 4 MiB unread, and one that nobody reads must not hold up another on the same connection.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// An HTTP client; clones share their connections and their bandwidth.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    patience: Patience,
    clock: Arc<dyn Clock>,
    pace: Option<Arc<Pace>>,
    busy: Arc<Busy>,
    least: NonZeroU64,
}

impl Http {
    /// A client. The clock tells how long it is to the date of a `Retry-After`.
    ///
    /// # Errors
    /// [`Error::Authorities`] for certificates that are none; [`Error::HttpClient`] when TLS cannot be set up.
    pub fn new(patience: Patience, network: &Network, clock: Arc<dyn Clock>) -> Result<Self> {
        // Fails when a provider is installed already: then it is this one, or the program's choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = network.client(|| builder(&patience))?;
        let pace = |rate| Arc::new(Pace::new(rate, Instant::now()));
        Ok(Self {
            client,
            patience,
            clock,
            pace: network.bandwidth.map(pace),
            busy: Arc::default(),
            least: network.least(),
        })
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// After bytes of `url` came: an error if they came too slowly for too long, as `tempo` has counted.
    ///
    /// # Errors
    /// [`Error::Slow`].
    pub(crate) fn fast_enough(
        &self,
        tempo: &mut Tempo,
        bytes: u64,
        (url, position): (&Url, u64),
    ) -> Result<()> {
        match tempo.too_slow(bytes, self.patience.read, self.least) {
            Some((bytes, waited)) => Err(slow(url, position, bytes, waited)),
            None => Ok(()),
        }
    }

    /// Asks once, for these bytes or for all. An answer that is not a success is an error; a server that wants to be left
    /// alone is not asked, and the error is what it answered.
    pub(crate) async fn ask(&self, url: &Url, bytes: Option<&Range<u64>>) -> Result<Response> {
        if let Some((status, wait)) = self.busy.still(url, Instant::now()) {
            let url = url.clone().into();
            return Err(Error::Status { url, status, wait });
        }
        let mut request = self.client.get(url.clone());
        if let Some(bytes) = bytes {
            request = request.header(
                RANGE,
                format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1)),
            );
        }
        let position = bytes.map_or(0, |bytes| bytes.start);
        let sent = timeout(self.patience.connect + self.patience.read, request.send()).await;
        let sent = sent.map_err(|_elapsed| slow(url, position, 0, self.patience.read))?;
        let response = sent.map_err(|source| unanswered(url, position, source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let wait = retry_after(response.headers(), self.clock.now());
        if is_busy(status) {
            self.busy.note(url, status, wait, Instant::now());
        }
        let url = url.clone().into();
        Err(Error::Status { url, status, wait })
    }

    /// Asks once for a whole small document, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Transfer`], [`Error::Status`]; [`Error::TooLong`].
    pub(crate) async fn document(&self, url: &Url, limit: u64) -> Result<Bytes> {
        let mut response = self.ask(url, None).await?;
        let (mut body, mut tempo) = (Vec::new(), Tempo::default());
        loop {
            let (at, begun) = ((url, body.len() as u64), Instant::now());
            let Some(piece) = self.piece(&mut response, at).await? else {
                return Ok(body.into());
            };
            tempo.wait(begun.elapsed());
            self.fast_enough(&mut tempo, piece.len() as u64, at)?;
            if at.1 + piece.len() as u64 > limit {
                return Err(Error::TooLong {
                    url: url.clone().into(),
                    limit,
                });
            }
            self.keep_pace(&piece).await;
            body.extend_from_slice(&piece);
        }
    }

    /// The next bytes of an answer's body, which lie at a position of the file; nothing at its end.
    pub(crate) async fn piece(
        &self,
        response: &mut Response,
        (url, position): (&Url, u64),
    ) -> Result<Option<Bytes>> {
        let came = timeout(self.patience.read, response.chunk()).await;
        let came = came.map_err(|_elapsed| slow(url, position, 0, self.patience.read))?;
        came.map_err(|source| Error::Transfer {
            url: url.clone().into(),
            position,
            source: source.without_url().into(),
        })
    }

    /// Waits until bytes that have come were allowed to.
    pub(crate) async fn keep_pace(&self, bytes: &[u8]) {
        if let Some(pace) = &self.pace {
            pace.wait(bytes.len() as u64).await;
        }
    }
}

fn slow(url: &Url, position: u64, bytes: u64, waited: Duration) -> Error {
    Error::Slow {
        url: url.clone().into(),
        position,
        bytes,
        seconds: waited.as_secs_f64(),
    }
}

fn builder(patience: &Patience) -> reqwest::ClientBuilder {
    // Payload is compressed already, and a range of a re-encoded answer would be another range.
    let identity = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    Client::builder()
        .user_agent(concat!("acl/", env!("CARGO_PKG_VERSION")))
        .default_headers(identity)
        .connect_timeout(patience.connect)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .redirect(reqwest::redirect::Policy::limited(5))
}

/// Whether a server that answers so may answer otherwise later.
pub(crate) fn is_busy(status: StatusCode) -> bool {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
    busy.contains(&status) || status.is_server_error()
}

/// A request that got no answer: nobody there, or a connection that broke.
fn unanswered(url: &Url, position: u64, source: reqwest::Error) -> Error {
    let (url, connected) = (url.clone().into(), !source.is_connect());
    let source = source.without_url().into();
    if connected {
        Error::Transfer {
            url,
            position,
            source,
        }
    } else {
        Error::Connect { url, source }
    }
}

/// The `Content-Length` of an answer.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
