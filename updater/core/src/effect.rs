//! What the daemon is asked to do.

use serde::{Deserialize, Serialize};

use crate::{Version, event::Obstacle, state::Failure};

/// One thing to do. Effects of one [`crate::step()`] are carried out in order. A check that fails is fed back as
/// [`crate::event::Event::CheckFailed`], and what was wanted since is carried out nevertheless; when another effect
/// fails, those after it are dropped and the failure is fed back as [`crate::event::Event::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the state durable before anything that follows.
    Save,
    /// Fetch fresh metadata and choose a release; answered by `Checked`.
    Check,
    /// Carry out one step of an update to this release; answered by `Done`.
    Do(Step, Version),
    /// Remove the boot entry of the armed release, which must not be booted; answered by `Disarmed`.
    Disarm(Obstacle),
    /// Make the running release's boot entry the last choice of the boot loader; answered by `WentBack`.
    MarkBad(Version),
    /// Reboot. Into an armed release only right after a check; the next event that counts is `Started`.
    Reboot,
    /// Tell whoever asked that it is not done, and why.
    Refuse(Failure),
}

/// A step of an update. Each is issued only after the one before it was reported durably done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// See that everything fits, before anything is changed.
    Prepare,
    /// Remove every boot entry but the running release's.
    Disarm,
    /// Write usr, verity and signature to the slot not in use, and the kernel image to the ESP, where it is no entry yet.
    Write,
    /// Flush the device.
    Flush,
    /// Read the slot back and compare with the root hash.
    ReadBack,
    /// Set the partitions' GUIDs and labels.
    Name,
    /// Check the metadata once more: it must be fresh now.
    Recheck,
    /// Make the kernel image a boot entry, with its counter.
    Arm,
}

impl Step {
    /// The first step.
    pub const FIRST: Self = Self::Prepare;

    /// The step that follows.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Prepare => Some(Self::Disarm),
            Self::Disarm => Some(Self::Write),
            Self::Write => Some(Self::Flush),
            Self::Flush => Some(Self::ReadBack),
            Self::ReadBack => Some(Self::Name),
            Self::Name => Some(Self::Recheck),
            Self::Recheck => Some(Self::Arm),
            Self::Arm => None,
        }
    }

    /// Stable name, in logs and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Disarm => "disarm",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::ReadBack => "read-back",
            Self::Name => "name",
            Self::Recheck => "recheck",
            Self::Arm => "arm",
        }
    }
}
