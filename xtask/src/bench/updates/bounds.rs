//! What the machine can do at best: each part of staging the real pair, alone, as fast as plain code does it.

mod assembled;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use acl_host::disk::Disk;
use acl_host::verity::{self, RootHash};
use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::pair::Sides;
use super::server::{Answer, Server};
use super::way::Taken;
use crate::bench::sample::median;

const PIECE: usize = 1 << 20;

/// What is written of a release.
const RELEASE: [&str; 3] = ["usr", "verity", "uki"];

/// Seconds of each part.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Bounds {
    /// The ranges that our way fetched, one after the other over one connection.
    pub(super) fetch: f64,
    /// `/usr` and the kernel image made of the old ones and the patch, each chunk hashed, on one processor.
    pub(super) decompress_and_hash: f64,
    /// `/usr`, its hash tree and the kernel image written in order, and `fdatasync`.
    pub(super) write: f64,
    /// `/usr` read from the disk and compared with its hash tree.
    pub(super) read_back: f64,
}

impl Bounds {
    /// Measures them for the update that our way took.
    pub(super) fn measure(taken: &Taken, sides: &Sides, scratch: &Path) -> Result<Self> {
        // What the update left to be written is not to be waited for here.
        rustix::fs::sync();
        let slot = scratch.join("bound.slot");
        let bounds = Self {
            fetch: fetch(&Server::serve(&taken.served)?, &taken.answers)?,
            decompress_and_hash: assembled::assembled(&taken.served, sides)?,
            write: write(sides, &slot)?,
            read_back: read_back(&slot, sides)?,
        };
        std::fs::remove_file(slot)?;
        Ok(bounds)
    }

    /// The median of each part.
    pub(super) fn median(measured: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| median(measured.iter().map(part));
        Self {
            fetch: of(|bounds| bounds.fetch),
            decompress_and_hash: of(|bounds| bounds.decompress_and_hash),
            write: of(|bounds| bounds.write),
            read_back: of(|bounds| bounds.read_back),
        }
    }

    /// The slowest part, which staging cannot be faster than.
    pub(super) fn slowest(&self) -> f64 {
        self.parts()
            .into_iter()
            .fold(0.0, |most, (_, seconds)| seconds.max(most))
    }

    /// All, with their names.
    pub(super) fn parts(&self) -> [(&'static str, f64); 4] {
        [
            ("fetch", self.fetch),
            ("decompress and hash", self.decompress_and_hash),
            ("write", self.write),
            ("read back", self.read_back),
        ]
    }
}

fn fetch(server: &Server, answers: &[Answer]) -> Result<f64> {
    let stream = TcpStream::connect(server.address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(PIECE, &stream);
    let start = Instant::now();
    for answer in answers.iter().filter(|answer| !answer.range.is_empty()) {
        let (path, first, last) = (&answer.path, answer.range.start, answer.range.end - 1);
        let request = format!("GET {path} HTTP/1.1\r\nRange: bytes={first}-{last}\r\n\r\n");
        (&stream).write_all(request.as_bytes())?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && !line.ends_with("\r\n\r\n") {}
        ensure!(line.starts_with("HTTP/1.1 206 "), "{path} is gone: {line}");
        let length = answer.range.end - first;
        let got = std::io::copy(
            &mut Read::by_ref(&mut reader).take(length),
            &mut std::io::sink(),
        )?;
        ensure!(got == length, "{path} ended early");
    }
    Ok(start.elapsed().as_secs_f64())
}

fn write(sides: &Sides, slot: &Path) -> Result<f64> {
    let mut buffer = vec![0; PIECE];
    let mut target = File::create(slot)?;
    // As a disk is: with its blocks.
    let size: u64 = RELEASE
        .iter()
        .map(|part| Ok(sides.new.file(part)?.metadata()?.len()))
        .sum::<Result<_>>()?;
    std::io::copy(&mut std::io::repeat(0).take(size), &mut target)?;
    target.sync_all()?;
    target.rewind()?;
    let start = Instant::now();
    for part in RELEASE {
        let mut source = File::open(sides.new.file(part)?)?;
        loop {
            let count = source.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            target.write_all(&buffer[..count])?;
        }
    }
    target.sync_data()?;
    Ok(start.elapsed().as_secs_f64())
}

fn read_back(slot: &Path, sides: &Sides) -> Result<f64> {
    let hash: RootHash = sides.new.description.root_hash.parse()?;
    let disk = Disk::open(slot)?;
    let region = disk.region("slot", 0..disk.size())?;
    // Memory forgets it.
    region.flush()?;
    let tree = File::open(sides.new.file("verity")?)?;
    let start = Instant::now();
    verity::check(&region, &tree, &hash).context("what was written does not read back")?;
    Ok(start.elapsed().as_secs_f64())
}
