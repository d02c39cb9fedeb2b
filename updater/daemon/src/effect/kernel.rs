//! Fetches the kernel image: what changed of it, compared with the one that boots the running release, or all of it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use acl_host::error::chain;
use acl_release::{
    manifest::{ArtifactPatch, Base, Part},
    payload::inner,
    repository::fetch::Stock,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Error,
    cancellable::Cancellable,
    noting::{Noted, Noting},
    prepare,
    sinks::{Fetched, Named, Writing, at},
    staged_files::{StagedFiles, Verified},
    uki,
    unpressed::Unpressed,
    write,
};
use crate::{
    machine,
    session::{Found, Session},
};

/// Bytes that are read or written at a time.
pub(super) const PIECE: usize = 256 * 1024;

/// The image is kept where [`StagedFiles`] says, unless it is returned: then all of it is there and was checked, and
/// [`finish`] is left to be done.
pub(super) async fn fetch(
    session: &Session,
    found: &Found,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<Option<Unpressed>, Error> {
    let files = StagedFiles::new(&session.machine.state_dir());
    let artifact = &found.manifest.artifacts.uki;
    if has(&files, found, stop).await? {
        session.progress.add(artifact.size);
        check_kept(&files, found)?;
        return Ok(None);
    }
    let patch = found.patch().and_then(|patch| patch.part(Part::Uki));
    if let Some(patch) = patch {
        let made = match running(session) {
            Ok(old) => patched(&files, found, (patch, old), (fetched, stop)).await?,
            Err(error) => Err(incomparable(&chain(&error))),
        };
        match made {
            Ok(unpressed) => {
                let image = unpressed.outside().map_err(unpressed.failed())?;
                check(image, found, unpressed.failed())?;
                return Ok(Some(unpressed));
            }
            Err(problem) => fetch_whole_for(&problem, stop)?,
        }
    }
    whole(session, found, (fetched, stop)).await?;
    Ok(None)
}

/// Whether an earlier try has left the image: all of it is hashed, where nothing else waits for it.
async fn has(files: &StagedFiles, found: &Found, stop: &CancellationToken) -> Result<bool, Error> {
    let (files, artifact) = (files.clone(), found.manifest.artifacts.uki.clone());
    let stop = stop.clone();
    let has = move || files.has(Part::Uki, &artifact, &stop);
    Ok(tokio::task::spawn_blocking(has).await?)
}

/// Gives the image its last form, without network: what could be refused was refused by [`fetch`]. Only a node whose
/// zstd is not the publisher's has to fetch it after all.
pub(super) async fn finish(
    session: &Session,
    found: &Found,
    unpressed: Option<Unpressed>,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<(), Error> {
    let Some(unpressed) = unpressed else {
        return Ok(());
    };
    let failed = unpressed.failed();
    let cancel = stop.clone();
    let pressed = tokio::task::spawn_blocking(move || unpressed.press(&cancel)).await?;
    match pressed.map_err(failed)? {
        Ok(()) => {
            let size = found.manifest.artifacts.uki.size;
            session.progress.add(size);
            Ok(())
        }
        Err(problem) => {
            fetch_whole_for(&problem, stop)?;
            whole(session, found, (fetched, stop)).await
        }
    }
}

/// Nothing is fetched any more once `stop` is cancelled: that is the problem then.
fn fetch_whole_for(problem: &str, stop: &CancellationToken) -> Result<(), Error> {
    if stop.is_cancelled() {
        let part = Part::Uki;
        let source = acl_release::Error::Cancelled { part };
        return Err(Error::FetchRelease { source });
    }
    warn!(
        error = problem,
        "the whole kernel image is fetched: {problem}"
    );
    Ok(())
}

async fn whole(
    session: &Session,
    found: &Found,
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<(), Error> {
    let files = StagedFiles::new(&session.machine.state_dir());
    let told = (&session.progress, fetched);
    files.fetch(found, Part::Uki, told, stop).await?;
    check_kept(&files, found)
}

fn check_kept(files: &StagedFiles, found: &Found) -> Result<(), Error> {
    let path = files.path(Part::Uki);
    let image = File::open(&path).map_err(prepare::unread(&path))?;
    check(image, found, prepare::unread(&path))
}

/// Whether it boots the root hash that the manifest promises.
fn check(
    image: impl Read + Seek,
    found: &Found,
    unread: impl FnOnce(io::Error) -> Error,
) -> Result<(), Error> {
    let refuse = |problem| Error::RefuseUki {
        version: found.manifest.version.to_string(),
        problem,
    };
    let booted = uki::root_hash(image).map_err(unread)?.map_err(refuse)?;
    let expected = prepare::root_hash(found);
    if booted == expected {
        return Ok(());
    }
    Err(refuse(format!(
        "it boots the root hash {booted}, the manifest says {expected}"
    )))
}

/// The image that boots the running release.
fn running(session: &Session) -> Result<PathBuf, machine::Error> {
    let unread = |source| machine::Error::ReadEntries { source };
    let version = session.machine.image()?.version;
    let esp = session.machine.esp()?;
    let entries = esp.entries().map_err(unread)?;
    let entry = entries.iter().find(|e| e.version() == version.as_str());
    let none = || acl_host::Error::NoEntry {
        path: esp.entries_directory(),
        version: version.to_string(),
    };
    let entry = entry.ok_or_else(none).map_err(unread)?;
    Ok(esp.path(entry))
}

/// Makes the image of the old one; otherwise why it cannot be made of it.
async fn patched(
    files: &StagedFiles,
    found: &Found,
    (patch, old): (&ArtifactPatch, PathBuf),
    (fetched, stop): (&Fetched, &CancellationToken),
) -> Result<Result<Unpressed, String>, Error> {
    let (_, form) = found.manifest.artifacts.uki.comparable();
    let (base, from, to) = (patch.base.clone(), old, files.old());
    let cancel = stop.clone();
    let unpacking = async {
        let unpacked =
            tokio::task::spawn_blocking(move || unpack(&base, from, &to, &cancel)).await?;
        unpacked.map_err(|source| Error::KeepPart {
            path: files.old(),
            source,
        })
    };
    let lists = write::open(found, Part::Uki, (&form, Some(patch)), stop);
    let (unpacked, lists) = tokio::join!(unpacking, lists);
    let unpacked = match unpacked? {
        Ok(unpacked) => unpacked,
        Err(error) => return Ok(Err(incomparable(&error.to_string()))),
    };
    let lists = match unless_lacking(lists)? {
        Ok(lists) => lists,
        Err(problem) => return Ok(Err(problem)),
    };
    let begun = files.unpacked();
    let keep = |source| Error::KeepPart {
        path: begun.clone(),
        source,
    };
    let file = open(&begun, false).map_err(keep)?;
    let again = |file: &File| file.try_clone().map_err(keep);
    let stock = Stock {
        old: Some(Arc::new(unpacked)),
        begun: Some(Arc::new(again(&file)?)),
    };
    let sink = Writing {
        to: Named {
            file: again(&file)?,
            path: begun.clone(),
        },
        progress: None,
        fetched: fetched.clone(),
    };
    if let Err(problem) = unless_lacking(write::run(lists, stock, sink).await)? {
        return Ok(Err(problem));
    }
    file.set_len(form.size).map_err(keep)?;
    Ok(Ok(Unpressed::new(
        file,
        files,
        &found.manifest.artifacts.uki,
    )))
}

/// Without what the repository lacks or has wrong the image can still be had whole, as it is.
fn unless_lacking<T>(fetched: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match fetched {
        Err(Error::FetchRelease { source }) if source.is_lacking() => Ok(Err(chain(&source))),
        fetched => fetched.map(Ok),
    }
}

fn incomparable(problem: &str) -> String {
    format!("the running one cannot be compared: {problem}")
}

fn open(path: &Path, empty: bool) -> io::Result<File> {
    let mut open = File::options();
    open.read(true).write(true).create(true);
    open.truncate(empty).open(path)
}

/// The old image with what is compressed in it unpacked, as a file without a name; otherwise why it is not the one that
/// the patch is for, or cannot be read. The outer error is that of `to`.
fn unpack(
    base: &Base,
    from: PathBuf,
    to: &Path,
    cancel: &CancellationToken,
) -> io::Result<io::Result<File>> {
    let file = open(to, true)?;
    std::fs::remove_file(to)?;
    let failed = Noted::default();
    let unpacked = File::open(&from)
        .map_err(|error| at(&from, &error))
        .and_then(|image| {
            let verified = Verified::new(image, from, base.sha256);
            let mut image = BufReader::with_capacity(PIECE, Cancellable::new(verified, cancel));
            let mut out = BufWriter::with_capacity(PIECE, Noting::new(&file, &failed));
            inner::unpack(&mut image, &base.inner, &mut out)?;
            out.flush()
        });
    match failed.take() {
        Some(error) => Err(error),
        None => Ok(unpacked.map(|()| file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_update_does_not_go_on_to_the_whole_image() {
        let stop = CancellationToken::new();
        fetch_whole_for("no patch", &stop).unwrap();
        stop.cancel();
        let ended = fetch_whole_for("the update was cancelled", &stop).unwrap_err();
        let cancelled = acl_release::Error::Cancelled { part: Part::Uki };
        assert_eq!(
            chain(&ended),
            chain(&Error::FetchRelease { source: cancelled })
        );
    }
}
