//! HTTP as Azure's two services want it: no proxy, no redirects, and patience.
//!
//! Both are on the host of the machine, in plain HTTP. A proxy would answer for another machine (IMDS refuses what
//! went through one), and a redirect can only come from something that is not the service.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::platform::Patience;
use crate::platform::bounded;
use crate::{Error, Result};

/// The longest answer that is read: 4 MiB; user data is at most 64 KiB in Azure.
const LIMIT: u64 = 4 << 20;

/// A client of Azure's services.
#[derive(Debug)]
pub(super) struct Http<'a> {
    client: Client,
    patience: &'a Patience,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) url: Url,
    pub(super) headers: &'a [(&'static str, &'static str)],
    /// The document to send, which makes it a POST.
    pub(super) body: Option<&'a str>,
    /// Which answers may pass, besides those of 500 and more.
    pub(super) passing: &'a [StatusCode],
}

impl<'a> Http<'a> {
    /// A client.
    ///
    /// # Errors
    /// [`Error::AzureClient`].
    pub(super) fn new(patience: &'a Patience) -> Result<Self> {
        // Fails when a provider is installed already: then it is this one, or the program's choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("acl-provision/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            // Nothing here is TLS; without this an initrd without certificates could not even ask in plain HTTP.
            .tls_certs_only([])
            .connect_timeout(patience.connect)
            .timeout(patience.answer)
            .build()
            .map_err(|source| Error::AzureClient { source })?;
        Ok(Self { client, patience })
    }

    /// Asks until there is an answer that `read` understands; `read` says in words why it does not.
    ///
    /// # Errors
    /// [`Error::AzureConnect`], [`Error::AzureStatus`], [`Error::AzureAnswer`] once patience is at its end.
    pub(super) async fn ask<T>(
        &self,
        ask: &Ask<'_>,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut pause = self.patience.pause;
        loop {
            let answer = self.once(ask).await.and_then(|bytes| {
                read(&bytes).map_err(|what| Error::AzureAnswer {
                    url: ask.url.to_string(),
                    what,
                })
            });
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let next = passes(&error, ask.passing)
                .and_then(|wait| next_pause(self.patience, &mut pause, begun.elapsed(), wait));
            let Some(next) = next else { return Err(error) };
            tracing::debug!(error = acl_host::error::chain(&error), pause = ?next, "asking again");
            tokio::time::sleep(next).await;
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Vec<u8>> {
        let mut request = match ask.body {
            None => self.client.get(ask.url.clone()),
            Some(body) => self.client.post(ask.url.clone()).body(body.to_owned()),
        };
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        let response = request
            .send()
            .await
            .map_err(|error| unreached(ask, error))?;
        if !response.status().is_success() {
            return Err(Error::AzureStatus {
                url: ask.url.to_string(),
                status: response.status(),
                wait: retry_after(response.headers()),
            });
        }
        body(ask, response).await
    }
}

async fn body(ask: &Ask<'_>, mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let broke = |error| unreached(ask, error);
    while let Some(piece) = response.chunk().await.map_err(broke)? {
        body.extend_from_slice(&piece);
        if body.len() as u64 > LIMIT {
            return Err(bounded::too_large(ask.url.as_str(), LIMIT));
        }
    }
    Ok(body)
}

fn unreached(ask: &Ask<'_>, error: reqwest::Error) -> Error {
    Error::AzureConnect {
        url: ask.url.to_string(),
        source: error.without_url(),
    }
}

/// For a fault that may pass: how long the server asks to wait at least.
fn passes(error: &Error, passing: &[StatusCode]) -> Option<Duration> {
    match error {
        // Also an answer that makes no sense: services answer nonsense while they start.
        Error::AzureConnect { .. } | Error::AzureAnswer { .. } => Some(Duration::ZERO),
        Error::AzureStatus { status, wait, .. } => {
            (status.is_server_error() || passing.contains(status)).then_some(*wait)
        }
        _ => None,
    }
}

/// The next pause, `None` when it would end after all patience; `wait` is what the server asked for.
fn next_pause(
    patience: &Patience,
    pause: &mut Duration,
    elapsed: Duration,
    wait: Duration,
) -> Option<Duration> {
    let next = wait.max(*pause).min(patience.longest_pause);
    *pause = pause.saturating_mul(2);
    (elapsed.saturating_add(next) < patience.total).then_some(next)
}

/// The seconds of a `Retry-After` header; Azure does not use its form as a date.
fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{next_pause, retry_after};
    use crate::platform::Patience;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    const SECOND: Duration = Duration::from_secs(1);

    fn patience() -> Patience {
        Patience {
            pause: SECOND,
            longest_pause: SECOND * 5,
            total: SECOND * 20,
            ..Patience::default()
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_patience() {
        let patience = patience();
        let (mut pause, mut elapsed, mut pauses) = (patience.pause, Duration::ZERO, Vec::new());
        while let Some(next) = next_pause(&patience, &mut pause, elapsed, Duration::ZERO) {
            pauses.push(next.as_secs());
            elapsed += next;
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn time_that_requests_take_counts() {
        let patience = patience();
        for (elapsed, expected) in [(18, Some(SECOND)), (19, None), (20, None), (u64::MAX, None)] {
            let mut pause = patience.pause;
            let next = next_pause(
                &patience,
                &mut pause,
                Duration::from_secs(elapsed),
                Duration::ZERO,
            );
            assert_eq!(next, expected, "{elapsed}");
        }
    }

    #[test]
    fn the_server_can_ask_for_a_longer_pause_but_not_for_a_shorter_one() {
        let patience = patience();
        for (wait, expected) in [(0, 2), (1, 2), (3, 3), (5, 5), (3600, 5)] {
            let mut pause = SECOND * 2;
            let wait = Duration::from_secs(wait);
            let next = next_pause(&patience, &mut pause, Duration::ZERO, wait);
            assert_eq!(next, Some(Duration::from_secs(expected)));
        }
    }

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
