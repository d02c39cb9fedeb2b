//! Makes the tree.

use ring::digest::{Context, SHA256};

use super::superblock::Superblock;
use super::{BLOCK, DIGEST, FAN, ReadAt, RootHash, THREADS, levels};
use crate::error::{Error, Result};

/// What a tree is made with, besides the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Hashed before every block; at most 256 bytes.
    pub salt: Vec<u8>,
    /// The UUID in the superblock, in the order of its text.
    pub uuid: [u8; 16],
}

impl Parameters {
    /// Parameters that follow from the data alone, so that two builds make the same tree: the salt is the SHA-256 of
    /// the data, the UUID the first half of the SHA-256 of the salt, marked as version 8 (RFC 9562, 5.8).
    ///
    /// # Errors
    /// [`Error::ReadVerity`].
    pub fn from_data(data: &(impl ReadAt + ?Sized)) -> Result<Self> {
        Ok(Self::from_digest(&digest_of(data)?))
    }

    /// As [`Self::from_data`], for data whose SHA-256 is known.
    pub fn from_digest(sha256: &[u8; 32]) -> Self {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&ring::digest::digest(&SHA256, sha256).as_ref()[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Self {
            salt: sha256.to_vec(),
            uuid,
        }
    }
}

/// A finished tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What the verity partition holds: the superblock, then the levels from the top to the leaves; whole blocks.
    pub bytes: Vec<u8>,
    /// What stands for the data.
    pub root: RootHash,
}

/// Makes the tree over `data`, byte for byte what `veritysetup format` makes; the data is read and hashed by two
/// threads. The tree is held in memory: 1/127 of the data.
///
/// # Errors
/// [`Error::OddLength`] when the data is empty or not a whole number of blocks, [`Error::ReadVerity`],
/// [`Error::VeritySuperblock`] for a salt that is too long.
pub fn build(data: &(impl ReadAt + ?Sized), parameters: &Parameters) -> Result<Tree> {
    let length = data.length().map_err(unreadable)?;
    if length == 0 || !length.is_multiple_of(BLOCK as u64) {
        return Err(Error::OddLength { length });
    }
    let blocks = length / BLOCK as u64;
    let mut salted = Context::new(&SHA256);
    salted.update(&parameters.salt);
    let superblock = Superblock {
        uuid: parameters.uuid,
        blocks,
        salt: parameters.salt.clone(),
    };
    let digests = hash_data(data, blocks, &salted)?;
    Tree::grow(&superblock, digests, levels(blocks), &salted)
}

impl Tree {
    /// The levels upwards from the digests below the first of them, to the root.
    pub(super) fn grow(
        superblock: &Superblock,
        mut digests: Vec<u8>,
        levels: impl IntoIterator<Item = u64>,
        salted: &Context,
    ) -> Result<Self> {
        let mut made: Vec<Vec<u8>> = Vec::new();
        for level in levels {
            digests.resize(level as usize * BLOCK, 0);
            let above = hash_blocks(&digests, salted);
            made.push(std::mem::replace(&mut digests, above));
        }
        let mut bytes = superblock.to_block()?;
        for level in made.iter().rev() {
            bytes.extend_from_slice(level);
        }
        let mut root = [0; DIGEST];
        root.copy_from_slice(&digests);
        Ok(Self {
            bytes,
            root: RootHash(root),
        })
    }
}

/// The digests of all data blocks, one behind the other; each thread takes a run of whole leaves.
pub(super) fn hash_data(
    data: &(impl ReadAt + ?Sized),
    blocks: u64,
    salted: &Context,
) -> Result<Vec<u8>> {
    let leaves = blocks.div_ceil(FAN as u64);
    let share = leaves.div_ceil(THREADS) * FAN as u64;
    let mut digests = vec![0; blocks as usize * DIGEST];
    let shares = digests.chunks_mut(share as usize * DIGEST);
    in_parallel(shares, |number, digests| {
        hash_run(data, number as u64 * share, digests, salted)
    })?;
    Ok(digests)
}

/// Does the same with each share, on a thread of its own.
pub(super) fn in_parallel<'s>(
    shares: impl Iterator<Item = &'s mut [u8]>,
    work: impl Fn(usize, &mut [u8]) -> Result<()> + Sync,
) -> Result<()> {
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = shares
            .enumerate()
            .map(|(number, share)| scope.spawn(move || work(number, share)))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
}

/// Fills `digests` with those of the data blocks from `first` on, one leaf's worth at a read.
pub(super) fn hash_run(
    data: &(impl ReadAt + ?Sized),
    first: u64,
    digests: &mut [u8],
    salted: &Context,
) -> Result<()> {
    let mut buffer = vec![0; FAN * BLOCK];
    let mut offset = first * BLOCK as u64;
    for leaf in digests.chunks_mut(BLOCK) {
        let buffer = &mut buffer[..leaf.len() / DIGEST * BLOCK];
        data.read_exact_at(buffer, offset).map_err(unreadable)?;
        leaf.copy_from_slice(&hash_blocks(buffer, salted));
        offset += buffer.len() as u64;
    }
    Ok(())
}

/// The digests of whole blocks.
pub(super) fn hash_blocks(blocks: &[u8], salted: &Context) -> Vec<u8> {
    let mut digests = Vec::with_capacity(blocks.len() / FAN);
    for block in blocks.chunks_exact(BLOCK) {
        let mut context = salted.clone();
        context.update(block);
        digests.extend_from_slice(context.finish().as_ref());
    }
    digests
}

fn digest_of(data: &(impl ReadAt + ?Sized)) -> Result<[u8; DIGEST]> {
    let length = data.length().map_err(unreadable)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < length {
        let size = (length - offset).min(buffer.len() as u64) as usize;
        data.read_exact_at(&mut buffer[..size], offset)
            .map_err(unreadable)?;
        context.update(&buffer[..size]);
        offset += size as u64;
    }
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

pub(super) fn unreadable(source: std::io::Error) -> Error {
    Error::ReadVerity { source }
}
