//! What a person who waits for a build sees: one line a step on standard error, with the seconds it took.

use std::io::Write;

use acl_host::clock::{Clock, SystemClock};

/// Does `step`, and says so.
///
/// # Errors
/// What `step` returns.
pub fn step<T, E>(name: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = SystemClock.now();
    let done = step()?;
    let seconds = SystemClock.now().duration_since(before).as_secs_f64();
    note(&format!("{name} ({seconds:.1} s)"));
    Ok(done)
}

/// Says something on the way.
pub fn note(text: &str) {
    // A reader who went away is no reason to stop a build.
    let _ = writeln!(std::io::stderr().lock(), "acl-image: {text}");
}
