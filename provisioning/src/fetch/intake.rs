//! Where bytes are kept until all are there: decompressed, counted, digested.
//!
//! As Ignition has it, the hash is of the bytes after decompression.

use std::io::{self, Read, Seek, Sink, Write};
use std::path::Path;

use flate2::write::MultiGzDecoder;
use ring::digest::Context;
use tempfile::SpooledTempFile;

use super::verify::Expected;
use crate::config::spec::Resource;
use crate::{Error, Result};

/// Up to here bytes are kept in memory: most of what configs name never sees a disk.
const IN_MEMORY: usize = 1 << 20;

/// What is wanted of the bytes, whichever way and however often they come.
#[derive(Debug, Clone)]
pub(super) struct Order<'a> {
    /// The address, as it may be shown.
    url: String,
    gzip: bool,
    expected: Option<Expected>,
    limit: Option<u64>,
    dir: &'a Path,
}

impl<'a> Order<'a> {
    /// Reads `compression` and `verification` of a resource.
    pub(super) fn new(
        resource: &Resource,
        url: String,
        limit: Option<u64>,
        dir: &'a Path,
    ) -> Result<Self> {
        let gzip = match resource.compression.as_deref() {
            None | Some("") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err(Error::Compression {
                    url,
                    compression: other.to_owned(),
                });
            }
        };
        let verification = resource.verification.as_ref();
        let hash = verification.and_then(|verification| verification.hash.as_deref());
        let expected = hash.map(|hash| Expected::parse(hash, &url)).transpose()?;
        Ok(Self {
            url,
            gzip,
            expected,
            limit,
            dir,
        })
    }

    /// The same for no bytes at all, which nobody has compressed.
    pub(super) fn plain(self) -> Self {
        Self {
            gzip: false,
            ..self
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// An empty intake.
    pub(super) fn open(&self) -> Intake<'a> {
        self.intake(tempfile::spooled_tempfile_in(IN_MEMORY, self.dir))
    }

    /// An empty intake that checks bytes and keeps none.
    pub(super) fn look(&self) -> Intake<'a, Sink> {
        self.intake(io::sink())
    }

    fn intake<K: Write>(&self, keeper: K) -> Intake<'a, K> {
        let tally = Tally {
            keeper,
            digest: self.expected.as_ref().map(|e| Context::new(e.algorithm())),
            size: 0,
            limit: self.limit,
            problem: None,
        };
        let way = if self.gzip {
            Way::Gzip(Box::new(MultiGzDecoder::new(tally)))
        } else {
            Way::Plain(Box::new(tally))
        };
        Intake {
            order: self.clone(),
            way,
        }
    }
}

/// Takes the bytes of one try.
pub(super) struct Intake<'a, K: Write = SpooledTempFile> {
    order: Order<'a>,
    way: Way<K>,
}

enum Way<K: Write> {
    Plain(Box<Tally<K>>),
    Gzip(Box<MultiGzDecoder<Tally<K>>>),
}

impl<'a> Intake<'a> {
    /// There are no more bytes: checks that they are whole and have the right digest.
    pub(super) fn finish(self) -> Result<Spool<'a>> {
        let (order, tally) = self.end()?;
        Ok(Spool {
            order,
            bytes: tally.keeper,
            size: tally.size,
        })
    }
}

impl<'a, K: Write> Intake<'a, K> {
    /// Takes the next bytes as they were fetched.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let taken = match &mut self.way {
            Way::Plain(tally) => tally.write_all(bytes),
            Way::Gzip(decoder) => decoder.write_all(bytes),
        };
        taken.map_err(|error| self.failed(error))
    }

    /// As [`Intake::finish`], wherever the bytes went.
    pub(super) fn end(mut self) -> Result<(Order<'a>, Tally<K>)> {
        if let Way::Gzip(decoder) = &mut self.way {
            let finished = decoder.try_finish();
            finished.map_err(|error| self.failed(error))?;
        }
        let Self { order, way } = self;
        let tally = match way {
            Way::Plain(tally) => *tally,
            Way::Gzip(decoder) => decoder.finish().map_err(|source| Error::Decompress {
                url: order.url.clone(),
                source,
            })?,
        };
        if let (Some(expected), Some(digest)) = (&order.expected, tally.digest.clone()) {
            expected.check(&digest.finish(), &order.url)?;
        }
        Ok((order, tally))
    }

    /// Whose fault it was that bytes were not taken.
    fn failed(&mut self, error: io::Error) -> Error {
        let tally = match &mut self.way {
            Way::Plain(tally) => tally.as_mut(),
            Way::Gzip(decoder) => decoder.get_mut(),
        };
        let url = self.order.url.clone();
        match tally.problem.take() {
            Some(Problem::TooLong(limit)) => Error::TooLong { url, limit },
            Some(Problem::Spool) => Error::Spool {
                url,
                dir: self.order.dir.to_owned(),
                source: error,
            },
            None => Error::Decompress { url, source: error },
        }
    }
}

/// Counts and digests what goes to its keeper.
pub(super) struct Tally<K> {
    keeper: K,
    digest: Option<Context>,
    size: u64,
    limit: Option<u64>,
    problem: Option<Problem>,
}

/// Why bytes were not kept. The decompressor hands on only an I/O error.
#[derive(Debug)]
enum Problem {
    TooLong(u64),
    Spool,
}

impl<K: Write> Write for Tally<K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.size.saturating_add(bytes.len() as u64);
        if let Some(limit) = self.limit.filter(|limit| after > *limit) {
            self.problem = Some(Problem::TooLong(limit));
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Err(error) = self.keeper.write_all(bytes) {
            self.problem = Some(Problem::Spool);
            return Err(error);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.size = after;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are whole and verified.
#[derive(Debug)]
pub(super) struct Spool<'a> {
    order: Order<'a>,
    bytes: SpooledTempFile,
    size: u64,
}

impl Spool<'_> {
    /// Hands the bytes over.
    pub(super) fn write_to(mut self, out: &mut dyn Write) -> Result<()> {
        let rewound = self.bytes.rewind();
        rewound.map_err(|error| self.unreadable(error))?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.bytes.read(&mut buffer);
            let length = read.map_err(|error| self.unreadable(error))?;
            if length == 0 {
                return Ok(());
            }
            out.write_all(&buffer[..length])
                .map_err(|source| Error::Deliver {
                    url: self.order.url.clone(),
                    source,
                })?;
        }
    }

    /// The bytes, in memory.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Spool {
            url: self.order.url.clone(),
            dir: self.order.dir.to_owned(),
            source,
        }
    }
}
