//! Reading that ends when the agent does: hashing a partition takes a minute, and a disk may not even give that.

use std::io::{self, Read, Seek, SeekFrom};

use acl_host::verity::ReadAt;
use tokio_util::sync::CancellationToken;

/// Reads as `inner` does, until `cancel` is cancelled; then each read fails.
#[derive(Debug)]
pub(super) struct Cancellable<R> {
    inner: R,
    cancel: CancellationToken,
}

impl<R> Cancellable<R> {
    pub(super) fn new(inner: R, cancel: &CancellationToken) -> Self {
        Self {
            inner,
            cancel: cancel.clone(),
        }
    }

    /// Not `Interrupted`: that is tried again.
    fn go_on(&self) -> io::Result<()> {
        match self.cancel.is_cancelled() {
            true => Err(io::Error::other(CANCELLED)),
            false => Ok(()),
        }
    }
}

/// What is said of work that was cancelled; nobody reads it, since whoever cancels has something else to tell.
pub(super) const CANCELLED: &str = "the update was cancelled";

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        self.inner.read(buffer)
    }
}

impl<R: Seek> Seek for Cancellable<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl<R: ReadAt> ReadAt for Cancellable<R> {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.go_on()?;
        self.inner.read_exact_at(buffer, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cancels when it is read.
    struct Cancelling(CancellationToken);

    impl Read for Cancelling {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.cancel();
            Ok(buffer.len())
        }
    }

    impl ReadAt for Cancelling {
        fn length(&self) -> io::Result<u64> {
            Ok(1 << 40)
        }

        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            self.0.cancel();
            Ok(())
        }
    }

    /// A disk that never ends, read by code that knows nothing of cancelling.
    #[test]
    fn whoever_reads_it_ends_with_the_next_read() {
        let cancel = CancellationToken::new();
        let mut endless = Cancellable::new(Cancelling(cancel.clone()), &cancel);
        let copied = io::copy(&mut endless, &mut io::sink());
        assert_eq!(copied.unwrap_err().to_string(), CANCELLED);

        let cancel = CancellationToken::new();
        let endless = Cancellable::new(Cancelling(cancel.clone()), &cancel);
        let mut buffer = [0; 8];
        endless.read_exact_at(&mut buffer, 0).unwrap();
        let read = endless.read_exact_at(&mut buffer, 0);
        assert_eq!(read.unwrap_err().to_string(), CANCELLED);
    }
}
