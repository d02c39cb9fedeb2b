//! A kernel image all of which is there, checked, and lacks its last form: what is compressed in it is unpacked.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Seek, Write},
    path::PathBuf,
};

use acl_release::{
    digest::{Digest, Digester},
    manifest::{Artifact, Inner, Part},
    payload::{inner, outside::Outside},
};

use tokio_util::sync::CancellationToken;

use super::{Error, cancellable::Cancellable, kernel::PIECE, staged_files::StagedFiles};

/// An image whose initrd is unpacked.
#[derive(Debug)]
pub(super) struct Unpressed {
    file: File,
    path: PathBuf,
    to: PathBuf,
    frames: Vec<Inner>,
    sha256: Digest,
}

impl Unpressed {
    /// `file` is the one of [`StagedFiles::unpacked`].
    pub(super) fn new(file: File, files: &StagedFiles, artifact: &Artifact) -> Self {
        Self {
            file,
            path: files.unpacked(),
            to: files.path(Part::Uki),
            frames: artifact.comparable().0.to_vec(),
            sha256: artifact.sha256,
        }
    }

    /// The image as it will be, without what will be compressed.
    pub(super) fn outside(&self) -> io::Result<Outside<File>> {
        Outside::new(self.file.try_clone()?, &self.frames)
    }

    /// What to say when it cannot be kept.
    pub(super) fn failed(&self) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::KeepPart {
            path: path.clone(),
            source,
        }
    }

    /// Compresses again what belongs compressed; otherwise why that is not what was published.
    pub(super) fn press(mut self, cancel: &CancellationToken) -> io::Result<Result<(), String>> {
        self.file.rewind()?;
        let mut out = Digesting {
            to: BufWriter::with_capacity(PIECE, File::create(&self.to)?),
            digester: Digester::default(),
        };
        let mut plain = BufReader::with_capacity(PIECE, Cancellable::new(self.file, cancel));
        inner::press(&mut plain, &self.frames, &mut out)?;
        out.to.flush()?;
        // The unpacked image stays until the release is armed: the disk may not have this one yet.
        match out.digester.finish() {
            digest if digest == self.sha256 => Ok(Ok(())),
            digest => Ok(Err(differs(digest, self.sha256))),
        }
    }
}

fn differs(digest: Digest, expected: Digest) -> String {
    format!(
        "compressed again it has SHA-256 {digest}, the manifest says {expected}: this zstd is not the publisher's"
    )
}

/// Tells the digest of what was written through it.
struct Digesting<W> {
    to: W,
    digester: Digester,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.digester.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(level: i32) -> (Result<(), String>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let plain: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| (n % 997).to_le_bytes())
            .collect();
        let packed = zstd_of(&plain);
        let path = directory.path().join("uki.unpacked");
        acl_host::file::scratch(&path, &plain).unwrap();
        let unpressed = Unpressed {
            file: File::open(&path).unwrap(),
            path: path.clone(),
            to: directory.path().join("uki"),
            frames: vec![Inner {
                offset: 0,
                packed: packed.len() as u64,
                plain: plain.len() as u64,
                level,
            }],
            sha256: Digest::of(&packed),
        };
        let pressed = unpressed.press(&CancellationToken::new()).unwrap();
        assert!(path.exists());
        let same = std::fs::read(directory.path().join("uki")).unwrap() == packed;
        (pressed, same)
    }

    /// As a publisher has it.
    fn zstd_of(plain: &[u8]) -> Vec<u8> {
        let frame = Inner {
            offset: 0,
            packed: 0,
            plain: plain.len() as u64,
            level: 3,
        };
        let mut packed = Vec::new();
        inner::press(&mut &*plain, &[frame], &mut packed).unwrap();
        packed
    }

    #[test]
    fn what_is_pressed_otherwise_is_not_taken() {
        assert_eq!(press(3), (Ok(()), true));
        let (told, same) = press(1);
        assert!(!same);
        assert!(
            told.unwrap_err()
                .ends_with(": this zstd is not the publisher's")
        );
    }
}
