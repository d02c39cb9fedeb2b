//! A new file made of what there is and what was fetched; every chunk is checked before it is handed out.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use acl_host::verity::ReadAt;
use tokio_util::sync::CancellationToken;

use crate::digest::Digest;
use crate::payload::cut::cut;
use crate::payload::frame::{self, LONGEST_FRAME};
use crate::payload::index::{Chunk, Index};
use crate::payload::plan::{Source, Task};

/// An old file, or one that is being made.
pub type Readable = Arc<dyn ReadAt + Send + Sync>;

/// Where checked chunks go.
pub trait Sink: Send {
    /// Takes bytes whose digest has been checked. Chunks come in any order.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written; the fetch ends with it.
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Is told of a chunk that is where it belongs already, and need not be written.
    ///
    /// # Errors
    /// As [`Sink::chunk`].
    fn kept(&mut self, offset: u64, length: u32) -> io::Result<()> {
        let _ = (offset, length);
        Ok(())
    }

    /// Is told that no chunk will come any more: what it has not written, it writes now.
    ///
    /// # Errors
    /// As [`Sink::chunk`].
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Is told of each piece that came over the network, in bytes.
    fn fetched(&mut self, _bytes: u64) {}
}

/// What is wrong with a chunk.
#[derive(Debug, thiserror::Error)]
pub enum ChunkProblem {
    /// The old file cannot be read where the chunk is taken from.
    #[error("the old file cannot be read at byte {at}")]
    ReadOld {
        /// Where.
        at: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Its compressed form is damaged, or longer than the chunk when unpacked.
    #[error("it cannot be decompressed to {length} bytes: {reason}")]
    Decompress {
        /// How long it should be.
        length: usize,
        /// zstd's message.
        reason: String,
    },
    /// It is shorter than it should be.
    #[error("it is {found} bytes long, the index says {expected}")]
    Length {
        /// As unpacked.
        found: usize,
        /// As the index says.
        expected: usize,
    },
    /// It is not what the publisher packed.
    #[error("its SHA-256 is {found}, the index says {expected}")]
    Digest {
        /// Of the bytes.
        found: Digest,
        /// As the index says.
        expected: Digest,
    },
}

/// Why a task failed.
#[derive(Debug)]
pub enum Failure {
    /// Some of its chunks are not to be had this way; the first that is not.
    Chunk(usize, ChunkProblem),
    /// The sink did not take a chunk that begins here.
    Sink(u64, io::Error),
}

/// A file in the making.
pub struct Assembly {
    index: Arc<Index>,
    starts: Vec<u64>,
    old: Option<Readable>,
    sink: Box<dyn Sink>,
    wanted: Vec<bool>,
    plain: Vec<u8>,
    reference: Vec<u8>,
    cancel: CancellationToken,
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assembly")
    }
}

impl Assembly {
    /// Nothing of the file is there yet. `old` is what tasks refer to.
    pub fn new(index: Arc<Index>, old: Option<Readable>, sink: Box<dyn Sink>) -> Self {
        Self {
            starts: index.starts(),
            wanted: vec![true; index.chunks().len()],
            index,
            old,
            sink,
            plain: Vec::new(),
            reference: Vec::new(),
            cancel: CancellationToken::new(),
        }
    }

