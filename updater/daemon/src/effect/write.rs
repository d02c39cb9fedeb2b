//! Writes usr, verity and signature to the slot that is not in use, while the kernel image gets its last form and is
//! written to the ESP.

use std::{path::PathBuf, sync::Arc};

use acl_host::{
    disk::Region,
    esp::Written,
    file,
    verity::{Parameters, RootHash},
};
use acl_release::{
    manifest::{ArtifactPatch, Form, Part},
    payload::assemble::{Readable, Sink},
    repository::fetch::{Fetch, Stock},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Error, Prepared, arm, kernel, prepare,
    sinks::{Fetched, Writing},
    slot,
    staged_files::StagedFiles,
    watch,
};
use crate::{
    machine::OtherSlot,
    session::{Found, Session},
};

/// The bytes that came over the network.
pub(super) async fn write(session: &mut Session) -> Result<u64, Error> {
    (session.proven, session.written) = (None, None);
    let prepared = session.prepared.take().ok_or(Error::NothingFound)?;
    let (stop, fetched) = (session.cancel.child_token(), Fetched::default());
    let work = write_all(session, prepared, (&fetched, &stop));
    let (proven, written) = watch::over(session, &stop, work).await?;
    (session.proven, session.written) = (proven, Some(written));
    Ok(fetched.bytes())
}

async fn write_all(
    session: &Session,
    prepared: Prepared,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<(Option<RootHash>, Written), Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let write_kernel = async {
        kernel::finish(session, found, prepared.unpressed, (fetched, stop)).await?;
        arm::write(session, found, stop).await
    };
    let (kernel, slot) = tokio::join!(
        write_kernel,
        write_slot(session, found, prepared.usr, (fetched, stop)),
    );
    Ok((slot?, kernel?))
}

