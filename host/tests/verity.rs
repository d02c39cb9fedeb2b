//! Trees are byte for byte those of veritysetup, and read back as what they are.

use std::fs::File;
use std::path::Path;

use acl_host::disk::Disk;
use acl_host::error::chain;
use acl_host::tool::{Tool, Tools};
use acl_host::verity::{self, BLOCK, Parameters, RootHash, Tree};
use acl_host::{Error, file};

/// Sizes in blocks: one, full and just overfull leaves, full and just overfull upper levels, odd ones.
const SIZES: [usize; 12] = [
    1,
    2,
    3,
    127,
    128,
    129,
    255,
    257,
    1000,
    128 * 128 - 1,
    128 * 128,
    128 * 128 + 1,
];

/// Bytes that repeat nowhere near a block, the same at every run.
fn data(blocks: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ blocks as u64;
    let mut bytes = Vec::with_capacity(blocks * BLOCK);
    while bytes.len() < blocks * BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn build(data: &[u8]) -> Tree {
    verity::build(data, &Parameters::from_data(data).unwrap()).unwrap()
}

/// The tree and root hash of the program that everybody uses.
fn veritysetup(directory: &Path, data: &[u8], parameters: &Parameters) -> (Vec<u8>, String) {
    let tools = Tools::host();
    tools.require(&Tool::Veritysetup).unwrap_or_else(|error| {
        panic!("this test compares with the real veritysetup, and {error}")
    });
    let (data_path, tree_path) = (directory.join("data"), directory.join("tree"));
    file::scratch(&data_path, data).unwrap();
    let _ = std::fs::remove_file(&tree_path);
    let salt = match parameters.salt.as_slice() {
        [] => "-".to_owned(),
        salt => hex(salt),
    };
    let said = tools
        .command(Tool::Veritysetup)
        .arg("format")
        .args(["--salt".to_owned(), salt])
        .args([
            "--uuid".to_owned(),
            acl_host::guid::Guid(parameters.uuid).to_string(),
        ])
        .arg(&data_path)
        .arg(&tree_path)
        .run()
        .unwrap();
    let said = String::from_utf8(said).unwrap();
    let root = said
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"));
    (
        std::fs::read(&tree_path).unwrap(),
        root.unwrap().trim().to_owned(),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn trees_are_those_of_veritysetup() {
    let temp = tempfile::tempdir().unwrap();
    for blocks in SIZES {
        let data = data(blocks);
        let parameters = Parameters::from_data(data.as_slice()).unwrap();
        let ours = verity::build(data.as_slice(), &parameters).unwrap();
        let (tree, root) = veritysetup(temp.path(), &data, &parameters);
        assert_eq!(ours.root.to_string(), root, "{blocks} blocks");
        assert!(ours.bytes == tree, "{blocks} blocks");
        assert_eq!(
            ours.bytes.len() as u64,
            verity::tree_length(data.len() as u64)
        );
    }
}

#[test]
fn any_salt_and_uuid_is_taken() {
    let temp = tempfile::tempdir().unwrap();
    let data = data(300);
    for salt_length in [0, 1, 31, 33, 256] {
        let parameters = Parameters {
            salt: (0..salt_length).map(|n| n as u8).collect(),
            uuid: [0xc3; 16],
        };
        let ours = verity::build(data.as_slice(), &parameters).unwrap();
        let (tree, root) = veritysetup(temp.path(), &data, &parameters);
        assert_eq!(ours.root.to_string(), root, "salt of {salt_length} bytes");
        assert!(ours.bytes == tree, "salt of {salt_length} bytes");
    }
}

#[test]
fn the_same_data_makes_the_same_tree() {
    let data = data(129);
    let parameters = Parameters::from_data(data.as_slice()).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &data);
    assert_eq!(parameters.salt, digest.as_ref());
    assert_eq!((parameters.uuid[6] >> 4, parameters.uuid[8] >> 6), (8, 2));
    assert_eq!(build(&data), build(&data));
}

#[test]
fn a_file_makes_the_same_tree_as_memory() {
    let temp = tempfile::tempdir().unwrap();
    let data = data(1000);
    let path = temp.path().join("usr.erofs");
    file::scratch(&path, &data).unwrap();
    let file = File::open(&path).unwrap();
    let parameters = Parameters::from_data(&file).unwrap();
    assert_eq!(verity::build(&file, &parameters).unwrap(), build(&data));
}

#[test]
fn data_must_be_whole_blocks() {
    let parameters = Parameters {
        salt: vec![],
        uuid: [0; 16],
    };
    for length in [0, 1, 4095, 4097] {
        let error = verity::build(vec![0; length].as_slice(), &parameters).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{length} bytes are not a whole number of blocks of 4096 bytes")
        );
    }
    let long = Parameters {
        salt: vec![0; 257],
        uuid: [0; 16],
    };
    assert!(matches!(
        verity::build(vec![0; 4096].as_slice(), &long),
        Err(Error::VeritySuperblock { .. })
    ));
}

/// A disk with a usr partition and a verity partition, both larger than what they hold and full of old bytes.
struct Written {
    disk: Disk,
    usr: std::ops::Range<u64>,
    verity: std::ops::Range<u64>,
    root: RootHash,
    _temp: tempfile::TempDir,
}

impl Written {
    fn new(blocks: usize) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("disk.raw");
        let data = data(blocks);
        let tree = build(&data);
        let usr = 8192..8192 + data.len() as u64 + 3 * 4096;
        let verity = usr.end + 512..usr.end + 512 + tree.bytes.len() as u64 + 5000;
        file::scratch(&path, &vec![0xee; verity.end as usize + 999]).unwrap();
        let disk = Disk::open(&path).unwrap();
        disk.region("USR-B", usr.clone())
            .unwrap()
            .write_at(&data, 0)
            .unwrap();
        disk.region("USR-B-VERITY", verity.clone())
            .unwrap()
            .write_at(&tree.bytes, 0)
            .unwrap();
        Self {
            disk,
            usr,
            verity,
            root: tree.root,
            _temp: temp,
        }
    }

    fn read_back(&self) -> acl_host::Result<RootHash> {
        let usr = self.disk.region("USR-B", self.usr.clone())?;
        let tree = self.disk.region("USR-B-VERITY", self.verity.clone())?;
        usr.flush()?;
        verity::verify(&usr, &tree)
    }

    fn flip(&self, offset: u64) {
        let mut byte = [0];
        self.disk.read_at(&mut byte, offset).unwrap();
        byte[0] ^= 1;
        self.disk.write_at(&byte, offset).unwrap();
    }
}

