//! One file of the payload, of which some ranges are wanted: in few requests, several of them under way at once, from
//! whichever address of the repository gives them.
//!
//! A contiguous range is one request on one connection, however long it is. Cut into parts it would be hundreds of
//! requests, because parts must be small: what comes ahead of its turn is kept in memory. One stream fills a line too,
//! its window grows; what cannot be had from it is the time that each further request waits for its answer. So it is
//! the requests for scattered ranges that are sent ahead. In memory are at most 2 MiB of what was asked for ahead and
//! 2 MiB (the window of HTTP/2) of what is being read.
//!
//! A server that sends the whole file instead is read through, and is not asked for anything ahead. That is known when
//! the first request is answered; only then others follow.

mod ahead;
mod answer;
mod plan;

use std::ops::Range;

use bytes::Bytes;
use tokio::time::Instant;
use url::Url;

use crate::error::{Error, Result};
use crate::repository::http::Http;
use crate::repository::sources::{Sources, Turns, join};
use ahead::Ahead;
use answer::Answer;
use plan::{Place, Plan};

/// The wanted ranges of a file, as a stream of their bytes.
#[derive(Debug)]
pub struct Download<'a> {
    http: &'a Http,
    turns: Turns<'a>,
    path: String,
    size: u64,
    plan: Plan,
    /// Where the next byte to be handed out lies.
    at: Place,
    /// Behind what was asked for.
    asked: Place,
    /// How many came over the network and were not told yet.
    received: u64,
    /// The answer that is read.
    head: Option<Answer>,
    ahead: Ahead<'a>,
}

impl<'a> Download<'a> {
    /// A download of ranges of the file of `size` bytes at `path`, below the repository's address.
    ///
    /// The ranges are handed out in this order; where it is the file's order, neighbours and near neighbours share a
    /// request. Nothing is asked for before the first piece.
    pub fn new(
        http: &'a Http,
        sources: &'a Sources,
        path: impl Into<String>,
        size: u64,
        wanted: Vec<Range<u64>>,
    ) -> Self {
        Self {
            http,
            turns: sources.turns(http.patience()),
            path: path.into(),
            size,
            plan: Plan::new(wanted),
            at: Plan::BEGIN,
            asked: Plan::BEGIN,
            received: 0,
            head: None,
            ahead: Ahead::default(),
        }
    }

    /// The next bytes of what is wanted; nothing at its end.
    ///
    /// # Errors
    /// The last failure of each address, once retries are used up ([`Error::Everywhere`] when there are several).
    pub async fn piece(&mut self) -> Result<Option<Bytes>> {
        while let Some(wanted) = self.plan.wanted(self.at) {
            match self.read(&wanted).await {
                Ok(Some(bytes)) => {
                    self.at = self.plan.behind(self.at, bytes.len() as u64);
                    self.turns.gave(bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                Ok(None) => {}
                Err(error) => self.failed(error).await?,
            }
        }
        self.put_head(None);
        if self.at != Plan::BEGIN {
            self.turns.gave_all();
        }
        Ok(None)
    }

    /// The address of the file where it is read now.
    ///
    /// # Errors
    /// [`Error::RepositoryAddress`] for a path that cannot be part of one.
    pub fn url(&self) -> Result<Url> {
        join(self.turns.base(), &self.path)
    }

    /// The bytes that came over the network since this was asked last, also those that were not wanted.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// Reads once from the answer that has what is wanted; nothing when none of it came.
    ///
    /// Only the time that is waited for the server counts: not that of a limited bandwidth, or of a busy disk.
    async fn read(&mut self, wanted: &Range<u64>) -> Result<Option<Bytes>> {
        let begun = Instant::now();
        let received = self.read_on(wanted).await;
        self.turns.tempo().wait(begun.elapsed());
        let received = received?;
        let Some(head) = &mut self.head else {
            return Ok(None);
        };
        if received > 0 {
            self.received += received;
            self.http
                .fast_enough(self.turns.tempo(), received, head.place())?;
            self.http.keep_pace(head.rest()).await;
        }
        Ok(head.take(wanted))
    }

    /// Sees to it that the answer has something of what is wanted; the bytes that came over the network for it.
    async fn read_on(&mut self, wanted: &Range<u64>) -> Result<u64> {
        let leads = |head: &Answer| head.leads_to(wanted);
        if !self.head.as_ref().is_some_and(leads) {
            self.put_head(None);
            let next = self.next(wanted).await?;
            self.put_head(Some(next));
        }
        self.send_ahead()?;
        let Some(head) = &mut self.head else {
            return Ok(0);
        };
        self.ahead.during(head.read(self.http)).await
    }

    /// The next answer: one that was asked for ahead, or else one to a request that is sent now.
    async fn next(&mut self, wanted: &Range<u64>) -> Result<Answer> {
        if let Some(next) = self.ahead.next().await {
            return next;
        }
        let span = self.plan.span(self.at, wanted.clone());
        self.asked = span.behind;
        Answer::open(self.http, self.url()?, span.bytes, self.size).await
    }

    fn send_ahead(&mut self) -> Result<()> {
        while let Some(wanted) = self.plan.wanted(self.asked) {
            let span = self.plan.span(self.asked, wanted);
            let has_room = |head: &Answer| self.ahead.has_room(head, &span.bytes);
            if !self.head.as_ref().is_some_and(has_room) {
                break;
            }
            let request = Answer::open(self.http, self.url()?, span.bytes.clone(), self.size);
            self.ahead.push(&span.bytes, Box::pin(request));
            self.asked = span.behind;
        }
        Ok(())
    }

    fn put_head(&mut self, next: Option<Answer>) {
        if next.as_ref().is_some_and(Answer::is_whole) {
            self.ahead = Ahead::default();
        }
        if let Some(last) = std::mem::replace(&mut self.head, next) {
            last.finish();
        }
    }

    async fn failed(&mut self, error: Error) -> Result<()> {
        self.head = None;
        self.ahead = Ahead::default();
        self.turns.failed(error).await
    }
}
