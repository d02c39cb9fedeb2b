use std::sync::Mutex;

use super::*;
use crate::payload::cut;
use crate::payload::frame::press;
use crate::payload::index::Index;

/// What a sink was given.
#[derive(Default)]
struct Given {
    bytes: Vec<u8>,
    kept: Vec<u64>,
    full_at: Option<u64>,
    /// Cancelled by what is given.
    cancel: CancellationToken,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Given>>);

impl Sink for Memory {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut given = self.0.lock().unwrap();
        if given.full_at == Some(offset) {
            return Err(io::Error::from_raw_os_error(28));
        }
        let end = offset as usize + bytes.len();
        let length = given.bytes.len().max(end);
        given.bytes.resize(length, 0);
        given.bytes[offset as usize..end].copy_from_slice(bytes);
        given.cancel.cancel();
        Ok(())
    }

    fn kept(&mut self, offset: u64, _length: u32) -> io::Result<()> {
        let mut given = self.0.lock().unwrap();
        given.kept.push(offset);
        given.cancel.cancel();
        Ok(())
    }
}

fn index(parts: &[&[u8]]) -> Arc<Index> {
    let chunk = |part: &&[u8]| Chunk {
        sha256: Digest::of(part),
        length: part.len() as u32,
        offset: 0,
        packed: 1,
    };
    Arc::new(Index::new(parts.iter().map(chunk).collect()))
}

struct Old(Vec<u8>);

impl ReadAt for Old {
    fn length(&self) -> io::Result<u64> {
        self.0[..].length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0[..].read_exact_at(buffer, offset)
    }
}

fn assembly(parts: &[&[u8]], old: &[u8]) -> (Assembly, Memory) {
    let memory = Memory::default();
    let old: Readable = Arc::new(Old(old.to_vec()));
    let sink = Box::new(memory.clone());
    (Assembly::new(index(parts), Some(old), sink), memory)
}

fn task(chunks: std::ops::Range<usize>, source: Source) -> Task {
    Task { chunks, source }
}

fn frame(reference: std::ops::Range<u64>) -> Source {
    Source::Frame {
        bytes: 0..1,
        reference,
    }
}

#[test]
fn a_file_is_made_of_old_and_new() {
    let (mut assembly, memory) = assembly(&[b"one ", b"two ", b"three"], b"..one two threw");
    assembly
        .carry_out(&task(0..2, Source::Old(2)), b"")
        .unwrap();
    let packed = press(b"three", b"two threw", 3).unwrap();
    assembly
        .carry_out(&task(2..3, frame(6..15)), &packed)
        .unwrap();
    assert_eq!(assembly.wanted(), [false; 3]);
    assert_eq!(memory.0.lock().unwrap().bytes, b"one two three");
}

#[test]
fn what_the_old_file_no_longer_holds_stays_wanted() {
    let (mut assembly, memory) = assembly(&[b"one ", b"two ", b"three"], b"one tw0 three");
    let failed = assembly.carry_out(&task(0..3, Source::Old(0)), b"");
    assert!(matches!(
        failed,
        Err(Failure::Chunk(1, ChunkProblem::Digest { .. }))
    ));
    assert_eq!(assembly.wanted(), [false, true, false]);
    let beyond = assembly.carry_out(&task(1..2, Source::Old(10)), b"");
    assert!(matches!(
        beyond,
        Err(Failure::Chunk(1, ChunkProblem::ReadOld { at: 10, .. }))
    ));
    let packed = press(b"two ", b"", 3).unwrap();
    assembly
        .carry_out(&task(1..2, frame(0..0)), &packed)
        .unwrap();
    assert_eq!(memory.0.lock().unwrap().bytes, b"one two three");
}

