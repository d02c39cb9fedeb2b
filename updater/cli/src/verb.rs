//! One file a verb.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod provision;
pub(crate) mod retry;
pub(crate) mod rollback;
pub(crate) mod stage;
pub(crate) mod status;
