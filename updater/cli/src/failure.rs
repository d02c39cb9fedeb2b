//! Why a verb did not do what was asked, and who must act.

use std::path::PathBuf;

use acl_host::Who;

use crate::document::{Document, Phase};

/// What the names of the agent's errors begin with; the rest says who must act.
const PREFIX: &str = "org.acl.Updater1.Error.";

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot begin")]
    Begin { source: std::io::Error },
    #[error("cannot reach the system bus")]
    Connect { source: zbus::Error },
    #[error(
        "the update agent is not running: `systemctl start acl-updated` starts it, `systemctl status acl-updated` shows why it ended"
    )]
    NotRunning,
    #[error("the bus does not let you ask the agent: {reason}")]
    Denied { reason: String },
    #[error("cannot talk to the update agent")]
    Talk { source: zbus::Error },
    #[error("{reason}")]
    Refused { reason: String, who: Who },
    #[error("the agent says what this program does not understand; are both of the same release?")]
    Understand { source: serde_json::Error },
    #[error("cannot write to standard output")]
    Print { source: std::io::Error },
    #[error(transparent)]
    Host { source: acl_host::Error },
    #[error("only root may read {}: run this as root", path.display())]
    OnlyRoot { path: PathBuf },
    #[error("{} is damaged; as long as it is there, the next boot is not a first boot", path.display())]
    DamagedRecord {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{} has the form {schema}, and this aclctl understands 1: it is of another release, whose own can show it", path.display()
    )]
    StrangeRecord { path: PathBuf, schema: u64 },
    #[error("cannot ask on the terminal")]
    Ask { source: std::io::Error },
    #[error(
        "there is no terminal to ask on, so nothing was changed: `--yes` says that you mean it"
    )]
    NobodyToAsk,
    #[error("nothing was changed")]
    Declined,
}

impl Failure {
    /// Who must act; the exit code follows from it.
    pub(crate) fn who(&self) -> Who {
        match self {
            Self::Begin { .. }
            | Self::Connect { .. }
            | Self::NotRunning
            | Self::Talk { .. }
            | Self::Print { .. }
            | Self::DamagedRecord { .. }
            | Self::StrangeRecord { .. }
            | Self::Ask { .. } => Who::Environment,
            Self::Denied { .. } | Self::OnlyRoot { .. } | Self::NobodyToAsk | Self::Declined => {
                Who::Operator
            }
            Self::Host { source } => source.who(),
            Self::Refused { who, .. } => *who,
            Self::Understand { .. } => Who::Bug,
        }
    }

    /// An error that came over the bus.
    pub(crate) fn from_bus(source: zbus::Error) -> Self {
        let (name, reason) = match &source {
            zbus::Error::MethodError(name, reason, _) => {
                (name.to_string(), reason.clone().unwrap_or_default())
            }
            zbus::Error::FDO(error) => match error.as_ref() {
                zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_) => {
                    return Self::NotRunning;
                }
                zbus::fdo::Error::AccessDenied(reason) => {
                    return Self::Denied {
                        reason: reason.clone(),
                    };
                }
                _ => return Self::Talk { source },
            },
            _ => return Self::Talk { source },
        };
        match name.strip_prefix(PREFIX).and_then(who) {
            Some(who) => Self::Refused { reason, who },
            None => Self::from_name(&name, reason, source),
        }
    }

    fn from_name(name: &str, reason: String, source: zbus::Error) -> Self {
        match name.strip_prefix("org.freedesktop.DBus.Error.") {
            Some("ServiceUnknown" | "NameHasNoOwner") => Self::NotRunning,
            Some("AccessDenied") => Self::Denied { reason },
            _ => Self::Talk { source },
        }
    }

    /// The failure that a check came to: something is wrong with a release, and there is no other one to take.
    pub(crate) fn of_decision(document: &Document) -> Option<Self> {
        let decision = document.decision.as_ref()?;
        decision.at_fault.as_ref().map(|name| Self::Refused {
            reason: decision.reason.clone(),
            who: who(name).unwrap_or(Who::Bug),
        })
    }

    /// The failure that a phase tells of.
    pub(crate) fn of_phase(phase: &Phase) -> Option<Self> {
        match phase {
            Phase::Failed { reason, who: name } => Some(Self::Refused {
                reason: reason.clone(),
                who: who(name).unwrap_or(Who::Bug),
            }),
            Phase::Waiting {
                version,
                reason,
                who: name,
            } => Some(Self::Refused {
                reason: format!(
                    "the machine is not rebooted into {version} before the repository says that it may be: {reason}"
                ),
                who: who(name).unwrap_or(Who::Bug),
            }),
            _ => None,
        }
    }
}

fn who(name: &str) -> Option<Who> {
    match name.to_ascii_lowercase().as_str() {
        "operator" => Some(Who::Operator),
        "environment" => Some(Who::Environment),
        "server" => Some(Who::Server),
        "bug" => Some(Who::Bug),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_state_says_who_must_act() {
        for (name, code) in [
            ("operator", 3),
            ("environment", 4),
            ("server", 5),
            ("bug", 1),
            ("nobody", 1),
        ] {
            let phase = Phase::Failed {
                reason: "x".into(),
                who: name.into(),
            };
            let failure = Failure::of_phase(&phase).unwrap();
            assert_eq!(failure.who().exit_code(), code, "{name}");
            let phase = Phase::Waiting {
                version: "2".into(),
                reason: "x".into(),
                who: name.into(),
            };
            let failure = Failure::of_phase(&phase).unwrap();
            assert_eq!(failure.who().exit_code(), code, "waiting, {name}");
        }
    }
}
