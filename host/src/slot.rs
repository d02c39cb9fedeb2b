//! The two slots of a disk: which one runs, which one the next release goes to.
//!
//! A slot is three partitions: usr, its verity tree, the signature. The slot in use is read from the kernel command
//! line and the partitions' GUIDs, never from a state file.

use std::fmt;

use crate::cmdline::Cmdline;
use crate::error::{Error, Result};
use crate::gpt::{Partition, Table, kind};
use crate::guid::Guid;
use crate::verity::RootHash;

/// The label of a partition that holds nothing yet.
pub const EMPTY: &str = "_empty";

/// The name of a slot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Slot {
    /// The slot that the disk image comes with.
    A,
    /// The slot that is empty until the first update.
    B,
}

impl Slot {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The labels of its partitions: usr, verity, signature.
    pub const fn labels(self) -> [&'static str; 3] {
        match self {
            Self::A => ["USR-A", "USR-A-VERITY", "USR-A-SIG"],
            Self::B => ["USR-B", "USR-B-VERITY", "USR-B-SIG"],
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// A slot and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotPartitions {
    /// Its name.
    pub slot: Slot,
    /// The file system.
    pub usr: Partition,
    /// The tree over it.
    pub verity: Partition,
    /// The signature of the tree's root hash.
    pub signature: Partition,
}

impl SlotPartitions {
    /// Whether it was never written, or cleared.
    pub fn is_empty(&self) -> bool {
        self.usr.label == EMPTY
    }

    /// Whether its GUIDs say that it holds the release with this root hash.
    pub fn holds(&self, root: &RootHash) -> bool {
        self.usr.guid == root.usr_guid() && self.verity.guid == root.verity_guid()
    }

    /// Names its partitions for what was written to them: GUIDs from the root hash (UAPI.2), labels of the slot. In
    /// memory; on the disk after [`Table::write`].
    ///
    /// # Errors
    /// [`Error::NoPartition`] when the table is another disk's.
    pub fn name_for(&self, table: &mut Table, root: &RootHash) -> Result<()> {
        table.set_guid(self.usr.index, root.usr_guid())?;
        table.set_guid(self.verity.index, root.verity_guid())?;
        let [usr, verity, signature] = self.slot.labels();
        table.set_label(self.usr.index, usr)?;
        table.set_label(self.verity.index, verity)?;
        table.set_label(self.signature.index, signature)
    }
}

/// Both slots of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// What the machine runs from: never written.
    pub running: SlotPartitions,
    /// Where the next release goes.
    pub other: SlotPartitions,
}

impl Slots {
    /// Finds both slots of the disk that the machine runs from.
    ///
    /// # Errors
    /// [`Error::NoUsrHash`]; [`Error::NoSlot`] for a disk with one slot; [`Error::AmbiguousSlot`];
    /// [`Error::HashFitsNoSlot`].
    pub fn find(table: &Table, cmdline: &Cmdline) -> Result<Self> {
        let hash = cmdline.usrhash().ok_or(Error::NoUsrHash)?;
        let [a, b] = both(table)?;
        match (a.holds(&hash), b.holds(&hash)) {
            (true, _) => Ok(Self {
                running: a,
                other: b,
            }),
            (false, true) => Ok(Self {
                running: b,
                other: a,
            }),
            (false, false) => Err(Error::HashFitsNoSlot {
                path: table.path().to_owned(),
                hash: hash.to_string(),
            }),
        }
    }
}

/// Slots A and B of a disk, whether it runs or not.
///
/// # Errors
/// [`Error::NoSlot`], [`Error::AmbiguousSlot`].
pub fn both(table: &Table) -> Result<[SlotPartitions; 2]> {
    let partitions = table.partitions();
    let usr = pair(table, &partitions, kind::USR, 0)?;
    let verity = pair(table, &partitions, kind::USR_VERITY, 1)?;
    let signature = pair(table, &partitions, kind::USR_VERITY_SIG, 2)?;
    let [usr_a, usr_b] = usr;
    let [verity_a, verity_b] = verity;
    let [signature_a, signature_b] = signature;
    Ok([
        SlotPartitions {
            slot: Slot::A,
            usr: usr_a,
            verity: verity_a,
            signature: signature_a,
        },
        SlotPartitions {
            slot: Slot::B,
            usr: usr_b,
            verity: verity_b,
            signature: signature_b,
        },
    ])
}

/// The partitions of one type of slots A and B: by their labels, and what has no label yet in the order of the table.
fn pair(
    table: &Table,
    partitions: &[Partition],
    kind: Guid,
    role: usize,
) -> Result<[Partition; 2]> {
    let with_label = |label: &str| {
        let mut found = partitions
            .iter()
            .filter(|partition| partition.kind == kind && partition.label == label)
            .cloned();
        (found.next(), found.next())
    };
    let labels = [Slot::A, Slot::B].map(|slot| slot.labels()[role]);
    let ambiguous = |label: &str| Error::AmbiguousSlot {
        path: table.path().to_owned(),
        label: label.to_owned(),
    };
    let (named_a, more_a) = with_label(labels[0]);
    let (named_b, more_b) = with_label(labels[1]);
    if more_a.is_some() || more_b.is_some() {
        return Err(ambiguous(labels[usize::from(more_a.is_none())]));
    }
    let mut unnamed = partitions
        .iter()
        .filter(|partition| partition.kind == kind && partition.label == EMPTY)
        .cloned();
    let missing = |label| Error::NoSlot {
        path: table.path().to_owned(),
        label,
    };
    let a = named_a.or_else(|| unnamed.next());
    let a = a.ok_or_else(|| missing(labels[0]))?;
    let b = named_b.or_else(|| unnamed.next());
    let b = b.ok_or_else(|| missing(labels[1]))?;
    match unnamed.next() {
        Some(_) => Err(ambiguous(EMPTY)),
        None => Ok([a, b]),
    }
}