#[test]
fn only_what_the_index_says_is_handed_out() {
    let refused = |plain: &[u8], old: &[u8]| {
        let (mut assembly, memory) = assembly(&[b"one ", b"two "], old);
        let packed = press(plain, b"old!", 3).unwrap();
        let failed = assembly.carry_out(&task(0..2, frame(0..4)), &packed);
        let Err(Failure::Chunk(number, problem)) = failed else {
            panic!("{failed:?}")
        };
        let handed = memory.0.lock().unwrap().bytes.clone();
        (number, problem.to_string(), handed)
    };
    let (number, problem, handed) = refused(b"one tvo ", b"old!");
    assert!(problem.starts_with("its SHA-256 is "), "{problem}");
    assert_eq!((number, handed.as_slice()), (1, b"one ".as_slice()));
    let (number, problem, handed) = refused(b"one two", b"old!");
    assert_eq!(problem, "it is 7 bytes long, the index says 8");
    assert_eq!((number, handed.len()), (0, 0));
    let (_, problem, _) = refused(b"one two three", b"old!");
    let start = "it cannot be decompressed to 8 bytes: ";
    assert!(problem.starts_with(start), "{problem}");
    let (number, problem, _) = refused(b"one two ", b"old");
    assert_eq!(
        (number, problem.as_str()),
        (0, "the old file cannot be read at byte 0")
    );
}

#[test]
fn what_is_in_its_place_is_kept() {
    let (mut assembly, memory) = assembly(&[b"one ", b"two ", b"three"], b"");
    assembly.keep(&Old(b"one 2wo thr".to_vec())).unwrap();
    assert_eq!(assembly.wanted(), [false, true, true]);
    assert_eq!(memory.0.lock().unwrap().kept, [0]);
    // What is not wanted is not handed out again.
    let packed = press(b"one two ", b"", 3).unwrap();
    assembly
        .carry_out(&task(0..2, frame(0..0)), &packed)
        .unwrap();
    assert_eq!(memory.0.lock().unwrap().bytes, b"\0\0\0\0two ");
}

#[test]
fn a_sink_that_fails_ends_it() {
    let (mut assembly, memory) = assembly(&[b"one ", b"two "], b"one two ");
    memory.0.lock().unwrap().full_at = Some(4);
    let failed = assembly.carry_out(&task(0..2, Source::Old(0)), b"");
    assert!(matches!(failed, Err(Failure::Sink(4, _))), "{failed:?}");
    assert_eq!(assembly.wanted(), [false, true]);
}

#[test]
fn an_old_file_is_surveyed_as_it_would_be_cut() {
    let old: Vec<u8> = (0..400_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let (assembly, _) = assembly(&[], &old);
    let known = assembly.survey().unwrap();
    let mut offset = 0;
    for chunk in cut::cut(&old[..]) {
        let chunk = chunk.unwrap();
        assert_eq!(known.get(&Digest::of(&chunk)), Some(&offset));
        offset += chunk.len() as u64;
    }
    assert!(known.len() > 10);
}

/// Cancelled while the first chunk is at hand, none of the others is looked at.
#[test]
fn once_cancelled_nothing_is_done_but_the_chunk_at_hand() {
    let parts: [&[u8]; 3] = [b"aa", b"bb", b"cc"];
    let cancelled_by_its_sink = || {
        let (assembly, memory) = assembly(&parts, b"aabbcc");
        let token = memory.0.lock().unwrap().cancel.clone();
        (assembly.cancelled_by(token), memory)
    };
    let told = "the update was cancelled";

    let (mut assembly, memory) = cancelled_by_its_sink();
    let kept = assembly.keep(&Old(b"aabbcc".to_vec()));
    assert_eq!(kept.unwrap_err().to_string(), told);
    assert_eq!(memory.0.lock().unwrap().kept, [0]);
    assert_eq!(assembly.survey().unwrap_err().to_string(), told);

    let (mut assembly, memory) = cancelled_by_its_sink();
    let Err(Failure::Sink(at, error)) = assembly.carry_out(&task(0..3, Source::Old(0)), &[]) else {
        unreachable!("it was carried out");
    };
    assert_eq!((at, error.to_string()), (2, told.to_owned()));
    assert_eq!(memory.0.lock().unwrap().bytes, b"aa");
    let Err(Failure::Sink(at, error)) = assembly.carry_out(&task(2..3, frame(0..0)), &[]) else {
        unreachable!("it was carried out");
    };
    assert_eq!((at, error.to_string()), (4, told.to_owned()));
}
