//! How long a server asks to be left alone: `Retry-After` (RFC 9110 §10.2.3).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The wait of an answer's `Retry-After`, in seconds or until a date; none for a date that has passed, for what is
/// neither, and without the header. As long as the server says: whoever waits has the limit.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Duration {
    let text = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim();
    if let Ok(seconds) = text.parse() {
        return Duration::from_secs(seconds);
    }
    // HTTP's dates are those of mail with GMT as their zone (RFC 9110 §5.6.7); its two older forms nobody sends.
    let until = rfc2822::parse(text).map(|date| date.timestamp());
    let wait = until.map(|until| until.duration_since(now));
    wait.ok()
        .and_then(|wait| wait.try_into().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn seconds_and_dates() {
        let now = "2026-10-21T07:28:00Z".parse().unwrap();
        for (text, seconds) in [
            ("7", 7),
            (" 12 ", 12),
            ("Wed, 21 Oct 2026 07:28:09 GMT", 9),
            ("Thu, 22 Oct 2026 07:28:00 GMT", 86_400),
            ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
            // The day of the week is wrong.
            ("Mon, 21 Oct 2026 07:29:00 GMT", 0),
            ("-1", 0),
            ("soon", 0),
            ("", 0),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            let wait = retry_after(&headers, now);
            assert_eq!(wait, Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), Duration::ZERO);
    }
}
