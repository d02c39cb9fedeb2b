//! Fetches the kernel image: what changed of it, compared with the one that boots the running release, or all of it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use acl_release::{
    digest::{Digest, Digester},
    manifest::{ArtifactPatch, Base, Inner, Part},
    payload::inner,
    repository::fetch::Stock,
};
use tracing::warn;

use super::{
    Error,
    sinks::{Fetched, Named, Writing},
    staged_files::StagedFiles,
    write,
};
use crate::session::{Found, Session};

/// The bytes that came over the network. The image is kept where [`StagedFiles`] says.
pub(super) async fn fetch(session: &Session, found: &Found) -> Result<u64, Error> {
    let files = StagedFiles::new(&session.machine.state_dir());
    let fetched = Fetched::default();
    let patch = found.patch().and_then(|patch| patch.part(Part::Uki));
    if let (Some(patch), Some(old)) = (patch, running(session)) {
        match patched(&files, found, patch, &old, &fetched).await? {
            Ok(()) => {
                session.progress.add(found.manifest.artifacts.uki.size);
                return Ok(fetched.bytes());
            }
            Err(problem) => {
                warn!(
                    error = problem,
                    "the whole kernel image is fetched: {problem}"
                );
            }
        }
    }
    files
        .fetch(found, Part::Uki, &session.progress, &fetched)
        .await?;
    Ok(fetched.bytes())
}

/// The image that boots the running release.
fn running(session: &Session) -> Option<PathBuf> {
    let running = session.machine.image().ok()?.version;
    let esp = session.machine.esp().ok()?;
    let entries = esp.entries().ok()?;
    let entry = entries.iter().find(|e| e.version() == running.as_str())?;
    Some(esp.path(entry))
}

/// Makes the image of the old one; otherwise why it cannot be made of it.
async fn patched(
    files: &StagedFiles,
    found: &Found,
    patch: &ArtifactPatch,
    old: &Path,
    fetched: &Fetched,
) -> Result<Result<(), String>, Error> {
    let mut image = match open_base(&patch.base, old) {
        Ok(image) => image,
        Err(error) => {
            let old = old.display();
            return Ok(Err(format!("{old} cannot be compared: {error}")));
        }
    };
    let unpacked = unpack(&mut image, &patch.base, &files.old());
    let unpacked = unpacked.map_err(|source| Error::KeepPart {
        path: files.old(),
        source,
    })?;
    let artifact = &found.manifest.artifacts.uki;
    let (frames, form) = artifact.comparable();
    let begun = files.unpacked();
    let open = || {
        let mut open = File::options();
        open.read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&begun)
    };
    let keep = |source| Error::KeepPart {
        path: begun.clone(),
        source,
    };
    let file = open().map_err(keep)?;
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
    write::fetch(found, Part::Uki, (&form, Some(patch)), stock, sink).await?;
    file.set_len(form.size).map_err(keep)?;
    let pressed = files.path(Part::Uki);
    match press(file, frames, &pressed).map_err(keep)? {
        digest if digest == artifact.sha256 => Ok(Ok(())),
        digest => Ok(Err(format!(
            "compressed again it has SHA-256 {digest}, the manifest says {}: this zstd is not the publisher's",
            artifact.sha256
        ))),
    }
}

/// The old image, if it is the one that the patch is for.
fn open_base(base: &Base, old: &Path) -> io::Result<BufReader<File>> {
    let mut image = BufReader::new(File::open(old)?);
    let mut digest = Digesting::new(io::sink());
    io::copy(&mut image, &mut digest)?;
    if digest.finish() != base.sha256 {
        return Err(io::Error::other("it is not the image that was published"));
    }
    image.rewind()?;
    Ok(image)
}

/// The old image with what is compressed in it unpacked; a file without a name.
fn unpack(image: &mut BufReader<File>, base: &Base, path: &Path) -> io::Result<File> {
    let open = || {
        let mut open = File::options();
        open.read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    };
    let mut out = BufWriter::new(open()?);
    inner::unpack(image, &base.inner, &mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// Compresses again what belongs compressed; the digest of the image.
fn press(mut unpacked: File, frames: &[Inner], to: &Path) -> io::Result<Digest> {
    unpacked.rewind()?;
    let mut out = Digesting::new(BufWriter::new(File::create(to)?));
    inner::press(&mut BufReader::new(unpacked), frames, &mut out)?;
    out.to.flush()?;
    Ok(out.finish())
}

/// Tells the digest of what was written through it.
struct Digesting<W> {
    to: W,
    digester: Digester,
}

impl<W> Digesting<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            digester: Digester::default(),
        }
    }

    fn finish(self) -> Digest {
        self.digester.finish()
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.digester.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
