//! An artifact from the repository into a sink: its index, then its chunks in few large requests.

use url::Url;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Blob, Part};
use crate::payload::index::{Chunk, Index};
use crate::payload::unpack::{Sink, Unpacker};
use crate::repository::download::Download;
use crate::repository::http::Http;

/// An artifact that can be fetched.
#[derive(Debug)]
pub struct Fetch<'a> {
    http: &'a Http,
    part: Part,
    pack: Url,
    pack_size: u64,
    index: Index,
}

impl<'a> Fetch<'a> {
    /// Fetches the artifact's index and checks it.
    pub(crate) async fn open(
        http: &'a Http,
        base: &Url,
        part: Part,
        artifact: &Artifact,
    ) -> Result<Self> {
        let url = blob_url(base, &artifact.index)?;
        let bytes = http.document(&url, artifact.index.size).await?;
        let found = Digest::of(&bytes);
        if found != artifact.index.sha256 {
            return Err(Error::IndexDigest {
                part,
                url: url.into(),
                found,
                expected: artifact.index.sha256,
            });
        }
        let index = Index::parse(&bytes, artifact).map_err(|source| Error::Index {
            part,
            url: url.into(),
            source,
        })?;
        let pack = blob_url(base, &artifact.pack)?;
        Ok(Self {
            http,
            part,
            pack,
            pack_size: artifact.pack.size,
            index,
        })
    }

    /// The artifact's chunks.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The bytes that [`Fetch::run`] will fetch from chunk `first` on.
    pub fn bytes_from(&self, first: usize) -> u64 {
        self.index
            .ranges(first)
            .iter()
            .map(|run| run.bytes.end - run.bytes.start)
            .sum()
    }

    /// Hands the chunks from number `first` on to the sink, each after its digest was checked.
    ///
    /// # Errors
    /// [`Error::Chunk`] for the first chunk that is not what the index says; [`Error::Sink`]; the errors of HTTP
    /// once retries are used up. What the sink has taken by then is good, and a later call goes on behind it.
    pub async fn run(&self, first: usize, sink: &mut dyn Sink) -> Result<()> {
        let mut unpacker = Unpacker::new().map_err(|source| Error::Decompressor { source })?;
        let mut download = Download::new(self.http, self.pack.clone(), self.pack_size);
        let mut offset = self.index.start_of(first);
        let mut buffer = Vec::new();
        for run in self.index.ranges(first) {
            download.want(run.bytes);
            buffer.clear();
            for number in run.chunks {
                let Some(chunk) = self.index.chunks().get(number) else {
                    break;
                };
                let taken = self.fill(&mut download, &mut buffer, chunk, sink).await?;
                self.hand_over(&mut unpacker, number, offset, &buffer[..taken], sink)?;
                buffer.drain(..taken);
                offset += u64::from(chunk.length);
            }
        }
        Ok(())
    }

    /// Reads until the buffer holds the chunk's compressed form; its length.
    async fn fill(
        &self,
        download: &mut Download<'_>,
        buffer: &mut Vec<u8>,
        chunk: &Chunk,
        sink: &mut dyn Sink,
    ) -> Result<usize> {
        let length = chunk.packed as usize;
        while buffer.len() < length {
            let Some(piece) = download.piece().await? else {
                // A range ends with its last chunk, so this is only ever an empty range.
                return Err(Error::Cut {
                    url: self.pack.clone().into(),
                    position: chunk.offset,
                    size: self.pack_size,
                });
            };
            sink.fetched(piece.len() as u64);
            buffer.extend_from_slice(&piece);
        }
        Ok(length)
    }

    fn hand_over(
        &self,
        unpacker: &mut Unpacker,
        number: usize,
        offset: u64,
        packed: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let Some(chunk) = self.index.chunks().get(number) else {
            return Ok(());
        };
        let part = self.part;
        let plain = unpacker
            .unpack(packed, chunk)
            .map_err(|source| Error::Chunk {
                part,
                number,
                offset,
                url: self.pack.clone().into(),
                source,
            })?;
        sink.chunk(offset, plain).map_err(|source| Error::Sink {
            part,
            offset,
            source,
        })
    }
}

/// Where a blob lies.
fn blob_url(base: &Url, blob: &Blob) -> Result<Url> {
    join(base, &format!("blobs/{}", blob.sha256))
}

/// An address below the repository's.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url> {
    base.join(path).map_err(|_parse| Error::RepositoryAddress {
        text: base.to_string(),
    })
}
