//! Servers that want to be left alone for a while (`Retry-After`, RFC 9110 §10.2.3): longer than anybody waits for them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;
use url::{Origin, Url};

/// A server that asks for more is asked again after this all the same.
const LONGEST: Duration = Duration::from_secs(3600);

/// Until when, and with what answer.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<HashMap<Origin, (Instant, StatusCode)>>);

impl Busy {
    /// A server has answered with this status, and asks to be left alone for `wait`.
    pub(super) fn note(&self, url: &Url, status: StatusCode, wait: Duration, now: Instant) {
        if !wait.is_zero() {
            let until = (now + wait.min(LONGEST), status);
            self.servers().insert(url.origin(), until);
        }
    }

    /// The status that it answered with and how long it still wants to be left alone, if it does.
    pub(super) fn still(&self, url: &Url, now: Instant) -> Option<(StatusCode, Duration)> {
        let mut servers = self.servers();
        servers.retain(|_, (until, _)| *until > now);
        let (until, status) = servers.get(&url.origin())?;
        Some((*status, *until - now))
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, HashMap<Origin, (Instant, StatusCode)>> {
        // Each entry is whole whatever happened to its holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks() {
        let (busy, now) = (Busy::default(), Instant::now());
        let [here, same, there] =
            ["http://a/1", "http://a/2", "http://b/1"].map(|url| url.parse().unwrap());
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        busy.note(&here, StatusCode::SERVICE_UNAVAILABLE, minutes(5), now);
        let found = |url, after| busy.still(url, now + minutes(after)).map(|(_, wait)| wait);
        assert_eq!(found(&there, 1), None);
        assert_eq!(found(&same, 1), Some(minutes(4)));
        assert_eq!(found(&same, 5), None);
        busy.note(
            &here,
            StatusCode::TOO_MANY_REQUESTS,
            minutes(1_000_000),
            now,
        );
        assert_eq!(found(&here, 0), Some(LONGEST));
        busy.note(&there, StatusCode::NOT_FOUND, Duration::ZERO, now);
        assert_eq!(found(&there, 0), None);
    }
}
