//! A file whose frames are unpacked (see [`inner`](super::inner)), read as it will be once they are pressed again.

use std::io::{self, Read, Seek, SeekFrom};

use crate::manifest::Inner;

/// Every byte is where it will be. Those of frames are not known yet, and read as zeros.
#[derive(Debug)]
pub struct Outside<R> {
    unpacked: R,
    frames: Vec<Inner>,
    size: u64,
    at: u64,
}

impl<R: Seek> Outside<R> {
    /// `frames` are those of the file as it will be.
    ///
    /// # Errors
    /// Those of seeking.
    pub fn new(mut unpacked: R, frames: &[Inner]) -> io::Result<Self> {
        let plain: u64 = frames.iter().map(|frame| frame.plain).sum();
        let packed: u64 = frames.iter().map(|frame| frame.packed).sum();
        let size = unpacked.seek(SeekFrom::End(0))?;
        Ok(Self {
            unpacked,
            frames: frames.to_vec(),
            size: size.saturating_sub(plain).saturating_add(packed),
            at: 0,
        })
    }
}

impl<R: Read + Seek> Read for Outside<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut offset, mut end) = (self.at, self.size.max(self.at));
        let mut within = false;
        for frame in &self.frames {
            let after = frame.offset.saturating_add(frame.packed);
            if self.at >= after {
                offset = offset.saturating_sub(frame.packed);
                offset = offset.saturating_add(frame.plain);
            } else {
                within = self.at >= frame.offset;
                end = if within { after } else { frame.offset };
                break;
            }
        }
        let length = (end - self.at).min(buffer.len() as u64) as usize;
        let piece = &mut buffer[..length];
        if within {
            piece.fill(0);
        } else {
            self.unpacked.seek(SeekFrom::Start(offset))?;
            self.unpacked.read_exact(piece)?;
        }
        self.at += length as u64;
        Ok(length)
    }
}

impl<R: Seek> Seek for Outside<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::inner::{find, unpack};
    use crate::payload::noise::noise;

    #[test]
    fn every_byte_outside_of_frames_is_where_it_will_be() {
        let frame = |seed| zstd::stream::encode_all(noise(seed, 100_000).as_slice(), 3).unwrap();
        let file = [
            noise(1, 5000),
            frame(2),
            noise(3, 6000),
            frame(4),
            noise(5, 7000),
        ]
        .concat();
        let frames = find(&file).unwrap();
        assert_eq!(frames.len(), 2);
        let mut unpacked = Vec::new();
        unpack(&mut file.as_slice(), &frames, &mut unpacked).unwrap();
        let mut expected = file.clone();
        for frame in &frames {
            let offset = frame.offset as usize;
            expected[offset..offset + frame.packed as usize].fill(0);
        }

        let mut outside = Outside::new(io::Cursor::new(unpacked), &frames).unwrap();
        let mut found = Vec::new();
        outside.read_to_end(&mut found).unwrap();
        assert!(found == expected);
        let mut last = [0; 10];
        outside.seek(SeekFrom::End(-10)).unwrap();
        outside.read_exact(&mut last).unwrap();
        assert_eq!(last, file[file.len() - 10..]);
        assert_eq!(outside.read(&mut last).unwrap(), 0);
        assert_eq!(outside.seek(SeekFrom::Start(1 << 40)).unwrap(), 1 << 40);
        assert_eq!(outside.read(&mut last).unwrap(), 0);
    }
}
