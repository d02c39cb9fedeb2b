//! One answer to a request for a range, as it is read; whatever comes must be of a file of the right size.

use std::ops::Range;

use bytes::Bytes;
use futures_util::FutureExt;
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Response, StatusCode, Version};
use url::Url;

use crate::error::{Error, Result};
use crate::repository::http::{Http, content_length};

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Answer {
    response: Response,
    url: Url,
    size: u64,
    /// What was read and not taken.
    rest: Bytes,
    /// Where in the file the rest begins.
    position: u64,
    /// Where in the file the answer ends.
    end: u64,
    /// The server sends the whole file, because it knows no ranges.
    whole: bool,
}

impl Answer {
    /// Asks for a range.
    pub(super) async fn open(http: &Http, url: Url, wanted: Range<u64>, size: u64) -> Result<Self> {
        let response = http.ask(&url, Some(&wanted)).await?;
        let whole = response.status() != StatusCode::PARTIAL_CONTENT;
        let found = if whole {
            content_length(response.headers())
        } else {
            Some(range_size(response.headers(), &url, &wanted)?)
        };
        if let Some(found) = found.filter(|found| *found != size) {
            return Err(Error::Length {
                url: url.into(),
                found,
                expected: size,
            });
        }
        let Range { start, end } = if whole { 0..size } else { wanted };
        Ok(Self {
            response,
            url,
            size,
            rest: Bytes::new(),
            position: start,
            end,
            whole,
        })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether other requests share its connection.
    pub(super) fn shares_connection(&self) -> bool {
        self.response.version() == Version::HTTP_2
    }

    /// Whether it will come to these bytes by being read on.
    pub(super) fn leads_to(&self, wanted: &Range<u64>) -> bool {
        (self.position..self.end).contains(&wanted.start)
    }

    /// Reads on when nothing is left to take; the bytes that came over the network.
    pub(super) async fn read(&mut self, http: &Http) -> Result<u64> {
        if !self.rest.is_empty() {
            return Ok(0);
        }
        let (url, position) = (&self.url, self.position);
        let piece = http.piece(&mut self.response, (url, position));
        let Some(bytes) = piece.await? else {
            return Err(Error::Cut {
                url: url.clone().into(),
                position,
                size: self.size,
            });
        };
        // Before any wait: whoever stops waiting must find it here.
        self.rest = bytes;
        Ok(self.rest.len() as u64)
    }

    /// Where it is being read: the address of the file, and the byte.
    pub(super) fn place(&self) -> (&Url, u64) {
        (&self.url, self.position)
    }

    /// What was read and not taken.
    pub(super) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Takes what is wanted from what was read, and drops what lies before it; nothing when none of it was.
    pub(super) fn take(&mut self, wanted: &Range<u64>) -> Option<Bytes> {
        self.cut_off(wanted.start);
        let taken = self.cut_off(wanted.end);
        (!taken.is_empty()).then_some(taken)
    }

    /// What was read of the bytes before `end`.
    fn cut_off(&mut self, end: u64) -> Bytes {
        let length = end.saturating_sub(self.position);
        let length = length.min(self.rest.len() as u64);
        self.position += length;
        // At most the length of the rest.
        self.rest.split_to(length as usize)
    }

    /// Lets the connection find out that the answer is at its end, so that the next request can have it.
    pub(super) fn finish(mut self) {
        if self.position == self.end {
            let _ = self.response.chunk().now_or_never();
        }
    }
}

/// The size of the file according to `Content-Range: bytes START-END/SIZE`, if that is the range that was asked for.
fn range_size(headers: &HeaderMap, url: &Url, wanted: &Range<u64>) -> Result<u64> {
    let answer = headers
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let parse = || {
        let (range, size) = answer.strip_prefix("bytes ")?.split_once('/')?;
        let start: u64 = range.split_once('-')?.0.parse().ok()?;
        (start == wanted.start).then(|| size.parse().ok())?
    };
    parse().ok_or_else(|| Error::WrongRange {
        url: url.clone().into(),
        asked: wanted.start,
        answer: answer.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn only_what_is_wanted_is_taken() {
        let cases: [(u64, Range<u64>, &[u8], u64); 5] = [
            (0, 0..4, b"abcd", 4),
            (0, 2..3, b"c", 3),
            (10, 10..12, b"ab", 12),
            (10, 13..20, b"d", 14),
            (10, 14..20, b"", 14),
        ];
        for (position, wanted, kept, behind) in cases {
            let mut answer = Answer {
                response: axum::http::Response::new("").into(),
                url: "http://localhost/pack".parse().unwrap(),
                size: 20,
                rest: Bytes::from_static(b"abcd"),
                position,
                end: 20,
                whole: false,
            };
            let found = answer.take(&wanted).unwrap_or_default();
            assert_eq!(found, kept, "{position} {wanted:?}");
            assert_eq!(answer.position, behind, "{position} {wanted:?}");
        }
    }

    #[test]
    fn content_range_must_be_the_one_asked_for() {
        let url: Url = "http://localhost/pack".parse().unwrap();
        let size = |text| {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(text))]);
            range_size(&headers, &url, &(5..10)).ok()
        };
        assert_eq!(size("bytes 5-9/20"), Some(20));
        for text in ["bytes 4-9/20", "bytes 5-9/*", "bytes */20", "5-9/20", ""] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
