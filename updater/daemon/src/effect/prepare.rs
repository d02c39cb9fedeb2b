//! Sees that everything fits and belongs together, before anything is changed.

use std::path::Path;

use acl_host::{entry::EntryName, signature::VeritySignature, verity::RootHash};
use acl_release::{
    manifest::{Manifest, Part},
    repository::fetch::Fetch,
};

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Error, kernel, room,
    sinks::Fetched,
    staged_files::StagedFiles,
    unpressed::Unpressed,
    watch::{self, Limit},
    write,
};
use crate::{
    machine::{Machine, OtherSlot},
    session::{Found, Session},
};

/// Kept free beside the entry: the directory may grow by a cluster or two, and names of entries change.
const RESERVE: u64 = 128 * 1024;

/// What is ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The lists of the file system.
    pub(super) usr: Fetch,
    /// The kernel image, when it lacks its last form only.
    pub(super) unpressed: Option<Unpressed>,
}

/// The bytes that came over the network.
pub(super) async fn prepare(session: &mut Session) -> Result<u64, Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let manifest = &found.manifest;
    slot_fits(&session.machine.other_slot()?, manifest)?;
    entry_fits(&session.machine, manifest.artifacts.uki.size)?;
    let total = Part::ALL.map(|part| manifest.artifacts.part(part).size);
    session.progress.begin(total.iter().sum());
    let files = StagedFiles::new(&session.machine.state_dir());
    files.make()?;
    room::check(&session.machine, found)?;
    let limit = Limit::new(manifest, session.way.network());
    let (version, seconds) = (&manifest.version, limit.seconds());
    info!(
        seconds,
        "release {version} must be staged within {seconds} s"
    );
    session.limit = Some(limit);
    let (stop, fetched) = (session.cancel.child_token(), Fetched::default());
    let work = fetch(session, &files, (&fetched, &stop));
    session.prepared = Some(watch::over(session, &stop, work).await?);
    Ok(fetched.bytes())
}

async fn fetch(
    session: &Session,
    files: &StagedFiles,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<Prepared, Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let told = (&session.progress, fetched);
    files.fetch(found, Part::Signature, told, stop).await?;
    check_signature(&files.path(Part::Signature), found)?;
    let patch = found.patch().and_then(|patch| patch.part(Part::Usr));
    let form = found.manifest.artifacts.usr.plain();
    let (unpressed, usr) = tokio::join!(
        kernel::fetch(session, found, (fetched, stop)),
        write::open(found, Part::Usr, (&form, patch), stop),
    );
    Ok(Prepared {
        unpressed: unpressed?,
        usr: usr?,
    })
}

fn slot_fits(slot: &OtherSlot, manifest: &Manifest) -> Result<(), Error> {
    let regions = [
        (Part::Usr, &slot.usr),
        (Part::Verity, &slot.verity),
        (Part::Signature, &slot.signature),
    ];
    for (part, region) in regions {
        let needed = manifest.artifacts.part(part).size;
        if needed > region.size() {
            return Err(Error::SlotTooSmall {
                version: manifest.version.to_string(),
                part,
                name: region.name().to_owned(),
                needed,
                size: region.size(),
            });
        }
    }
    Ok(())
}

/// Whether the entry fits once those that are to be removed are gone.
fn entry_fits(machine: &Machine, size: u64) -> Result<(), Error> {
    let running = machine.image()?.version;
    let esp = machine.esp()?;
    let free = || {
        let entries = esp.entries()?;
        let (kept, removed): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|entry| entry.version() == running.as_str());
        let bytes = |of: Vec<&EntryName>| -> u64 { of.iter().map(|e| length(&esp.path(e))).sum() };
        match machine.esp_size {
            Some(whole) => Ok(whole.saturating_sub(bytes(kept))),
            None => Ok(esp.free()? + bytes(removed) + esp.unarmed()?),
        }
    };
    let needed = size.saturating_add(RESERVE);
    let free = free().map_err(|source| Error::FitEntry { source })?;
    if needed <= free {
        return Ok(());
    }
    let path = esp.entries_directory();
    Err(Error::FitEntry {
        source: acl_host::Error::EspFull { path, needed, free },
    })
}

/// A file that has gone since it was listed takes no space.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn check_signature(path: &Path, found: &Found) -> Result<(), Error> {
    let version = found.manifest.version.to_string();
    let refused = |source| Error::ParseSignature {
        version: version.clone(),
        source,
    };
    let bytes = std::fs::read(path).map_err(unread(path))?;
    let signed = VeritySignature::parse(&bytes).map_err(refused)?.root_hash;
    let expected = root_hash(found);
    if signed == expected {
        return Ok(());
    }
    Err(Error::RefuseSignature {
        version,
        found: signed,
        expected,
    })
}

/// What the disk does not give back is not the publisher's fault.
pub(super) fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::KeepPart { path, source }
}

/// The root hash that the manifest promises.
pub(super) fn root_hash(found: &Found) -> RootHash {
    RootHash(*found.manifest.root_hash.bytes())
}
