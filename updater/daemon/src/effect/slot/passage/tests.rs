//! Several windows through the passage, onto disks in memory that answer as real ones: what comes out is the root hash of
//! what the disk gives back, and an error of the disk ends it.

use std::{
    fs::File,
    io,
    ops::Range,
    os::{fd::AsRawFd, unix::fs::FileExt},
    sync::{Arc, LazyLock, mpsc::channel},
    time::Duration,
};

use acl_host::{
    disk::Disk,
    error::chain,
    verity::{Parameters, RootHash, Tree, build},
};
use acl_release::payload::assemble::Sink;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tokio_util::sync::CancellationToken;

use super::super::{SlotSink, sink};
use crate::{
    effect::{Error, sinks::Fetched},
    machine::OtherSlot,
    session::Progress,
};

const MIB: usize = 1 << 20;
/// Eight windows of 5 MiB.
const LENGTH: usize = 40 * MIB;
const WINDOW: usize = 5 * MIB;
/// Where the tree lies on the disk.
const VERITY: usize = 50 * MIB;
/// Chunks begin anywhere.
const CHUNK: usize = 70_001;

/// A disk that is a file without a name.
struct Memory {
    file: File,
    path: String,
    /// Where usr begins; partitions need not begin where pages do.
    start: usize,
    cancel: CancellationToken,
}

impl Memory {
    fn new(start: usize) -> Arc<Self> {
        let file = File::from(memfd_create("disk", MemfdFlags::ALLOW_SEALING).unwrap());
        file.set_len(52 * MIB as u64).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let cancel = CancellationToken::new();
        Arc::new(Self {
            file,
            path,
            start,
            cancel,
        })
    }

    fn slot(&self) -> OtherSlot {
        let disk = Disk::open(&self.path).unwrap();
        let region = |name, start: usize, length: usize| {
            disk.region(name, start as u64..(start + length) as u64)
                .unwrap()
        };
        OtherSlot {
            usr: region("usr", self.start, LENGTH),
            verity: region("verity", VERITY, MIB),
            signature: region("signature", VERITY + MIB, MIB / 16),
        }
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        self.file
            .write_all_at(bytes, (self.start + at) as u64)
            .unwrap();
    }

    fn bytes(&self, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at as u64).unwrap();
        bytes
    }

    /// Let `give` fill a sink; the root hash of what the disk gave back. A passage that hangs fails.
    fn pass(
        self: &Arc<Self>,
        give: impl FnOnce(&Self, &mut SlotSink) -> io::Result<()> + Send + 'static,
    ) -> (io::Result<()>, Result<RootHash, Error>) {
        let (tell, told) = channel();
        let disk = self.clone();
        // Not waited for when it hangs.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let _entered = runtime.enter();
            let progress = Progress::new(tokio::sync::mpsc::unbounded_channel().0);
            let slot = disk.slot();
            let told = (progress, Fetched::default());
            let sunk = sink(&slot, LENGTH as u64, &parameters(), told, &disk.cancel);
            let (mut sink, read_back) = sunk.unwrap();
            let given = give(&disk, &mut sink);
            drop(sink);
            let root = runtime.block_on(read_back).unwrap();
            tell.send((given, root)).unwrap();
        });
        told.recv_timeout(Duration::from_secs(60))
            .expect("an end before the time is up")
    }
}

/// Bytes that do not repeat (splitmix64).
static DATA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let word = |number: u64| {
        let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).to_le_bytes()
    };
    (1..=LENGTH as u64 / 8).flat_map(word).collect()
});

fn parameters() -> Parameters {
    Parameters {
        salt: vec![7; 32],
        uuid: [1; 16],
    }
}

fn tree(data: &[u8]) -> Tree {
    build(data, &parameters()).unwrap()
}

/// Gives what belongs to `range`, in chunks.
fn give(sink: &mut SlotSink, range: Range<usize>) -> io::Result<()> {
    let mut at = range.start;
    for chunk in DATA[range].chunks(CHUNK) {
        sink.chunk(at as u64, chunk)?;
        at += chunk.len();
    }
    Ok(())
}

/// Gives windows 0 and 1 and half of the next. When it returns, all but the last three pieces of 1 MiB are on the disk, since
/// there are no more pieces; the window of that half has not been read back.
fn give_two_and_a_half(sink: &mut SlotSink) -> usize {
    let half = 2 * WINDOW + WINDOW * 4 / 5;
    give(sink, 0..half).unwrap();
    half
}

