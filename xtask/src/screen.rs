//! What a person sees: lines on standard output, each with the time since the start.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

/// Writes a line.
pub(crate) fn say(line: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // Who closed the output does not want to know.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line with the seconds since the first of its kind.
pub(crate) fn note(line: Arguments<'_>) {
    static START: OnceLock<Instant> = OnceLock::new();
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs();
    say(format_args!("{seconds:4} s  {line}"));
}

/// Writes a heading.
pub(crate) fn heading(line: &str) {
    say(format_args!("\n== {line}"));
}
