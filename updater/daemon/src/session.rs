//! What effects work on: the machine, the repository, and the release that a check found.

use std::sync::Arc;

use acl_host::clock::Clock;
use acl_release::{
    channel::ChannelName,
    choose::Stand,
    manifest::Manifest,
    repository::{
        http::{Http, Network, Patience},
        read::Repository,
    },
};
use tokio::sync::mpsc;

use crate::{machine::Machine, store::Store};

/// What effects work on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) way: Way,
    pub(crate) store: Store,
    pub(crate) progress: Progress,
    /// What the last check found; an update works on nothing else.
    pub(crate) found: Option<Found>,
}

/// The way to the repository, as the configuration had it at the last check.
#[derive(Debug)]
pub(crate) struct Way {
    network: Network,
    http: Http,
}

impl Way {
    pub(crate) fn new(network: Network, clock: Arc<dyn Clock>) -> Result<Self, acl_release::Error> {
        let http = Http::new(Patience::default(), &network, clock)?;
        Ok(Self { network, http })
    }

    /// A client that goes this way: the one from before, with its connections, unless something was changed.
    pub(crate) fn over(
        &mut self,
        network: Network,
        clock: &Arc<dyn Clock>,
    ) -> Result<Http, acl_release::Error> {
        if network != self.network {
            *self = Self::new(network, clock.clone())?;
        }
        Ok(self.http.clone())
    }
}

/// A release found by a check.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) repository: Repository,
    pub(crate) manifest: Manifest,
    /// The channel that offered it.
    pub(crate) channel: ChannelName,
    /// Where the machine stood when it was chosen.
    pub(crate) stand: Stand,
}

/// Tells how far an update is.
#[derive(Debug)]
pub(crate) struct Progress {
    sender: mpsc::UnboundedSender<(u64, u64)>,
    done: u64,
    total: u64,
    told: u64,
}

/// It is told this often on the way from nothing to all.
const TOLD: u64 = 100;

impl Progress {
    pub(crate) fn new(sender: mpsc::UnboundedSender<(u64, u64)>) -> Self {
        Self {
            sender,
            done: 0,
            total: 0,
            told: 0,
        }
    }

    /// Begin anew, with `total` bytes to write.
    pub(crate) fn begin(&mut self, total: u64) {
        (self.done, self.total, self.told) = (0, total, 0);
    }

    /// So many bytes more were written.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done - self.told > self.total / TOLD || self.done == self.total {
            self.told = self.done;
            // Nobody listens only when the agent is about to end.
            let _ = self.sender.send((self.done, self.total));
        }
    }
}