#[test]
fn what_is_read_back_has_the_root_of_what_arrived_in_any_order() {
    let tree = tree(&DATA);
    for start in [MIB, MIB + 17 * 512] {
        let disk = Memory::new(start);
        // The third quarter is there from an earlier try.
        let (kept, quarter) = (LENGTH / 2, LENGTH / 4);
        disk.put(kept, &DATA[kept..kept + quarter]);
        let (given, root) = disk.pass(move |_, sink| {
            give(sink, kept + quarter..LENGTH)?;
            sink.kept(kept as u64, u32::try_from(quarter).unwrap())?;
            give(sink, WINDOW - 100..kept)?;
            give(sink, 0..WINDOW - 100)?;
            sink.finish()
        });
        given.unwrap();
        assert_eq!(root.unwrap(), tree.root);
        assert!(disk.bytes(start, LENGTH) == *DATA, "usr of {start}");
        assert!(
            disk.bytes(VERITY, tree.bytes.len()) == tree.bytes,
            "{start}"
        );
    }
}

#[test]
fn a_byte_that_the_disk_does_not_give_back_right_is_in_the_root() {
    let mut rotten = DATA.clone();
    let place = 2 * WINDOW + 70_000;
    rotten[place] ^= 1;
    let disk = Memory::new(MIB);
    let (given, root) = disk.pass(move |disk, sink| {
        let half = give_two_and_a_half(sink);
        assert_eq!(disk.bytes(MIB + place, 1), DATA[place..=place]);
        disk.put(place, &[DATA[place] ^ 1]);
        give(sink, half..LENGTH)?;
        sink.finish()
    });
    given.unwrap();
    let root = root.unwrap();
    assert_ne!(root, tree(&DATA).root);
    assert_eq!(root, tree(&rotten).root);
}

#[test]
fn an_error_in_the_middle_of_a_later_window_is_told_as_the_disk_says_it() {
    let disk = Memory::new(MIB);
    let (given, root) = disk.pass(move |disk, sink| {
        let half = give_two_and_a_half(sink);
        // What hangs behind the entrance is written before or refused after, either way no more is taken.
        fcntl_add_seals(&disk.file, SealFlags::WRITE).unwrap();
        give(sink, half..LENGTH)?;
        sink.finish()
    });
    assert_eq!(given.unwrap_err().to_string(), "the slot takes no more");
    let told = chain(&root.unwrap_err());
    let start = "cannot write to the slot; check the disk: cannot write 1048576 bytes at ";
    let end = format!(" of {}: Operation not permitted (os error 1)", disk.path);
    let place = told
        .strip_prefix(start)
        .and_then(|told| told.strip_suffix(&end));
    let place: usize = place.expect(&told).parse().unwrap();
    assert_eq!((place - MIB) / WINDOW, 2, "{told}");
}

#[test]
fn a_later_window_that_cannot_be_read_is_told_as_the_disk_says_it() {
    let disk = Memory::new(MIB);
    let last = LENGTH - WINDOW;
    let (given, root) = disk.pass(move |disk, sink| {
        give(sink, last + MIB..LENGTH)?;
        give(sink, 0..last)?;
        // The disk loses its end: nothing is written there any more, and the first part of the window is still to come.
        disk.file.set_len((MIB + last) as u64).unwrap();
        give(sink, last..last + MIB)?;
        sink.finish()
    });
    given.unwrap();
    let told = chain(&root.unwrap_err());
    let expected = format!(
        "what the slot gives back is not what was written to it; replace the disk when this happens again: \
         cannot read 1048576 bytes at {} of {}: unexpected end of file",
        MIB + last + MIB,
        disk.path
    );
    assert_eq!(told, expected);
}

#[test]
fn once_cancelled_each_thread_ends_with_what_it_has_at_hand() {
    let disk = Memory::new(MIB);
    let (given, root) = disk.pass(move |disk, sink| {
        let half = give_two_and_a_half(sink);
        disk.cancel.cancel();
        give(sink, half..LENGTH)?;
        sink.finish()
    });
    assert_eq!(given.unwrap_err().to_string(), "the slot takes no more");
    assert_eq!(
        chain(&root.unwrap_err()),
        "cannot fetch the release: usr is not fetched any further, because the update was cancelled"
    );
    // All but what was on its way by then.
    let untouched = disk.bytes(MIB + 4 * WINDOW, LENGTH - 4 * WINDOW);
    assert!(untouched.iter().all(|byte| *byte == 0));
}
