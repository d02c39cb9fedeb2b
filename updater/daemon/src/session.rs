//! What effects work on: the machine, the repository, and the release that a check found.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use acl_host::{clock::Clock, esp::Written, verity::RootHash};
use acl_release::{
    channel::ChannelName,
    choose::Stand,
    digest::Digest,
    manifest::{Manifest, PatchFrom},
    repository::{
        http::{Http, Network, Patience},
        read::Repository,
    },
};
use tokio::sync::{RwLock, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Unreachable,
    effect::{self, Prepared},
    machine::Machine,
    store::Store,
};

/// What effects work on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) way: Way,
    /// What the configuration said at the last check about reboots while the repository cannot be asked.
    pub(crate) unreachable: (Unreachable, Duration),
    pub(crate) store: Store,
    pub(crate) progress: Progress,
    /// Cancelled when the agent ends; every loop that may take long looks at it.
    pub(crate) cancel: CancellationToken,
    /// How long the staging under way may take.
    pub(crate) limit: Option<effect::Limit>,
    /// What the last check found; an update works on nothing else.
    pub(crate) found: Option<Found>,
    /// What was made ready for the release that was found.
    pub(crate) prepared: Option<Prepared>,
    /// The root hash that what the slot gave back has, when writing it has shown that already.
    pub(crate) proven: Option<RootHash>,
    /// The kernel image, when it lies on the ESP already.
    pub(crate) written: Option<Written>,
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

    /// What the operator set.
    pub(crate) fn network(&self) -> &Network {
        &self.network
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
    /// Read anew now and then while a release is staged from it.
    pub(crate) repository: RwLock<Repository>,
    pub(crate) manifest: Manifest,
    /// The digest of the manifest's document.
    pub(crate) digest: Digest,
    /// The channel that offered it.
    pub(crate) channel: ChannelName,
    /// Where the machine stood when it was chosen.
    pub(crate) stand: Stand,
    /// The root hash of the release that runs.
    pub(crate) running: RootHash,
    /// How often what is offered is looked at, also during a staging.
    pub(crate) check_interval: Duration,
}

impl Found {
    /// What leads from the running release to this one, when its publisher has made it.
    pub(crate) fn patch(&self) -> Option<&PatchFrom> {
        self.manifest.patch_from(&Digest::from(self.running.0))
    }
}

/// Tells how far an update is. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    sender: mpsc::UnboundedSender<(u64, u64)>,
    count: Arc<Mutex<Count>>,
}

#[derive(Debug, Default)]
struct Count {
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
            count: Arc::default(),
        }
    }

    /// Begin anew, with `total` bytes to write.
    pub(crate) fn begin(&self, total: u64) {
        *self.count() = Count {
            total,
            ..Count::default()
        };
    }

    /// So many bytes more are where they belong.
    pub(crate) fn add(&self, bytes: u64) {
        let mut count = self.count();
        count.done += bytes;
        if count.done - count.told > count.total / TOLD || count.done == count.total {
            count.told = count.done;
            // Nobody listens only when the agent is about to end.
            let _ = self.sender.send((count.done, count.total));
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // A count is whole whatever happened to its holder.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
