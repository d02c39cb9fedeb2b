use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use acl_host::cmdline::Cmdline;
use acl_host::gpt::{Table, kind};
use acl_host::slot::Slots;
use acl_host::tool::Tool;
use acl_host::verity::RootHash;
use acl_image::step::disk::{self, Content, Sizes};

use crate::program::{run, text};

const MIB: u64 = 1024 * 1024;
const HASH: &str = "4b2c94f8f0d4ed7f2a8e6d7c18f9b4a5c3d2e1f00f1e2d3c4b5a69788796a5b4";
const SIZES: Sizes = Sizes {
    esp: 8 * MIB,
    usr: 4 * MIB,
    verity: 2 * MIB,
    signature: MIB,
    root: 64 * MIB,
};

/// Files for the partitions in a directory of their own.
struct Inputs {
    dir: tempfile::TempDir,
}

impl Inputs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut usr = vec![0; 3 * MIB as usize];
        usr[1_500_000..1_700_000].fill(7);
        usr[3 * MIB as usize - 1] = 9;
        for (name, bytes) in [
            ("esp", &b"the ESP"[..]),
            ("usr", &usr),
            ("verity", b"the tree"),
            ("signature", b"{}"),
        ] {
            acl_host::file::scratch(dir.path().join(name), bytes).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn build(&self, out: &Path, sizes: Sizes) -> Result<(), acl_image::Error> {
        let content = Content {
            esp: &self.path("esp"),
            usr: &self.path("usr"),
            verity: &self.path("verity"),
            signature: &self.path("signature"),
            root_hash: HASH.parse().unwrap(),
        };
        disk::build(out, sizes, content)
    }
}

#[test]
fn the_partitions_are_those_of_the_discoverable_partitions_specification() {
    let inputs = Inputs::new();
    let out = inputs.path("disk.raw");
    inputs.build(&out, SIZES).unwrap();
    let root: RootHash = HASH.parse().unwrap();
    let table = Table::read(&out).unwrap();
    let found: Vec<_> = table
        .partitions()
        .iter()
        .map(|p| {
            (
                p.index,
                p.label.clone(),
                p.kind,
                p.start / MIB,
                p.length / MIB,
                p.attributes,
            )
        })
        .collect();
    let read_only = 1 << 60;
    let wanted = [
        (1, "ESP", kind::ESP, 1, 8, 0),
        (2, "USR-A", kind::USR, 9, 4, read_only),
        (3, "USR-A-VERITY", kind::USR_VERITY, 13, 2, read_only),
        (4, "USR-A-SIG", kind::USR_VERITY_SIG, 15, 1, read_only),
        (5, "_empty", kind::USR, 16, 4, read_only),
        (6, "_empty", kind::USR_VERITY, 20, 2, read_only),
        (7, "_empty", kind::USR_VERITY_SIG, 22, 1, read_only),
    ];
    assert_eq!(
        found,
        wanted.map(|(index, label, kind, start, len, bits)| (
            index,
            label.to_owned(),
            kind,
            start,
            len,
            bits
        ))
    );
    assert_eq!(table.partitions()[1].guid, root.usr_guid());
    assert_eq!(table.partitions()[2].guid, root.verity_guid());
    assert_eq!(out.metadata().unwrap().len(), 88 * MIB);
    assert!(run(Tool::Sfdisk, ["--verify", text(&out)]).contains("No errors detected."));
}

#[test]
fn the_update_agent_finds_both_slots() {
    let inputs = Inputs::new();
    let out = inputs.path("disk.raw");
    inputs.build(&out, SIZES).unwrap();
    let cmdline = Cmdline::parse(&format!("quiet usrhash={HASH}"));
    let slots = Slots::find(&Table::read(&out).unwrap(), &cmdline).unwrap();
    assert_eq!(
        format!("{} {}", slots.running.slot, slots.other.slot),
        "A B"
    );
}

#[test]
fn each_partition_holds_its_file() {
    let inputs = Inputs::new();
    let out = inputs.path("disk.raw");
    inputs.build(&out, SIZES).unwrap();
    let disk = std::fs::File::open(&out).unwrap();
    let table = Table::read(&out).unwrap();
    for (index, name) in ["esp", "usr", "verity", "signature"]
        .into_iter()
        .enumerate()
    {
        let file = std::fs::read(inputs.path(name)).unwrap();
        let partition = &table.partitions()[index];
        let mut held = vec![0xff; partition.length as usize];
        disk.read_exact_at(&mut held, partition.start).unwrap();
        assert!(held[..file.len()] == file, "{name}");
        assert!(
            held[file.len()..].iter().all(|byte| *byte == 0),
            "after {name}"
        );
    }
}

#[test]
fn a_second_build_gives_the_same_bytes() {
    let inputs = Inputs::new();
    let [first, second] = ["first.raw", "second.raw"].map(|name| inputs.path(name));
    acl_host::file::scratch(&second, &vec![0xff; 90 << 20]).unwrap();
    inputs.build(&first, SIZES).unwrap();
    inputs.build(&second, SIZES).unwrap();
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let inputs = Inputs::new();
    let out = inputs.path("disk.raw");
    let usr = inputs.path("usr");
    let mut grown = std::fs::read(&usr).unwrap();
    grown.push(1);
    acl_host::file::scratch(&usr, &grown).unwrap();
    assert_eq!(
        inputs.build(&out, SIZES).unwrap_err().to_string(),
        format!(
            "{} has 3145729 bytes, and the partition USR-A of 4194304 bytes must keep a quarter free: raise its size in \
             the recipe",
            usr.display()
        )
    );
    assert!(!out.exists());
}

#[test]
fn sizes_are_whole_mebibytes() {
    let inputs = Inputs::new();
    let out = inputs.path("disk.raw");
    for root in [0, MIB - 512] {
        let error = inputs.build(&out, Sizes { root, ..SIZES }).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the partition ROOT of {root} bytes is not a whole number of MiB: change its size in the recipe"
            )
        );
    }
}
