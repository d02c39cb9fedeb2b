//! Waits until the time is synchronised, before the first automatic check.
//!
//! A machine without a clock of its own, or with a wrong one, starts with a time at which the repository's metadata
//! seems to be expired, or one at which expired metadata seems to be good.

use std::{future::Future, time::Duration};

use acl_host::systemd::Systemd;
use tracing::{info, warn};

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How long systemd may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Ends when the time is synchronised, or after `limit`. A bus that does not answer is no answer.
pub(crate) async fn synchronised(limit: Duration) {
    if limit.is_zero() {
        return;
    }
    let waited = until(
        async || is_synchronised().await,
        async || {
            tokio::time::sleep(PAUSE).await;
        },
    );
    if tokio::time::timeout(limit, waited).await.is_err() {
        warn!(
            "the time is not synchronised after {} s; releases are looked for all the same",
            limit.as_secs()
        );
    }
}

/// Asks until the answer is yes.
async fn until<A, P>(ask: impl Fn() -> A, pause: impl Fn() -> P)
where
    A: Future<Output = bool>,
    P: Future<Output = ()>,
{
    let mut told = false;
    while !ask().await {
        if !told {
            info!("the first check waits until the time is synchronised");
            told = true;
        }
        pause().await;
    }
}

/// Whether the time is known to be synchronised.
pub(crate) async fn is_synchronised() -> bool {
    let asked = async { Systemd::connect().await?.is_time_synchronised().await };
    let answer = tokio::time::timeout(ANSWER, asked).await;
    answer.is_ok_and(|answer| answer.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn it_is_asked_until_the_answer_is_yes() {
        let (asked, paused) = (Cell::new(0), Cell::new(0));
        let ask = async || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let pause = async || paused.set(paused.get() + 1);
        until(ask, pause).await;
        assert_eq!((asked.get(), paused.get()), (3, 2));
    }

    #[tokio::test]
    async fn without_a_wait_nothing_is_asked() {
        synchronised(Duration::ZERO).await;
    }
}
