//! The agent's state: what it is doing, and what it must not forget.

use serde::{Deserialize, Serialize};

use crate::{
    Version,
    effect::Step,
    machine::Facts,
    record::{Record, Refused, Unfit, Update},
};

/// The state. All but [`State::machine`] is durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the agent is doing.
    #[serde(rename = "state")]
    pub phase: Phase,
    /// How far the work under way goes.
    pub goal: Goal,
    /// Since when a reboot waits for the repository to be reachable, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<u64>,
    /// Whether the operator asked for that reboot: then it is done whatever the configuration says of reboots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub applies: bool,
    /// What the last check decided.
    pub decision: Option<Decision>,
    /// On what that was decided; none without a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// The update that was begun and has no outcome yet.
    pub update: Option<Update>,
    /// Releases that are not to be tried again, oldest first.
    pub refused: Vec<Refused>,
    /// Releases that proved to be damaged while they were staged, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfit: Vec<Unfit>,
    /// What came of earlier updates, oldest first.
    pub history: Vec<Record>,
    /// That the state from before was lost, and what to do. Nothing is taken automatically until a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The machine as last looked at; never remembered over a restart.
    #[serde(skip)]
    pub machine: Facts,
}

/// What the agent is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// Finding out what is offered.
    Checking,
    /// A release could be staged.
    Available {
        /// Its version.
        version: Version,
    },
    /// Writing a release to the slot not in use.
    Staging {
        /// Its version.
        version: Version,
        /// The step under way.
        step: Step,
        /// Bytes written.
        done: u64,
        /// Bytes to write.
        total: u64,
    },
    /// The slot holds the release whole; it is not armed yet.
    Staged {
        /// Its version.
        version: Version,
        /// The step under way.
        step: Step,
    },
    /// The next boot tries the release.
    Armed {
        /// Its version.
        version: Version,
    },
    /// The armed release is booted once the repository says that it may be; it could not be asked.
    Waiting {
        /// Its version.
        version: Version,
        /// Since when, in milliseconds since 1970.
        since: u64,
        /// Why it could not be asked.
        reason: String,
        /// Who must act on that.
        who: Who,
    },
    /// The armed release must not be booted any more: its boot entry is gone, the running release stays.
    Disarmed {
        /// Its version.
        version: Version,
        /// Why.
        reason: String,
    },
    /// The running release has to prove itself.
    OnTrial {
        /// The release it goes back to, when one is known.
        from: Option<Version>,
        /// The running release.
        to: Version,
    },
    /// The running release proved itself.
    Committed {
        /// The release before it.
        from: Version,
        /// The running release.
        to: Version,
    },
    /// About to reboot into the older release, because the operator said so.
    GoingBack {
        /// The running release.
        from: Version,
        /// The older one.
        to: Version,
    },
    /// The machine went back.
    RolledBack {
        /// The release it left.
        from: Version,
        /// The running release.
        to: Version,
        /// Why.
        reason: String,
    },
    /// The work under way failed; it is tried again at the next check.
    Failed(Failure),
}

/// Why something failed or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong, where, and what to do.
    pub reason: String,
    /// Who must act.
    pub who: Who,
}

/// Who must act. The same answer as `acl_host::Who`, in a form that is kept and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Whoever asked or configured.
    Operator,
    /// Whoever runs the machine or the network.
    Environment,
    /// Whoever runs the release repository.
    Server,
    /// Whoever wrote this program.
    Bug,
}

/// How far to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Find out what is offered.
    #[default]
    Check,
    /// Have it armed.
    Arm,
    /// Have it armed, then reboot.
    Reboot,
}

/// What a check decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The release to take, if any.
    pub version: Option<Version>,
    /// Why.
    pub reason: String,
    /// What was found about each release of the channel, newest first.
    pub verdicts: Vec<String>,
    /// Who must act, when nothing is taken because something is wrong with a newer release; `reason` says what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_fault: Option<Who>,
}

/// The release that ran and the time when a decision was made. It says nothing about another release, nor about a time
/// before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The running release.
    pub release: Version,
    /// When the machine was looked at for it, in milliseconds since 1970.
    pub at: u64,
}

impl State {
    /// Whether work is under way that a second request would disturb.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(
            self.phase,
            Phase::Checking | Phase::Staging { .. } | Phase::Staged { .. }
        )
    }

    /// Whether the running release is on trial and its end has yet to be noticed.
    #[must_use]
    pub fn watches_trial(&self) -> bool {
        self.machine.on_trial() && !self.is_busy() && !self.is_going_back()
    }

    /// Whether the machine is about to reboot into the older release.
    #[must_use]
    pub fn is_going_back(&self) -> bool {
        matches!(self.phase, Phase::GoingBack { .. })
    }

    /// What keeps the agent from its goal, if anything does.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match &self.phase {
            Phase::Failed(failure) => Some(failure.clone()),
            phase @ Phase::Waiting { who, .. } => Some(Failure::new(*who, phase.to_string())),
            _ => self.decision.as_ref().and_then(Decision::failure),
        }
    }

    /// Why `version` is not to be tried, if it is not.
    #[must_use]
    pub fn refusal(&self, version: &Version) -> Option<&Refused> {
        self.refused.iter().find(|r| r.version == *version)
    }
}

impl Decision {
    /// What keeps the machine from taking a release, when something is wrong with it.
    fn failure(&self) -> Option<Failure> {
        let who = self.at_fault.filter(|_| self.version.is_none())?;
        Some(Failure::new(who, self.reason.clone()))
    }
}

impl Failure {
    /// A failure that `who` must act on.
    pub fn new(who: Who, reason: impl Into<String>) -> Self {
        Self {
            reason: Self::bounded(who, &reason.into()),
            who,
        }
    }
}
