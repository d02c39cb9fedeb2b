//! Reads the machine: what runs, which boot entries there are, what the last health report says.

use acl_host::clock::Clock;
use acl_updater_core::{
    Version,
    machine::{Entry, Facts, Tries},
};

use crate::{
    health::report,
    machine::{Error, Machine},
};

/// The machine as it is now.
pub(crate) fn read(machine: &Machine, clock: &dyn Clock) -> Result<Facts, Error> {
    let running = machine.image()?.version;
    Ok(Facts {
        running,
        entries: entries(machine)?,
        // A report that cannot be read says nothing; entries and their counters decide then.
        health: report::read(&machine.state_dir()).map(|report| report.summary()),
        at: u64::try_from(clock.now().as_millisecond()).unwrap_or_default(),
    })
}

fn entries(machine: &Machine) -> Result<Vec<Entry>, Error> {
    let listed = machine
        .esp()?
        .entries()
        .map_err(|source| Error::ReadEntries { source })?;
    let entry = |name: &acl_host::entry::EntryName| Entry {
        version: Version::new(name.version()),
        tries: name.tries().map(|t| Tries {
            left: t.left,
            done: t.done.unwrap_or_default(),
        }),
    };
    Ok(listed.iter().map(entry).collect())
}
