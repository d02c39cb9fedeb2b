//! Tells whose an error is: code that reads from one place and writes to another returns the errors of both alike.

use std::{
    cell::RefCell,
    io::{self, Read, Seek, SeekFrom, Write},
};

/// Where the first error of a place is kept.
pub(super) type Noted = RefCell<Option<io::Error>>;

/// A place whose errors are kept.
#[derive(Debug)]
pub(super) struct Noting<'n, P> {
    place: P,
    noted: &'n Noted,
}

impl<'n, P> Noting<'n, P> {
    pub(super) fn new(place: P, noted: &'n Noted) -> Self {
        Self { place, noted }
    }

    /// Whoever reads or writes here gets an error that says the same.
    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            self.noted.borrow_mut().get_or_insert(error);
            kind.into()
        })
    }
}

impl<P: Read> Read for Noting<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = self.place.read(buffer);
        self.note(done)
    }
}

impl<P: Write> Write for Noting<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.place.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.place.flush();
        self.note(done)
    }
}

impl<P: Seek> Seek for Noting<'_, P> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let done = self.place.seek(to);
        self.note(done)
    }
}
