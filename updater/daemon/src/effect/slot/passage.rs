//! What arrives is written, flushed, read from the device, and hashed for the verity tree, which is written beside it.
//! Each has a thread, so that the device and the processor work at the same time.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread::{self, ScopedJoinHandle},
};

use acl_host::{
    disk::{Direct, Piece, Region},
    verity::{LEAF_SPAN, Leaves, RootHash},
};

use acl_release::manifest::Part;
use tokio_util::sync::CancellationToken;

use super::{SPAN, windows::Windows};
use crate::{effect::Error, machine::OtherSlot};

/// Bytes that are read back at a time.
const READ: u64 = 2 * LEAF_SPAN;

/// Pieces on each side, 1 MiB each: one for the device, one for the processor, and one that waits.
const PIECES: usize = 3;

/// What a sink has to tell.
pub(super) enum Arrived {
    /// Bytes to be written.
    Piece(Piece),
    /// Bytes that are there already.
    Kept { offset: u64, length: u64 },
}

/// Where a release is written, and how much of it there is.
pub(super) struct Passage {
    usr: Region,
    verity: Region,
    length: u64,
    leaves: Leaves,
    arrived: Receiver<Arrived>,
    empty: Sender<Piece>,
    cancel: CancellationToken,
}

impl Passage {
    /// The way through, empty pieces for what is to go through it, and its entrance.
    pub(super) fn new(
        slot: &OtherSlot,
        length: u64,
        leaves: Leaves,
        cancel: &CancellationToken,
    ) -> (Self, Receiver<Piece>, SyncSender<Arrived>) {
        let (empty, pieces) = filled(SPAN);
        let (entrance, arrived) = sync_channel(PIECES);
        let passage = Self {
            usr: slot.usr.clone(),
            verity: slot.verity.clone(),
            length,
            leaves,
            arrived,
            empty,
            cancel: cancel.clone(),
        };
        (passage, pieces, entrance)
    }

    /// The root hash of what the device gave back once the entrance is closed. Once it is cancelled, each thread ends with
    /// what it has at hand.
    pub(super) fn run(self) -> Result<RootHash, Error> {
        let (written, whole) = channel();
        let (durable, flushed) = channel();
        let (full, read) = sync_channel(PIECES);
        let (empty, pieces) = filled(READ);
        let (usr, cancel) = (&self.usr, &self.cancel);
        let direct = &usr.direct();
        let windows = Windows::new(self.length);
        thread::scope(|scope| {
            let (arrived, used) = (self.arrived, self.empty);
            let threads = [
                scope.spawn(move || {
                    let arrived = until(cancel, arrived);
                    write(direct, windows, arrived, &used, &written)
                }),
                scope.spawn(move || flush(usr, until(cancel, whole), &durable)),
                scope.spawn(move || {
                    let reader = Reader {
                        direct,
                        pieces,
                        full,
                        cancel,
                    };
                    reader.run(flushed)
                }),
            ];
            let root = hash(self.leaves, &self.verity, until(cancel, read), empty);
            // The first of them that failed is why those behind it saw less than all.
            for thread in threads {
                joined(thread)?;
            }
            match cancel.is_cancelled() {
                true => Err(cancelled()),
                false => root,
            }
        })
    }
}

/// What is received, until it is cancelled.
fn until<T>(cancel: &CancellationToken, from: Receiver<T>) -> impl Iterator<Item = T> {
    from.into_iter().take_while(|_| !cancel.is_cancelled())
}

fn cancelled() -> Error {
    let part = Part::Usr;
    let source = acl_release::Error::Cancelled { part };
    Error::FetchRelease { source }
}

fn filled(size: u64) -> (Sender<Piece>, Receiver<Piece>) {
    let (empty, pieces) = channel();
    for _ in 0..PIECES {
        // The other end is in this function's hands.
        let _ = empty.send(Piece::new(size as usize));
    }
    (empty, pieces)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    let ended = thread.join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn write(
    direct: &Direct,
    mut windows: Windows,
    arrived: impl Iterator<Item = Arrived>,
    empty: &Sender<Piece>,
    written: &Sender<Range<u64>>,
) -> Result<(), Error> {
    for arrived in arrived {
        let (offset, length) = match arrived {
            Arrived::Piece(piece) => {
                let written = direct.write(&piece);
                written.map_err(|source| Error::WriteSlot { source })?;
                let place = (piece.offset(), piece.end() - piece.offset());
                // A sink that is gone has no more to write.
                let _ = empty.send(piece);
                place
            }
            Arrived::Kept { offset, length } => (offset, length),
        };
        for window in windows.arrived(offset, length) {
            if written.send(window).is_err() {
                // Whoever flushes has an error to tell.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Makes windows durable, one after the other, and has memory forget them: they are of no use to the node.
fn flush(
    usr: &Region,
    whole: impl Iterator<Item = Range<u64>>,
    durable: &Sender<Range<u64>>,
) -> Result<(), Error> {
    for window in whole {
        let flushed = usr.clone().part(window.clone()).flush();
        flushed.map_err(|source| Error::WriteSlot { source })?;
        if durable.send(window).is_err() {
            // The reader has an error to tell.
            break;
        }
    }
    Ok(())
}

/// Reads windows.
struct Reader<'a> {
    direct: &'a Direct,
    pieces: Receiver<Piece>,
    full: SyncSender<Piece>,
    cancel: &'a CancellationToken,
}

impl Reader<'_> {
    fn run(self, flushed: Receiver<Range<u64>>) -> Result<(), Error> {
        for window in flushed {
            let mut at = window.start;
            while at < window.end && !self.cancel.is_cancelled() {
                let Ok(mut piece) = self.pieces.recv() else {
                    // Whoever hashes has an error to tell.
                    return Ok(());
                };
                let size = (window.end - at).min(READ);
                let read = self.direct.read(at, size as usize, &mut piece);
                read.map_err(|source| Error::ReadBack { source })?;
                if self.full.send(piece).is_err() {
                    return Ok(());
                }
                at += size;
            }
        }
        Ok(())
    }
}

fn hash(
    mut leaves: Leaves,
    verity: &Region,
    read: impl Iterator<Item = Piece>,
    empty: Sender<Piece>,
) -> Result<RootHash, Error> {
    let write = |bytes: &[u8], offset| {
        let written = verity.write_at(bytes, offset);
        written.map_err(|source| Error::WriteSlot { source })
    };
    let unread = |source| Error::ReadBack { source };
    let (mut start, mut gathered) = (0, Vec::new());
    for piece in read {
        let run = leaves.put(piece.offset(), piece.bytes()).map_err(unread)?;
        // The reader has read all when it does not want it back.
        let _ = empty.send(piece);
        if start + gathered.len() as u64 != run.offset || gathered.len() as u64 >= SPAN {
            write(&gathered, start)?;
            gathered.clear();
            start = run.offset;
        }
        gathered.extend_from_slice(&run.bytes);
    }
    write(&gathered, start)?;
    let top = leaves.finish().map_err(unread)?;
    write(&top.bytes, 0)?;
    Ok(top.root)
}

#[cfg(test)]
mod tests;
