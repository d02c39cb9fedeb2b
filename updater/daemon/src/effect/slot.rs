//! The file system is written to the slot, and read back while the rest still comes: what has arrived whole is flushed,
//! read from the device, and hashed for the verity tree, which is written beside it.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
};

use acl_host::{
    disk::Region,
    verity::{LEAF_SPAN, Leaves, Parameters, ReadAt, RootHash},
};
use acl_release::payload::assemble::Sink;
use tokio::task::JoinHandle;

use super::sinks::{Fetched, Writing};
use crate::{machine::OtherSlot, session::Progress};

/// Bytes that are flushed and read back at a time: 16 MiB. Less means more flushes, more means waiting at the end.
const WINDOW: u64 = 32 * LEAF_SPAN;

/// Bytes that are read back at a time, and held in memory.
const PIECE: usize = 2 * LEAF_SPAN as usize;

/// A sink that takes the chunks of usr.
pub(super) struct SlotSink {
    writing: Writing<Region>,
    windows: Windows,
    whole: Sender<u64>,
}

/// What the slot gave back; ready when the sink is gone.
pub(super) type ReadBack = JoinHandle<acl_host::Result<RootHash>>;

/// A sink for `length` bytes, and what becomes of them on the disk: the root hash of the tree that `parameters` make over
/// what was read back, once all has arrived.
pub(super) fn sink(
    slot: &OtherSlot,
    length: u64,
    parameters: &Parameters,
    (progress, fetched): (Progress, Fetched),
) -> acl_host::Result<(SlotSink, ReadBack)> {
    let leaves = Leaves::new(length, parameters)?;
    let (whole, arrived) = channel();
    let reader = Reader {
        usr: slot.usr.clone(),
        verity: slot.verity.clone(),
        length,
        leaves,
    };
    let sink = SlotSink {
        writing: Writing {
            to: slot.usr.clone(),
            progress: Some(progress),
            fetched,
        },
        windows: Windows::new(length),
        whole,
    };
    let read_back = tokio::task::spawn_blocking(move || reader.run(&arrived));
    Ok((sink, read_back))
}

impl Sink for SlotSink {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writing.chunk(offset, bytes)?;
        self.arrived(offset, bytes.len() as u64)
    }

    fn kept(&mut self, offset: u64, length: u32) -> io::Result<()> {
        self.writing.kept(offset, length)?;
        self.arrived(offset, length.into())
    }

    fn fetched(&mut self, bytes: u64) {
        self.writing.fetched(bytes);
    }
}

impl SlotSink {
    fn arrived(&mut self, offset: u64, length: u64) -> io::Result<()> {
        for window in self.windows.arrived(offset, length) {
            let told = self.whole.send(window);
            // It ends before the last window only with an error, which is told at the end.
            told.map_err(|_gone| io::Error::other("what was written cannot be read back"))?;
        }
        Ok(())
    }
}

/// How much of each window is missing.
struct Windows {
    missing: Vec<u64>,
}

impl Windows {
    fn new(length: u64) -> Self {
        let count = length.div_ceil(WINDOW);
        let missing = (0..count).map(|number| WINDOW.min(length - number * WINDOW));
        Self {
            missing: missing.collect(),
        }
    }

    /// The windows that are whole now, and were not.
    fn arrived(&mut self, offset: u64, length: u64) -> Vec<u64> {
        let (mut at, end) = (offset, offset + length);
        let mut whole = Vec::new();
        while at < end {
            let window = at / WINDOW;
            let part = end.min((window + 1) * WINDOW) - at;
            at += part;
            // A window that is not there belongs to no image; the sink before has refused to write there.
            let Some(missing) = self.missing.get_mut(window as usize) else {
                break;
            };
            *missing = missing.saturating_sub(part);
            if *missing == 0 {
                whole.push(window);
            }
        }
        whole
    }
}

/// Reads windows back.
struct Reader {
    usr: Region,
    verity: Region,
    length: u64,
    leaves: Leaves,
}

impl Reader {
    fn run(mut self, arrived: &Receiver<u64>) -> acl_host::Result<RootHash> {
        let mut buffer = vec![0; PIECE];
        while let Ok(first) = arrived.recv() {
            // What has arrived in the meantime goes with it: one flush for all.
            let windows: Vec<u64> = std::iter::once(first).chain(arrived.try_iter()).collect();
            self.usr.flush()?;
            for window in windows {
                self.read(window * WINDOW, &mut buffer)?;
            }
        }
        let top = self.leaves.finish()?;
        self.verity.write_at(&top.bytes, 0)?;
        Ok(top.root)
    }

    fn read(&mut self, start: u64, buffer: &mut [u8]) -> acl_host::Result<()> {
        let end = self.length.min(start + WINDOW);
        let mut at = start;
        while at < end {
            let size = (end - at).min(buffer.len() as u64);
            let piece = &mut buffer[..size as usize];
            let read = self.usr.read_exact_at(piece, at);
            read.map_err(|source| acl_host::Error::ReadVerity { source })?;
            let leaves = self.leaves.put(at, piece)?;
            self.verity.write_at(&leaves.bytes, leaves.offset)?;
            at += size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_when_its_last_byte_has_come() {
        let mut windows = Windows::new(2 * WINDOW + 100);
        assert_eq!(windows.arrived(WINDOW - 10, 20), [0; 0]);
        assert_eq!(windows.arrived(2 * WINDOW, 99), [0; 0]);
        assert_eq!(windows.arrived(0, WINDOW - 10), [0]);
        assert_eq!(windows.arrived(WINDOW + 10, WINDOW - 10), [1]);
        assert_eq!(windows.arrived(2 * WINDOW + 99, 1), [2]);
        let mut windows = Windows::new(3 * WINDOW);
        assert_eq!(windows.arrived(0, 3 * WINDOW), [0, 1, 2]);
    }
}
