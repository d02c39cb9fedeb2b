//! Where stages say what they do: the console or the journal, and a file that is kept with the record.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use acl_provision::fetch::CONSOLE;
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log: to standard output or else the journal, where there is one, or standard error; and to the file, which is
/// made if need be.
pub(super) fn begin(file: &Path, to_stdout: bool) -> anyhow::Result<()> {
    acl_host::file::make_parents(file)?;
    let file: File = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    let kept = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::sync::Mutex::new(file));
    let console = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        // The journal has the time.
        .without_time();
    let console = match (to_stdout, tracing_journald::layer()) {
        (true, _) => console.boxed(),
        // With priorities, so that errors are found as errors.
        (false, Ok(journal)) if !std::io::stderr().is_terminal() => {
            let journal = journal.with_field_prefix(None);
            // Standard error is the console's and the journal's.
            let shown = console.with_writer(std::io::stderr).with_filter(ours(true));
            vec![journal.with_filter(ours(false)).boxed(), shown.boxed()].boxed()
        }
        (false, _) => console.with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(kept)
        .with(console)
        .with(LevelFilter::INFO)
        .init();
    Ok(())
}

/// Lines for the console, or all others.
fn ours(console: bool) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(move |line| (line.target() == CONSOLE) == console)
}
