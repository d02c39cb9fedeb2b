//! One file of the payload over HTTP: ranges, and going on where a connection broke.

use std::ops::Range;

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::error::{Error, Result};
use crate::repository::http::{Http, Tries, content_length};

/// A file of known size that is read in ascending ranges.
#[derive(Debug)]
pub(crate) struct Download<'a> {
    http: &'a Http,
    tries: Tries<'a>,
    url: Url,
    size: u64,
    /// What is wanted now, and what after it.
    wanted: Range<u64>,
    then: std::vec::IntoIter<Range<u64>>,
    answer: Option<Answer>,
}

/// An answer that is being read.
#[derive(Debug)]
struct Answer {
    response: Response,
    /// Where in the file its next byte lies.
    position: u64,
    /// The server sends the whole file, because it knows no ranges.
    whole: bool,
}

impl<'a> Download<'a> {
    /// The bytes of these ranges, in order. Nothing is asked for before the first piece.
    pub(crate) fn new(http: &'a Http, url: Url, size: u64, wanted: Vec<Range<u64>>) -> Self {
        Self {
            http,
            tries: http.tries(),
            url,
            size,
            wanted: 0..0,
            then: wanted.into_iter(),
            answer: None,
        }
    }

    /// Sets what is wanted next. A server without ranges is read on where possible.
    fn want(&mut self, bytes: Range<u64>) {
        let goes_on = |answer: &Answer| answer.whole && answer.position <= bytes.start;
        if !self.answer.as_ref().is_some_and(goes_on) {
            self.answer = None;
        }
        self.wanted = bytes;
    }

    /// The next bytes of what is wanted; nothing at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.wanted.is_empty() {
                let Some(next) = self.then.next() else {
                    return Ok(None);
                };
                self.want(next);
                continue;
            }
            match self.read().await {
                Ok(Some(bytes)) => {
                    self.wanted.start += bytes.len() as u64;
                    self.tries.renew();
                    return Ok(Some(bytes));
                }
                Ok(None) => {}
                Err(error) => {
                    self.answer = None;
                    self.tries.again(error).await?;
                }
            }
        }
    }

    /// Reads once from the answer, and cuts off what is not wanted; nothing when none of it was.
    async fn read(&mut self) -> Result<Option<Bytes>> {
        let answer = match &mut self.answer {
            Some(answer) => answer,
            none => none.insert(open(self.http, &self.url, &self.wanted, self.size).await?),
        };
        let position = answer.position;
        let broke = |source: reqwest::Error| Error::Transfer {
            url: self.url.clone().into(),
            position,
            source: source.without_url(),
        };
        let Some(bytes) = answer.response.chunk().await.map_err(broke)? else {
            return Err(Error::Cut {
                url: self.url.clone().into(),
                position,
                size: self.size,
            });
        };
        answer.position += bytes.len() as u64;
        Ok(overlap(bytes, position, &self.wanted))
    }
}

/// Asks for a range; whatever comes must be of a file of the right size.
async fn open(http: &Http, url: &Url, wanted: &Range<u64>, size: u64) -> Result<Answer> {
    let response = http.ask(url, Some(wanted)).await?;
    let whole = response.status() != StatusCode::PARTIAL_CONTENT;
    let position = if whole { 0 } else { wanted.start };
    let found = if whole {
        content_length(response.headers())
    } else {
        Some(range_size(response.headers(), url, wanted)?)
    };
    match found {
        Some(found) if found != size => Err(Error::Length {
            url: url.clone().into(),
            found,
            expected: size,
        }),
        _ => Ok(Answer {
            response,
            position,
            whole,
        }),
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
        answer: answer.to_owned(),
    })
}

/// The part of `bytes`, which begin at `position`, that lies in `wanted`.
fn overlap(bytes: Bytes, position: u64, wanted: &Range<u64>) -> Option<Bytes> {
    let length = bytes.len() as u64;
    let start = wanted.start.saturating_sub(position).min(length);
    let end = wanted.end.saturating_sub(position).min(length);
    // Both are at most the length of a slice.
    (start < end).then(|| bytes.slice(start as usize..end as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn only_what_is_wanted_is_kept() {
        let cases: [(u64, Range<u64>, &[u8]); 6] = [
            (0, 0..4, b"abcd"),
            (0, 2..3, b"c"),
            (10, 8..12, b"ab"),
            (10, 13..20, b"d"),
            (10, 14..20, b""),
            (10, 0..10, b""),
        ];
        for (position, wanted, kept) in cases {
            let found = overlap(Bytes::from_static(b"abcd"), position, &wanted).unwrap_or_default();
            assert_eq!(found, kept, "{position} {wanted:?}");
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
