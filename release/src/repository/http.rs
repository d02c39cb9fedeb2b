//! HTTP as both metadata and payload use it: time limits, retries with growing pauses, errors with the address.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::error::{Error, Result};

/// How patient an [`Http`] is.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection to be made. Default 10 s.
    pub connect: Duration,
    /// For the next bytes to come. Default 30 s.
    pub read: Duration,
    /// How often a request is repeated that brought nothing. Default 4.
    pub retries: u32,
    /// The pause before the first repetition; each further one is twice as long. Default 500 ms.
    pub pause: Duration,
    /// The longest pause, also when the server asks for a longer one (Retry-After). Default 30 s.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            retries: 4,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// An HTTP client; clones share their connections. Proxies come from the usual environment variables.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    patience: Patience,
}

impl Http {
    /// A client.
    ///
    /// # Errors
    /// [`Error::HttpClient`] when TLS cannot be set up.
    pub fn new(patience: Patience) -> Result<Self> {
        // Fails when a provider is installed already: then it is this one, or the program's choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Payload is compressed already, and a range of a re-encoded answer would be another range.
        let identity =
            HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let client = Client::builder()
            .user_agent(concat!("acl/", env!("CARGO_PKG_VERSION")))
            .default_headers(identity)
            .connect_timeout(patience.connect)
            .read_timeout(patience.read)
            .redirect(reqwest::redirect::Policy::limited(5))
            .build()
            .map_err(|source| Error::HttpClient { source })?;
        Ok(Self { client, patience })
    }

    /// The retries for one thing that is fetched.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries {
            patience: &self.patience,
            left: self.patience.retries,
            pause: self.patience.pause,
        }
    }

    /// Asks once; `from` asks for the bytes from there on. An answer that is not a success is an error.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        bytes: Option<&std::ops::Range<u64>>,
    ) -> Result<Response> {
        let mut request = self.client.get(url.clone());
        if let Some(bytes) = bytes {
            request = request.header(
                RANGE,
                format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1)),
            );
        }
        let position = bytes.map_or(0, |bytes| bytes.start);
        let sent = request.send().await;
        let response = sent.map_err(|source| unanswered(url, position, source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let wait = retry_after(response.headers());
        Err(Error::Status {
            url: url.clone().into(),
            status: response.status(),
            wait,
        })
    }

    /// A whole small document, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Transfer`], [`Error::Status`] once retries are used up; [`Error::TooLong`].
    pub async fn document(&self, url: &Url, limit: u64) -> Result<Bytes> {
        let mut tries = self.tries();
        loop {
            match self.document_once(url, limit).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn document_once(&self, url: &Url, limit: u64) -> Result<Bytes> {
        let mut response = self.ask(url, None).await?;
        let mut body = Vec::new();
        loop {
            let position = body.len() as u64;
            let broke = |source: reqwest::Error| Error::Transfer {
                url: url.clone().into(),
                position,
                source: source.without_url(),
            };
            let Some(piece) = response.chunk().await.map_err(broke)? else {
                return Ok(body.into());
            };
            if position + piece.len() as u64 > limit {
                return Err(Error::TooLong {
                    url: url.clone().into(),
                    limit,
                });
            }
            body.extend_from_slice(&piece);
        }
    }
}

/// A request that got no answer: nobody there, or a connection that broke.
fn unanswered(url: &Url, position: u64, source: reqwest::Error) -> Error {
    let (url, connected) = (url.clone().into(), !source.is_connect());
    let source = source.without_url();
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

/// How often and how long to wait for one thing.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    patience: &'a Patience,
    left: u32,
    pause: Duration,
}

impl Tries<'_> {
    /// Waits before the next try; gives the error back when there is none or when trying again cannot help.
    pub(crate) async fn again(&mut self, error: Error) -> Result<()> {
        let Some(wait) = passes(&error).filter(|_| self.left > 0) else {
            return Err(error);
        };
        self.left -= 1;
        let pause = wait.max(self.pause).min(self.patience.longest_pause);
        self.pause = self.pause.saturating_mul(2);
        tracing::debug!(error = acl_host::error::chain(&error), pause = ?pause, "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Progress was made: what comes next has all its tries.
    pub(crate) fn renew(&mut self) {
        self.left = self.patience.retries;
        self.pause = self.patience.pause;
    }
}

/// For a fault that may pass: how long the server asks to wait at least.
fn passes(error: &Error) -> Option<Duration> {
    match error {
        Error::Connect { .. } | Error::Transfer { .. } | Error::Cut { .. } => Some(Duration::ZERO),
        Error::Status { status, wait, .. } => {
            let busy =
                [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status);
            (busy || status.is_server_error()).then_some(*wait)
        }
        _ => None,
    }
}

/// The seconds of a `Retry-After` header; its form as a date is not worth a parser.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// The `Content-Length` of an answer.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds() {
        for (text, seconds) in [
            ("7", 7),
            (" 12 ", 12),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
            ("-1", 0),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(
                retry_after(&headers),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
    }
}
