//! Who must act on an error; the exit code of every program comes from it.

use std::fmt;

/// Who must act so that a failed action can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// The person who gave the input (an argument, a recipe, a configuration file), or who alone may decide what of what a
    /// node knows is to be forgotten.
    Operator,
    /// Whoever keeps the machine: a full disk, a missing program, no network.
    Environment,
    /// Whoever publishes releases: what the server sent is wrong.
    Server,
    /// The developers of ACL.
    Bug,
}

impl Who {
    /// The exit code of a program that fails for this reason: 1, 3, 4 or 5. 2 stays with usage errors of the command
    /// line, 0 with success.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Operator => 3,
            Self::Environment => 4,
            Self::Server => 5,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Environment => "environment",
            Self::Server => "server",
            Self::Bug => "bug",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Who;

    #[test]
    fn exit_codes_are_distinct_and_leave_usage_errors_alone() {
        let codes = [Who::Bug, Who::Operator, Who::Environment, Who::Server].map(Who::exit_code);
        assert_eq!(codes, [1, 3, 4, 5]);
    }
}