/// The root hash of what the slot gave back, if it is the one that was promised.
async fn write_slot(
    session: &Session,
    found: &Found,
    usr: Fetch,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<Option<RootHash>, Error> {
    let slot = session.machine.other_slot()?;
    let running = running(session);
    let stock = Stock {
        old: running.clone().map(|usr| Arc::new(usr) as _),
        begun: begun(session, found, &slot)?,
    };
    let usr = usr.cancelled_by(stop.clone());
    let root = write_usr(session, (found, usr), &slot, stock, (fetched, stop)).await?;
    if let Some(running) = running {
        // What was read of it to compare is of no use to the node; nothing waits for it to be forgotten.
        tokio::task::spawn_blocking(move || running.forget());
    }
    let size = found.manifest.artifacts.verity.size;
    let proven = (root == prepare::root_hash(found)).then_some(root);
    if proven.is_some() {
        session.progress.add(size);
    } else {
        // A tree that was made with other parameters, or a disk that did not give back what was written: reading back
        // tells which.
        let sink = Writing {
            to: slot.verity.clone(),
            progress: Some(session.progress.clone()),
            fetched: fetched.clone(),
        };
        let form = found.manifest.artifacts.verity.plain();
        let part = Part::Verity;
        fetch(found, part, (&form, None), (Stock::default(), sink), stop).await?;
    }
    let files = StagedFiles::new(&session.machine.state_dir());
    write_signature(&files, &slot.signature).map_err(|source| Error::WriteSlot { source })?;
    Ok(proven)
}

/// Writes the file system; the root hash of what the disk gave back.
async fn write_usr(
    session: &Session,
    (found, usr): (&Found, Fetch),
    slot: &OtherSlot,
    stock: Stock,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<RootHash, Error> {
    let artifact = &found.manifest.artifacts.usr;
    let parameters = Parameters::from_digest(artifact.sha256.bytes());
    let told = (session.progress.clone(), fetched.clone());
    let (sink, read_back) = slot::sink(slot, artifact.size, &parameters, told, stop)
        .map_err(|source| Error::WriteSlot { source })?;
    let fetch = run(usr, stock, sink).await;
    // Its own error is the cause of the other, when there are two.
    let root = read_back.await?;
    match (fetch, root) {
        (Err(Error::FetchRelease { source }), Err(cause)) if source.is_sink() => Err(cause),
        (Err(error), _) => Err(error),
        (Ok(()), root) => root,
    }
}

/// The file system of the running release, to take from it what stays.
fn running(session: &Session) -> Option<Region> {
    let found = session.machine.running_usr();
    found
        .inspect_err(|error| {
            let chain = acl_host::error::chain(error);
            warn!(
                error = chain,
                "all is fetched, because the running release cannot be compared: {chain}"
            );
        })
        .ok()
}

/// The slot, when an earlier try has begun to write this release there.
fn begun(session: &Session, found: &Found, slot: &OtherSlot) -> Result<Option<Readable>, Error> {
    let mark = Mark::new(session, found);
    if mark.is_set() {
        info!("an earlier try has begun to write this release: what is there already is kept");
        return Ok(Some(Arc::new(slot.usr.clone())));
    }
    mark.set().map_err(|source| Error::KeepState { source })?;
    Ok(None)
}

/// Fetch a part of a release into a sink, as far as it is not in stock; ends soon after `stop` is cancelled.
pub(super) async fn fetch(
    found: &Found,
    part: Part,
    (form, patch): (&Form, Option<&ArtifactPatch>),
    (stock, sink): (Stock, impl Sink + 'static),
    stop: &CancellationToken,
) -> Result<(), Error> {
    let fetch = open(found, part, (form, patch), stop).await?;
    run(fetch, stock, sink).await
}

/// Fetch the lists of a part of a release. What is made of them ends soon after `stop` is cancelled, too.
pub(super) async fn open(
    found: &Found,
    part: Part,
    (form, patch): (&Form, Option<&ArtifactPatch>),
    stop: &CancellationToken,
) -> Result<Fetch, Error> {
    let opened = async {
        let repository = found.repository.read().await;
        repository.fetch(part, form, patch).await
    };
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => Err(acl_release::Error::Cancelled { part }),
        opened = opened => opened,
    };
    let opened = opened.map_err(|source| Error::FetchRelease { source })?;
    Ok(opened.cancelled_by(stop.clone()))
}

/// Fetch what the lists name.
pub(super) async fn run(
    fetch: Fetch,
    stock: Stock,
    sink: impl Sink + 'static,
) -> Result<(), Error> {
    let fetched = fetch.run(stock, Box::new(sink)).await.map(drop);
    fetched.map_err(|source| Error::FetchRelease { source })
}

/// Tells, after an interruption, that the slot may hold part of a release. It says only where looking is worth it: every
/// chunk is compared with its digest.
struct Mark {
    path: PathBuf,
    release: String,
}

impl Mark {
    fn new(session: &Session, found: &Found) -> Self {
        Self {
            path: StagedFiles::new(&session.machine.state_dir()).slot_mark(),
            release: found.manifest.artifacts.usr.sha256.to_string(),
        }
    }

    fn is_set(&self) -> bool {
        file::read_to_string(&self.path).is_ok_and(|text| text == self.release)
    }

    /// Before the first byte is written.
    fn set(&self) -> acl_host::Result<()> {
        file::make_parents(&self.path)?;
        file::write(&self.path, self.release.as_bytes())
    }
}

/// The signature partition is JSON, padded with zeros to its end (UAPI.2).
fn write_signature(files: &StagedFiles, region: &Region) -> acl_host::Result<()> {
    let bytes = file::read(files.path(Part::Signature))?;
    region.write_at(&bytes, 0)?;
    let zeros = [0; 64 * 1024];
    let mut at = bytes.len() as u64;
    while at < region.size() {
        let rest = usize::try_from(region.size() - at).unwrap_or(usize::MAX);
        let padding = &zeros[..rest.min(zeros.len())];
        region.write_at(padding, at)?;
        at += padding.len() as u64;
    }
    Ok(())
}
