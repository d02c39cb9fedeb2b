//! An artifact from the repository into a sink: its index, then its chunks in few large requests.

use url::Url;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Blob, Part};
use crate::payload::index::{Chunk, Index};
use crate::payload::unpack::{Sink, Unpacker};
use crate::repository::download::Download;
use crate::repository::http::Http;
use crate::repository::sources::{Sources, join};

/// An artifact that can be fetched.
#[derive(Debug)]
pub struct Fetch<'a> {
    http: &'a Http,
    sources: &'a Sources,
    part: Part,
    pack: String,
    pack_size: u64,
    index: Index,
}

impl<'a> Fetch<'a> {
    /// Fetches the artifact's index and checks it.
    pub(crate) async fn open(
        http: &'a Http,
        sources: &'a Sources,
        part: Part,
        artifact: &Artifact,
    ) -> Result<Self> {
        let ask = async |base: &Url| index(http, base, part, artifact).await;
        let index = sources.first(http.patience(), ask).await?;
        Ok(Self {
            http,
            sources,
            part,
            pack: blob_path(&artifact.pack),
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
        let wanted = self.index.ranges(first);
        let wanted = wanted.into_iter().map(|run| run.bytes).collect();
        let size = self.pack_size;
        let mut download = Download::new(self.http, self.sources, &*self.pack, size, wanted);
        let mut offset = self.index.start_of(first);
        let mut buffer = Vec::new();
        for (number, chunk) in self.index.chunks().iter().enumerate().skip(first) {
            loop {
                let taken = self.fill(&mut download, &mut buffer, chunk, sink).await?;
                let (packed, url) = (&buffer[..taken], download.url()?);
                match self.hand_over(&mut unpacker, number, offset, packed, url, sink) {
                    Ok(()) => {
                        buffer.drain(..taken);
                        break;
                    }
                    // What came behind it came from the same address.
                    Err(error @ Error::Chunk { .. }) => {
                        download.again(buffer.len() as u64, error).await?;
                        buffer.clear();
                    }
                    Err(error) => return Err(error),
                }
            }
            offset += u64::from(chunk.length);
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
                // What is wanted ends with its last chunk, so this is only ever an empty range.
                return Err(Error::Cut {
                    url: download.url()?.into(),
                    position: chunk.offset,
                    size: self.pack_size,
                });
            };
            sink.fetched(download.take_received());
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
        url: Url,
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
                url: url.into(),
                source,
            })?;
        sink.chunk(offset, plain).map_err(|source| Error::Sink {
            part,
            offset,
            source,
        })
    }
}

/// The index as this address has it.
async fn index(http: &Http, base: &Url, part: Part, artifact: &Artifact) -> Result<Index> {
    let url = join(base, &blob_path(&artifact.index))?;
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
    Index::parse(&bytes, artifact).map_err(|source| Error::Index {
        part,
        url: url.into(),
        source,
    })
}

/// Where a blob lies below the repository's address.
fn blob_path(blob: &Blob) -> String {
    format!("blobs/{}", blob.sha256)
}
