//! Decisions of the update agent, without I/O.
//!
//! [`step()`] takes the agent's state and one event and returns the state that follows and the effects to
//! carry out, in order. The daemon owns everything else: it reads the [`machine`], carries effects out and
//! feeds back what became of them. Which release a node is offered is chosen in `acl_release::choose`;
//! versions are opaque here.
//!
//! The order that keeps a machine bootable wherever the power is cut is [`effect::Step`]'s.

pub mod bounds;
pub mod effect;
pub mod event;
pub mod machine;
pub mod record;
pub mod state;
mod step;
mod told;
mod version;

pub use step::step;
pub use version::Version;
