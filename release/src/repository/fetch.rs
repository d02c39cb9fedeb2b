//! An artifact from the repository into a sink: what the machine has is taken from there, what a patch has from the
//! patch, the rest from the pack of the whole artifact.

use std::sync::Arc;

use acl_host::error::chain;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{ArtifactPatch, Blob, Form, Part};
use crate::payload::assemble::{Assembly, ChunkProblem, Readable, Sink};
use crate::payload::index::Index;
use crate::payload::patch::Patch;
use crate::payload::plan::{self, Task};
use crate::repository::download::Download;
use crate::repository::http::Http;
use crate::repository::sources::{Sources, join, turns};

mod carry;

/// An artifact that can be fetched.
#[derive(Debug)]
pub struct Fetch {
    http: Http,
    sources: Arc<Sources>,
    part: Part,
    pack: Blob,
    index: Arc<Index>,
    patch: Option<(Patch, Blob)>,
    documents: u64,
    cancel: CancellationToken,
}

/// What the machine has already.
#[derive(Clone, Default)]
pub struct Stock {
    /// The same part of the release that runs, unpacked as the patch's base; or any file that may have some chunks.
    pub old: Option<Readable>,
    /// What an earlier try left.
    pub begun: Option<Readable>,
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { old, begun } = self;
        write!(f, "Stock({}, {})", old.is_some(), begun.is_some())
    }
}

impl Fetch {
    /// Fetches the artifact's index and checks it; the patch's too, which is done without when the repository does not
    /// have it. A fault that may pass is an error there, too: without its patch a node would fetch many times as much.
    pub(crate) async fn open(
        http: Http,
        sources: Arc<Sources>,
        part: Part,
        form: &Form,
        patch: Option<&ArtifactPatch>,
    ) -> Result<Self> {
        let ask = async |base: &Url| read_index(&http, base, part, form).await;
        let index = sources.first(http.patience(), ask).await?;
        let mut fetch = Self {
            http,
            sources,
            part,
            pack: form.pack,
            index: Arc::new(index),
            patch: None,
            documents: form.index.size,
            cancel: CancellationToken::new(),
        };
        if let Some(described) = patch {
            fetch.documents += described.index.size;
            match fetch.read_patch(described).await {
                Ok(patch) => fetch.patch = Some((patch, described.pack)),
                Err(error) if turns::may_pass(&error) => return Err(error),
                Err(error) => {
                    let chain = chain(&error);
                    tracing::warn!(%part, error = chain, "going on without the patch: {chain}");
                }
            }
        }
        Ok(fetch)
    }

    async fn read_patch(&self, described: &ArtifactPatch) -> Result<Patch> {
        let part = self.part;
        let ask = async |base: &Url| {
            let (url, bytes) = document(&self.http, base, part, &described.index).await?;
            Patch::parse(&bytes, described, &self.index).map_err(|source| Error::Patch {
                part,
                url: url.into(),
                source,
            })
        };
        self.sources.first(self.http.patience(), ask).await
    }

    /// The artifact's chunks.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Lets [`Fetch::run`] end soon after `token` is cancelled: the download at once, local work before its next chunk.
    /// When it returns, nothing uses the sink any more.
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// Hands every chunk to the sink, each after its digest was checked, finishes it, and gives it back.
    ///
    /// # Errors
    /// [`Error::Chunk`] for the first chunk that no way gives as the index says; [`Error::Sink`]; the errors of HTTP
    /// once retries are used up; [`Error::Cancelled`]. What the sink has taken by then is good, and a later call finds it
    /// in its stock.
    pub async fn run(&self, stock: Stock, sink: Box<dyn Sink>) -> Result<Box<dyn Sink>> {
        let made = self.assemble(stock, sink).await;
        let part = self.part;
        // Whatever failed then failed because of it.
        made.map_err(|error| match self.cancel.is_cancelled() {
            true => Error::Cancelled { part },
            false => error,
        })
    }

    async fn assemble(&self, stock: Stock, mut sink: Box<dyn Sink>) -> Result<Box<dyn Sink>> {
        sink.fetched(self.documents);
        let assembly = Assembly::new(self.index.clone(), stock.old.clone(), sink);
        let mut assembly = assembly.cancelled_by(self.cancel.clone());
        if let Some(begun) = stock.begun {
            assembly = self
                .apart(assembly, move |assembly| assembly.keep(&*begun))
                .await?;
        }
        assembly = match &self.patch {
            Some((patch, pack)) if stock.old.is_some() => {
                self.patched(assembly, patch, pack).await?
            }
            _ => self.recognised(assembly).await?,
        };
        assembly = self.completed(assembly).await?;
        let finish = |assembly: &mut Assembly| assembly.sink().finish();
        self.apart(assembly, finish).await.map(Assembly::into_sink)
    }

