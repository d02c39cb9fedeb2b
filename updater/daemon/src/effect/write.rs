//! Writes usr, verity and signature to the slot that is not in use.

use std::io;

use acl_host::{disk::Region, file};
use acl_release::{manifest::Part, payload::unpack::Sink};

use super::{Error, staged_files::StagedFiles};
use crate::session::{Found, Progress, Session};

/// The bytes that came over the network.
pub(super) async fn write(session: &mut Session) -> Result<u64, Error> {
    let found = session.found.as_ref().ok_or(Error::NothingFound)?;
    let slot = session.machine.other_slot()?;
    let mut fetched = 0;
    for (part, region) in [(Part::Usr, &slot.usr), (Part::Verity, &slot.verity)] {
        let mut sink = ToRegion {
            region,
            progress: &mut session.progress,
            fetched: 0,
        };
        fetch(found, part, &mut sink).await?;
        fetched += sink.fetched;
    }
    let files = StagedFiles::new(&session.machine.state_dir());
    write_signature(&files, &slot.signature).map_err(|source| Error::WriteSlot { source })?;
    Ok(fetched)
}

/// Fetch a part of a release into `sink`.
pub(super) async fn fetch(found: &Found, part: Part, sink: &mut dyn Sink) -> Result<(), Error> {
    let artifact = found.manifest.artifacts.part(part);
    let fetched = async {
        let fetch = found.repository.fetch(part, artifact).await?;
        sink.fetched(artifact.index.size);
        fetch.run(0, sink).await
    };
    fetched
        .await
        .map_err(|source| Error::FetchRelease { source })
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

struct ToRegion<'a> {
    region: &'a Region,
    progress: &'a mut Progress,
    fetched: u64,
}

impl Sink for ToRegion<'_> {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.region
            .write_at(bytes, offset)
            .map_err(io::Error::other)?;
        self.progress.add(bytes.len() as u64);
        Ok(())
    }

    fn fetched(&mut self, bytes: u64) {
        self.fetched += bytes;
    }
}
