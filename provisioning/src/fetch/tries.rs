//! How long and how often something is tried.

use std::time::Duration;

use http::StatusCode;

use crate::Error;
use crate::config::spec::Timeouts;

/// How patient a [`Fetcher`](super::Fetcher) is; a limit of zero is none.
///
/// What may pass is tried again for as long as the time limit for all tries allows, and a config that sets none
/// (`ignition.timeouts.httpTotal`) has none: as with Ignition, a machine waits for a server that comes up later.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection to be made, TLS included. Default 10 s.
    pub connect: Duration,
    /// From asking to the end of the headers, unless a config says otherwise (`httpResponseHeaders`). Default 10 s.
    pub headers: Duration,
    /// For the next bytes of a body to come. Default 30 s.
    pub read: Duration,
    /// The pause before the first repetition; each further one is twice as long. Default 200 ms.
    pub pause: Duration,
    /// The longest pause, also when the server asks for a longer one (Retry-After). Default 5 s.
    pub longest_pause: Duration,
    /// For one resource, all tries together, as long as no config says anything (`-fetch-timeout`). Default 2 min.
    pub fetch_timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            read: Duration::from_secs(30),
            pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            fetch_timeout: Duration::from_secs(120),
        }
    }
}

/// The time limits that a config can set; zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) headers: Duration,
    pub(super) total: Duration,
}

impl Patience {
    /// The limits without a config.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            headers: self.headers,
            total: self.fetch_timeout,
        }
    }

    /// The limits of a config.
    pub(super) fn limits_of(&self, timeouts: Option<&Timeouts>) -> Limits {
        let seconds = |value: i64| Duration::from_secs(u64::try_from(value).unwrap_or(0));
        let said = |of: fn(&Timeouts) -> Option<i64>| timeouts.and_then(of).map(seconds);
        Limits {
            headers: said(|t| t.http_response_headers).unwrap_or(self.headers),
            total: said(|t| t.http_total).unwrap_or(Duration::ZERO),
        }
    }
}

/// The pauses between the tries of one thing.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    patience: &'a Patience,
    pause: Duration,
}

impl<'a> Tries<'a> {
    pub(super) fn new(patience: &'a Patience) -> Self {
        Self {
            patience,
            pause: patience.pause,
        }
    }

    /// How long to wait before the next try; nothing when trying again cannot help.
    pub(super) fn next(&mut self, error: &Error) -> Option<Duration> {
        let wait = passes(error)?;
        let pause = wait.max(self.pause).min(self.patience.longest_pause);
        self.pause = self.pause.saturating_mul(2);
        Some(pause)
    }
}

/// For a fault that may pass: how long the server asks to wait at least.
///
/// Ignition gives up at 429 and where a connection breaks within a body; both pass.
fn passes(error: &Error) -> Option<Duration> {
    match error {
        Error::ServerUnreachable { .. }
        | Error::HeadersTimeout { .. }
        | Error::BrokenTransfer { .. }
        | Error::StalledTransfer { .. } => Some(Duration::ZERO),
        Error::HttpStatus { status, wait, .. } => {
            let busy = *status == StatusCode::TOO_MANY_REQUESTS;
            (busy || status.is_server_error()).then_some(*wait)
        }
        _ => None,
    }
}

/// Runs something within a limit; nothing when it takes longer.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if limit.is_zero() {
        return Some(work.await);
    }
    tokio::time::timeout(limit, work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, wait: u64) -> Error {
        Error::HttpStatus {
            url: String::new(),
            status: StatusCode::from_u16(code).unwrap(),
            wait: Duration::from_secs(wait),
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let patience = Patience::default();
        let mut tries = Tries::new(&patience);
        let pauses: Vec<u128> = (0..8)
            .map(|_| tries.next(&status(503, 0)).unwrap().as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }

    #[test]
    fn servers_say_how_long_to_wait_but_not_longer_than_the_longest_pause() {
        let patience = Patience::default();
        let pause = |error| Tries::new(&patience).next(&error);
        for (error, seconds) in [
            (status(429, 3), Some(3)),
            (status(429, 3600), Some(5)),
            (status(503, 2), Some(2)),
            (status(404, 2), None),
            (status(403, 0), None),
            (status(408, 0), None),
            (status(304, 0), None),
        ] {
            assert_eq!(pause(error), seconds.map(Duration::from_secs));
        }
    }

    #[test]
    fn limits_of_configs() {
        let patience = Patience::default();
        let limits = |headers, total| Limits {
            headers: Duration::from_secs(headers),
            total: Duration::from_secs(total),
        };
        let of = |http_response_headers, http_total| {
            patience.limits_of(Some(&Timeouts {
                http_response_headers,
                http_total,
            }))
        };
        assert_eq!(patience.limits(), limits(10, 120));
        assert_eq!(patience.limits_of(None), limits(10, 0));
        assert_eq!(of(None, None), limits(10, 0));
        assert_eq!(of(Some(3), Some(7)), limits(3, 7));
        assert_eq!(of(Some(0), Some(0)), limits(0, 0));
        assert_eq!(of(Some(-1), Some(i64::MIN)), limits(0, 0));
        assert_eq!(of(None, Some(i64::MAX)), limits(10, i64::MAX as u64));
    }
}
