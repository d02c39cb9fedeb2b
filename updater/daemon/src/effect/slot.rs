//! The file system is written to the slot, and read back while the rest still comes.

mod passage;
mod windows;

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender},
};

use acl_host::{
    disk::{Piece, Region},
    verity::{Leaves, Parameters, RootHash},
};
use acl_release::payload::assemble::Sink;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::passage::{Arrived, Passage};
use super::{Error, sinks::Fetched};
use crate::{machine::OtherSlot, session::Progress};

/// Bytes that are written at a time, and at multiples of it: 1 MiB. Chunks begin and end anywhere; written one by one, the
/// device would have to give back a block for each of them, of which only a part is new.
const SPAN: u64 = 1 << 20;

/// A sink that takes the chunks of usr.
pub(super) struct SlotSink {
    usr: Region,
    gathered: Option<Piece>,
    empty: Receiver<Piece>,
    arrived: SyncSender<Arrived>,
    progress: Progress,
    fetched: Fetched,
}

/// What the slot gave back; ready when the sink is gone.
pub(super) type ReadBack = JoinHandle<Result<RootHash, Error>>;

/// A sink for `length` bytes, and what becomes of them on the disk: the root hash of the tree that `parameters` make over
/// what was read back, once all has arrived.
pub(super) fn sink(
    slot: &OtherSlot,
    length: u64,
    parameters: &Parameters,
    (progress, fetched): (Progress, Fetched),
    cancel: &CancellationToken,
) -> acl_host::Result<(SlotSink, ReadBack)> {
    let leaves = Leaves::new(length, parameters)?;
    let (passage, empty, arrived) = Passage::new(slot, length, leaves, cancel);
    let sink = SlotSink {
        usr: slot.usr.clone(),
        gathered: None,
        empty,
        arrived,
        progress,
        fetched,
    };
    Ok((sink, tokio::task::spawn_blocking(|| passage.run())))
}

impl Sink for SlotSink {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self
            .gathered
            .as_ref()
            .is_some_and(|piece| piece.end() != offset)
        {
            self.finish()?;
        }
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let mut piece = match self.gathered.take() {
                Some(piece) => piece,
                None => self.begin(at)?,
            };
            let room = (SPAN - at % SPAN).min(rest.len() as u64) as usize;
            let taken = piece.push(&rest[..room]);
            rest = &rest[taken..];
            at += taken as u64;
            self.gathered = Some(piece);
            if at % SPAN == 0 {
                self.finish()?;
            }
        }
        self.progress.add(bytes.len() as u64);
        Ok(())
    }

    fn kept(&mut self, offset: u64, length: u32) -> io::Result<()> {
        self.progress.add(length.into());
        self.send(Arrived::Kept {
            offset,
            length: length.into(),
        })
    }

    fn fetched(&mut self, bytes: u64) {
        self.fetched.add(bytes);
    }

    fn finish(&mut self) -> io::Result<()> {
        let gathered = self.gathered.take();
        gathered.map_or(Ok(()), |piece| self.send(Arrived::Piece(piece)))
    }
}

impl SlotSink {
    fn begin(&self, offset: u64) -> io::Result<Piece> {
        let mut piece = self.empty.recv().map_err(|_gone| no_passage())?;
        piece.begin(&self.usr, offset);
        Ok(piece)
    }

    fn send(&self, arrived: Arrived) -> io::Result<()> {
        self.arrived.send(arrived).map_err(|_gone| no_passage())
    }
}

/// The passage ends before the sink only with an error, which is told at the end.
fn no_passage() -> io::Error {
    io::Error::other("the slot takes no more")
}