    /// What the patch gives; it is no error when that is less than all, unless a later try may get the rest.
    async fn patched(&self, assembly: Assembly, patch: &Patch, pack: &Blob) -> Result<Assembly> {
        let tasks = plan::by_patch(patch, assembly.wanted());
        let (assembly, problem) = self.pass(assembly, tasks, pack).await?;
        if let Some(problem) = problem {
            if turns::may_pass(&problem) {
                return Err(problem);
            }
            let (part, chain) = (self.part, chain(&problem));
            tracing::warn!(%part, error = chain, "the patch does not give all: {chain}");
        }
        Ok(assembly)
    }

    /// What of the old file is in the new one, too.
    async fn recognised(&self, assembly: Assembly) -> Result<Assembly> {
        if !assembly.wanted().contains(&true) {
            return Ok(assembly);
        }
        let index = self.index.clone();
        let cancel = self.cancel.clone();
        let tasks = move |assembly: &Assembly| match assembly.survey() {
            Err(_) if cancel.is_cancelled() => Vec::new(),
            Ok(known) => plan::by_content(&index, assembly.wanted(), &known),
            Err(error) => {
                tracing::warn!(%error, "cannot read the running release: all is fetched");
                Vec::new()
            }
        };
        let surveyed = tokio::task::spawn_blocking(move || (tasks(&assembly), assembly)).await;
        let (tasks, assembly) = surveyed.map_err(|source| self.ended(&source))?;
        Ok(self.pass(assembly, tasks, &self.pack).await?.0)
    }

    /// Everything else. What one address has wrong is asked of the next.
    async fn completed(&self, mut assembly: Assembly) -> Result<Assembly> {
        let mut failures = Vec::new();
        for _ in 0..self.sources.count() {
            let tasks = plan::whole(&self.index, assembly.wanted());
            let (passed, problem) = self.pass(assembly, tasks, &self.pack).await?;
            assembly = passed;
            match problem {
                None => return Ok(assembly),
                Some(problem @ Error::Chunk { .. }) => {
                    self.sources.pass_over(&problem);
                    failures.push(problem);
                }
                Some(other) => return Err(other),
            }
        }
        Err(Error::everywhere(failures))
    }

    /// Carries tasks out, whose frames lie in `pack`. The error that is returned beside the assembly left chunks wanted.
    async fn pass(
        &self,
        assembly: Assembly,
        tasks: Vec<Task>,
        pack: &Blob,
    ) -> Result<(Assembly, Option<Error>)> {
        let (path, ranges) = (blob_path(pack), plan::ranges(&tasks));
        let mut download = Download::new(&self.http, &self.sources, path, pack.size, ranges);
        let part = self.part;
        let carried = carry::carry(&mut download, assembly, tasks, (part, &self.cancel));
        let (assembly, ended, fetched) = carried.await.map_err(|source| self.ended(&source))?;
        let problem = match ended {
            carry::Ended::Done => None,
            carry::Ended::Chunk(number, source) => {
                Some(self.chunk_error(&assembly, number, download.url()?, source))
            }
            carry::Ended::Cancelled => return Err(Error::Cancelled { part }),
            carry::Ended::Sink(offset, source) => {
                return Err(Error::Sink {
                    part,
                    offset,
                    source,
                });
            }
        };
        Ok((assembly, fetched.err().or(problem)))
    }

    fn chunk_error(
        &self,
        assembly: &Assembly,
        number: usize,
        url: Url,
        source: ChunkProblem,
    ) -> Error {
        Error::Chunk {
            part: self.part,
            number,
            offset: assembly.start_of(number),
            url: url.into(),
            source,
        }
    }

    /// Lets the assembly work where it does not hold up what else is under way.
    async fn apart(
        &self,
        mut assembly: Assembly,
        work: impl FnOnce(&mut Assembly) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Assembly> {
        let worked = tokio::task::spawn_blocking(move || (work(&mut assembly), assembly)).await;
        let (worked, assembly) = worked.map_err(|source| self.ended(&source))?;
        let part = self.part;
        worked.map_err(|source| Error::Sink {
            part,
            offset: 0,
            source,
        })?;
        Ok(assembly)
    }

    fn ended(&self, source: &tokio::task::JoinError) -> Error {
        Error::Worker {
            part: self.part,
            problem: source.to_string(),
        }
    }
}

async fn read_index(http: &Http, base: &Url, part: Part, form: &Form) -> Result<Index> {
    let (url, bytes) = document(http, base, part, &form.index).await?;
    Index::parse(&bytes, form).map_err(|source| Error::Index {
        part,
        url: url.into(),
        source,
    })
}

/// A blob that describes others, as the manifest says it is.
async fn document(http: &Http, base: &Url, part: Part, blob: &Blob) -> Result<(Url, bytes::Bytes)> {
    let url = join(base, &blob_path(blob))?;
    let bytes = http.document(&url, blob.size).await?;
    let (found, expected) = (Digest::of(&bytes), blob.sha256);
    if found == expected {
        return Ok((url, bytes));
    }
    Err(Error::IndexDigest {
        part,
        url: url.into(),
        found,
        expected,
    })
}

/// Where a blob lies below the repository's address.
fn blob_path(blob: &Blob) -> String {
    format!("blobs/{}", blob.sha256)
}
