//! Requests that are under way before their answers are read, so that the way to the server and back is waited for
//! once and not for each.

use std::collections::VecDeque;
use std::ops::Range;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use super::answer::Answer;
use crate::error::Result;

/// What may have been asked for ahead of what is being read, in bytes. It may all have to be kept in memory: with
/// HTTP/2 every answer on the connection is read as it comes.
const BYTES: u64 = 2 * 1024 * 1024;

/// Answers under way at once, the one that is read among them, where each has a connection of its own (HTTP/1.1).
const CONNECTIONS: usize = 4;

/// The same where they share one (HTTP/2).
const STREAMS: usize = 16;

/// Requests under way, and answers that have begun, in the order in which they will be read.
#[derive(Default)]
pub(super) struct Ahead<'a> {
    opening: FuturesOrdered<BoxFuture<'a, Result<Answer>>>,
    opened: VecDeque<Result<Answer>>,
    /// The bytes asked for by each of them.
    lengths: VecDeque<u64>,
}

impl std::fmt::Debug for Ahead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ahead({:?})", self.lengths)
    }
}

impl<'a> Ahead<'a> {
    /// Whether one more request may be sent while `head` is read.
    pub(super) fn has_room(&self, head: &Answer, bytes: &Range<u64>) -> bool {
        let at_once = if head.shares_connection() {
            STREAMS
        } else {
            CONNECTIONS
        };
        let asked: u64 = self.lengths.iter().sum();
        !head.is_whole()
            && self.lengths.len() + 1 < at_once
            && asked.saturating_add(bytes.end - bytes.start) <= BYTES
    }

    pub(super) fn push(&mut self, bytes: &Range<u64>, request: BoxFuture<'a, Result<Answer>>) {
        self.lengths.push_back(bytes.end - bytes.start);
        self.opening.push_back(request);
    }

    /// The next answer; nothing when none was asked for.
    pub(super) async fn next(&mut self) -> Option<Result<Answer>> {
        let next = match self.opened.pop_front() {
            Some(next) => Some(next),
            None => self.opening.next().await,
        };
        self.lengths.pop_front();
        next
    }

    /// Waits for `reading`; the requests go on meanwhile.
    pub(super) async fn during<T>(&mut self, reading: impl Future<Output = T>) -> T {
        tokio::pin!(reading);
        loop {
            tokio::select! {
                biased;
                done = &mut reading => return done,
                Some(opened) = self.opening.next() => self.opened.push_back(opened),
            }
        }
    }
}
