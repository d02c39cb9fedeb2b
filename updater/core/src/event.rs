//! What happened, as the daemon tells it.

use serde::{Deserialize, Serialize};

use crate::{
    Version,
    effect::Step,
    machine::Facts,
    record::{PackageChange, Unfit},
    state::{Failure, Goal, Who},
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The agent started; this is the machine it found.
    Started(Facts),
    /// The machine was looked at again.
    Looked(Facts),
    /// Someone, or the clock, asks for something; with the machine as it is now.
    Asked(Request, Facts),
    /// A check came to an end; and what keeps the armed release from being booted, if anything does.
    Checked(Outcome, Option<Obstacle>),
    /// A check came to no answer. What was asked for since is not touched by that. With [`Unread`] when it was the
    /// repository that gave none.
    CheckFailed(Failure, Option<Unread>),
    /// The boot entry of a release that was armed is durably gone, for this reason.
    Disarmed(Obstacle),
    /// Bytes of the slot were written.
    Progressed {
        /// Bytes written.
        done: u64,
        /// Bytes to write.
        total: u64,
    },
    /// A step is durably done.
    Done(Step, Took),
    /// The release that is being staged is damaged, and another try would end the same way.
    Unfit(Unfit),
    /// The running release's entry is durably marked bad.
    WentBack,
    /// The effect under way failed, and was not a check.
    Failed(Failure),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The check interval passed; go as far as policy says.
    Automatic(Goal),
    /// Only find out what is offered.
    Check,
    /// Have the offered release armed.
    Stage,
    /// Have it armed and reboot into it.
    Apply,
    /// Reboot into the older release.
    Rollback,
    /// Forget which releases failed and go as far as policy says.
    Retry(Goal),
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing to take, and why.
    Nothing {
        /// The decision's reason.
        reason: String,
        /// What was found about each release of the channel.
        verdicts: Vec<String>,
        /// Who must act, when the newest that is wrong with a newer release keeps the machine from taking one.
        at_fault: Option<Who>,
    },
    /// A release to take.
    Offer(Offer),
}

/// Why a release that was armed must not be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Its version.
    pub version: Version,
    /// Why.
    pub reason: String,
}

/// That the repository did not say whether the armed release may still be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What is done then.
    pub then: Unreachable,
    /// When this was found, in milliseconds since 1970.
    pub at: u64,
}

/// What is done with an armed release that is to be booted while the repository cannot be asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// It is booted all the same.
    Go,
    /// It is not booted before the repository was asked; it is disarmed when that was not possible for `limit`.
    Wait {
        /// In milliseconds.
        limit: u64,
    },
}

/// A release that the node is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its version.
    pub version: Version,
    /// Why it is offered.
    pub reason: String,
    /// What was found about each release of the channel.
    pub verdicts: Vec<String>,
    /// Bytes that its partitions take.
    pub bytes: u64,
    /// Packages that differ from the running release.
    pub packages: Vec<PackageChange>,
}

/// What a step cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// When it ended, in milliseconds since 1970.
    pub at: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Bytes that came over the network.
    pub fetched: u64,
}
