//! States, effects and requests in the words of a log.

use std::fmt;

use crate::{
    effect::Effect,
    event::{Obstacle, Request},
    state::{Goal, Phase},
};

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Checking => f.write_str("checking"),
            Self::Available { version } => write!(f, "available {version}"),
            Self::Staging { version, .. } => write!(f, "staging {version}"),
            Self::Staged { version, .. } => write!(f, "staged {version}"),
            Self::Armed { version } => write!(f, "armed {version}"),
            Self::Waiting {
                version, reason, ..
            } => write!(f, "waiting with the reboot into {version}: {reason}"),
            Self::Disarmed { version, reason } => write!(f, "disarmed {version}: {reason}"),
            Self::OnTrial { from: None, to } => write!(f, "on trial {to}, without a fall-back"),
            Self::OnTrial {
                from: Some(from),
                to,
            } => write!(f, "on trial {to}, fall-back {from}"),
            Self::Committed { from, to } => write!(f, "committed {to}, after {from}"),
            Self::GoingBack { from, to } => write!(f, "going back from {from} to {to}"),
            Self::RolledBack { from, to, reason } => {
                write!(f, "rolled back from {from} to {to}: {reason}")
            }
            Self::Failed(failure) => write!(f, "failed: {}", failure.reason),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Save => f.write_str("saving the state"),
            Self::Check => f.write_str("check"),
            Self::Do(step, version) => write!(f, "staging {version}: {}", step.name()),
            Self::Disarm(Obstacle { version, reason }) => {
                write!(f, "disarming {version}, because {reason}")
            }
            Self::MarkBad(version) => write!(f, "marking the entry of {version} as failed"),
            Self::Reboot => f.write_str("asking for a reboot"),
            Self::Refuse(failure) => write!(f, "refused: {}", failure.reason),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automatic(Goal::Check) => "check by the clock",
            Self::Automatic(Goal::Arm) => "stage by the clock",
            Self::Automatic(Goal::Reboot) => "apply by the clock",
            Self::Check => "check",
            Self::Stage => "stage",
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Retry(_) => "retry",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Version, effect::Step};

    #[test]
    fn what_the_journal_says() {
        let version = Version::new("1.1.0");
        let told = [
            Phase::Armed {
                version: version.clone(),
            }
            .to_string(),
            Phase::Committed {
                from: Version::new("1.0.0"),
                to: version.clone(),
            }
            .to_string(),
            Effect::Do(Step::Write, version).to_string(),
            Request::Automatic(Goal::Arm).to_string(),
        ];
        let expected = [
            "armed 1.1.0",
            "committed 1.1.0, after 1.0.0",
            "staging 1.1.0: write",
            "stage by the clock",
        ];
        assert_eq!(told, expected);
    }
}