    /// Once `token` is cancelled, nothing is done but the chunk at hand: reading and hashing what the machine has would
    /// take minutes.
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    fn go_on(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the update was cancelled"));
        }
        Ok(())
    }

    /// For each chunk, whether it is still wanted.
    pub fn wanted(&self) -> &[bool] {
        &self.wanted
    }

    /// What the chunks go to.
    pub fn sink(&mut self) -> &mut dyn Sink {
        &mut *self.sink
    }

    /// Gives the sink back.
    pub fn into_sink(self) -> Box<dyn Sink> {
        self.sink
    }

    /// Where a chunk begins.
    pub fn start_of(&self, number: usize) -> u64 {
        self.starts.get(number).copied().unwrap_or_default()
    }

    /// Looks for the chunks in `file`, each at its place: what an earlier try left there is not wanted any more.
    ///
    /// # Errors
    /// The sink's; when it is cancelled.
    pub fn keep(&mut self, file: &dyn ReadAt) -> io::Result<()> {
        let index = self.index.clone();
        for (number, chunk) in index.chunks().iter().enumerate() {
            self.go_on()?;
            let start = self.start_of(number);
            self.plain.resize(chunk.length as usize, 0);
            // What cannot be read is written anew.
            let read = file.read_exact_at(&mut self.plain, start);
            if read.is_ok() && Digest::of(&self.plain) == chunk.sha256 {
                self.sink.kept(start, chunk.length)?;
                self.done(number);
            }
        }
        Ok(())
    }

    /// Where the chunks of the old file lie: it is cut as the publisher cut the new one.
    ///
    /// # Errors
    /// Those of reading; when it is cancelled.
    pub fn survey(&self) -> io::Result<HashMap<Digest, u64>> {
        let mut known = HashMap::new();
        let Some(old) = &self.old else {
            return Ok(known);
        };
        let mut offset = 0;
        let length = old.length()?;
        for chunk in cut(Reader {
            old,
            offset,
            length,
        }) {
            self.go_on()?;
            let chunk = chunk?;
            known.insert(Digest::of(&chunk), offset);
            offset += chunk.len() as u64;
        }
        Ok(known)
    }

    /// Carries a task out; `frame` is what was fetched for it. What is not wanted any more is passed over.
    ///
    /// # Errors
    /// [`Failure::Sink`] ends the fetch, also when it is cancelled; after [`Failure::Chunk`] what was not handed out is
    /// still wanted.
    pub fn carry_out(&mut self, task: &Task, frame: &[u8]) -> Result<(), Failure> {
        let first = task.chunks.start;
        self.go_on()
            .map_err(|source| Failure::Sink(self.start_of(first), source))?;
        match &task.source {
            Source::Old(at) => self.copy(task, *at),
            Source::Frame { reference, .. } => {
                let length = self.start_of(task.chunks.end) - self.start_of(first);
                self.read_old(reference.start, reference.end - reference.start)
                    .map_err(|problem| Failure::Chunk(first, problem))?;
                // A patch or an index with a longer frame is not accepted.
                self.plain
                    .resize(length.min(LONGEST_FRAME.into()) as usize, 0);
                unpack(frame, &self.reference, &mut self.plain)
                    .map_err(|problem| Failure::Chunk(first, problem))?;
                let plain = std::mem::take(&mut self.plain);
                let handed = self.hand_out(task.chunks.clone(), &plain);
                self.plain = plain;
                handed
            }
        }
    }

    /// A chunk at a time: the old file may be damaged in one place only.
    fn copy(&mut self, task: &Task, at: u64) -> Result<(), Failure> {
        let (begin, mut failed) = (self.start_of(task.chunks.start), None);
        for number in task.chunks.clone() {
            let start = self.start_of(number);
            let length = self.start_of(number + 1) - start;
            self.go_on()
                .map_err(|source| Failure::Sink(start, source))?;
            let read = self.read_old(at + (start - begin), length);
            let bytes = std::mem::take(&mut self.reference);
            let copied = match read {
                Ok(()) => self.hand_out(number..number + 1, &bytes),
                Err(problem) => Err(Failure::Chunk(number, problem)),
            };
            self.reference = bytes;
            match copied {
                Err(Failure::Chunk(..)) => failed = failed.or(copied.err()),
                other => other?,
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn read_old(&mut self, at: u64, length: u64) -> Result<(), ChunkProblem> {
        self.reference.resize(length as usize, 0);
        let (Some(old), false) = (&self.old, length == 0) else {
            return Ok(());
        };
        old.read_exact_at(&mut self.reference, at)
            .map_err(|source| ChunkProblem::ReadOld { at, source })
    }

    /// Checks each of the chunks that `plain` should be, and hands them to the sink.
    fn hand_out(&mut self, chunks: std::ops::Range<usize>, plain: &[u8]) -> Result<(), Failure> {
        let index = self.index.clone();
        let mut rest = plain;
        for number in chunks {
            let Some(chunk) = index.chunks().get(number) else {
                break;
            };
            let (bytes, after) = rest.split_at(rest.len().min(chunk.length as usize));
            rest = after;
            if self.wanted.get(number) != Some(&true) {
                continue;
            }
            check(bytes, chunk).map_err(|problem| Failure::Chunk(number, problem))?;
            let start = self.start_of(number);
            let taken = self.sink.chunk(start, bytes);
            taken.map_err(|source| Failure::Sink(start, source))?;
            self.done(number);
        }
        Ok(())
    }

    fn done(&mut self, number: usize) {
        if let Some(wanted) = self.wanted.get_mut(number) {
            *wanted = false;
        }
    }
}

fn unpack(frame: &[u8], reference: &[u8], plain: &mut [u8]) -> Result<(), ChunkProblem> {
    let length = plain.len();
    match frame::unpack(frame, reference, plain) {
        Ok(found) if found == length => Ok(()),
        Ok(found) => Err(ChunkProblem::Length {
            found,
            expected: length,
        }),
        Err(source) => Err(ChunkProblem::Decompress {
            length,
            reason: source.to_string(),
        }),
    }
}

fn check(bytes: &[u8], chunk: &Chunk) -> Result<(), ChunkProblem> {
    let (found, expected) = (Digest::of(bytes), chunk.sha256);
    if found == expected {
        return Ok(());
    }
    Err(ChunkProblem::Digest { found, expected })
}

/// Reads from the beginning to the end.
struct Reader<'a> {
    old: &'a Readable,
    offset: u64,
    length: u64,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = (self.length - self.offset).min(buffer.len() as u64) as usize;
        self.old.read_exact_at(&mut buffer[..size], self.offset)?;
        self.offset += size as u64;
        Ok(size)
    }
}

#[cfg(test)]
mod tests;