#[test]
fn a_slot_reads_back_as_what_was_written() {
    for blocks in [1, 2, 128, 129, 1000, 128 * 128 + 1] {
        let slot = Written::new(blocks);
        assert_eq!(slot.read_back().unwrap(), slot.root, "{blocks} blocks");
    }
}

#[test]
fn one_flipped_bit_anywhere_is_seen() {
    let slot = Written::new(300);
    // Of the data, and the leaf over it: behind superblock and top.
    for (offset, leaf) in [
        (0, 2),
        (127 * 4096 + 4095, 2),
        (128 * 4096, 3),
        (300 * 4096 - 1, 4),
    ] {
        slot.flip(slot.usr.start + offset);
        let told = chain(&slot.read_back().unwrap_err());
        let at = leaf * 4096;
        assert_eq!(
            told,
            format!("the verity tree does not fit the data at byte {at} of the tree")
        );
        slot.flip(slot.usr.start + offset);
    }
    // Of the tree: superblock, top, leaves.
    for offset in [4096, 2 * 4096, 4 * 4096 + 4095, 600] {
        slot.flip(slot.verity.start + offset);
        let block = offset / 4096 * 4096;
        assert_eq!(
            chain(&slot.read_back().unwrap_err()),
            format!("the verity tree does not fit the data at byte {block} of the tree")
        );
        slot.flip(slot.verity.start + offset);
    }
    assert_eq!(slot.read_back().unwrap(), slot.root);
    // Behind the data, bytes are nobody's.
    slot.flip(slot.usr.end - 1);
    slot.flip(slot.verity.end - 1);
    assert_eq!(slot.read_back().unwrap(), slot.root);
}

#[test]
fn a_superblock_that_lies_is_seen() {
    let slot = Written::new(300);
    // The salt, the count of blocks (one less), the count (far more than there are), the magic.
    for (offset, expected) in [
        (
            88,
            "the verity tree does not fit the data at byte 8192 of the tree",
        ),
        (
            72,
            "the verity tree does not fit the data at byte 16384 of the tree",
        ),
        (
            79,
            "no verity superblock that this version can read: it counts 72057594037928236 data blocks where there are 303",
        ),
        (
            0,
            "no verity superblock that this version can read: the magic number is missing",
        ),
    ] {
        slot.flip(slot.verity.start + offset);
        assert_eq!(chain(&slot.read_back().unwrap_err()), expected);
        slot.flip(slot.verity.start + offset);
    }
}

#[test]
fn another_release_than_promised_is_seen() {
    let data = data(5);
    let tree = build(&data);
    verity::check(data.as_slice(), tree.bytes.as_slice(), &tree.root).unwrap();
    let promised = RootHash([0xab; 32]);
    let error = verity::check(data.as_slice(), tree.bytes.as_slice(), &promised).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the root hash is {}, not {promised}", tree.root)
    );
    let short = &tree.bytes[..4096];
    assert!(matches!(
        verity::check(data.as_slice(), short, &tree.root),
        Err(Error::ReadVerity { .. })
    ));
}

/// A tree alone proves itself: each bit of it that is read is vouched for by the root.
#[test]
fn a_tree_is_checked_without_its_data() {
    for blocks in [1, 2, 128, 129, 128 * 128 + 1] {
        let tree = build(&data(blocks));
        verity::check_tree(&tree.bytes[..], &tree.root).unwrap();
        let mut levels = tree.bytes.len() / BLOCK;
        while levels > 1 {
            levels -= 1;
            let mut flipped = tree.bytes.clone();
            flipped[levels * BLOCK + 17] ^= 1;
            let error = verity::check_tree(&flipped[..], &tree.root).unwrap_err();
            let top = matches!(error, Error::RootHashMismatch { .. });
            assert_eq!(top, levels == 1, "{blocks} {levels}: {error}");
            levels = levels.min(levels / 2 + 1);
        }
    }
    let (one, other) = (build(&data(200)), build(&data(201)));
    assert!(matches!(
        verity::check_tree(&one.bytes[..], &other.root),
        Err(Error::RootHashMismatch { .. })
    ));
}
