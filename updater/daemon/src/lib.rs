//! The update agent: carries out what `acl-updater-core` decides.
//!
//! [`agent::run`] is the agent on a connection, a clock and a [`machine::Machine`]; the program only wires.
//! Each effect of the core has its own file in [`effect`], what makes the agent act by itself is in `feed`.

pub mod agent;
pub mod bus;
pub mod config;
pub mod effect;
mod facts;
mod feed;
pub mod go_back;
pub mod health;
pub mod machine;
mod packages;
pub mod run;
mod session;
mod status;
mod store;

pub use feed::signal::told_to_end;

/// The exit code of a program that fails because of what `who` must act on.
#[must_use]
pub fn exit_code(who: acl_updater_core::state::Who) -> u8 {
    use acl_updater_core::state::Who;
    let who = match who {
        Who::Operator => acl_host::Who::Operator,
        Who::Environment => acl_host::Who::Environment,
        Who::Server => acl_host::Who::Server,
        Who::Bug => acl_host::Who::Bug,
    };
    who.exit_code()
}
