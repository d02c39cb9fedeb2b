//! A partition as the config wants it: numbers and sizes read, nothing decided.

use std::collections::BTreeSet;
use std::ops::Range;

use acl_host::gpt::{LONGEST_LABEL, Partition};
use acl_host::guid::Guid;

use super::layout::{ALIGNMENT, Layout};
use crate::config::spec;
use crate::{Error, Result};

/// The type of a partition that the config gives none: Linux file system data.
const LINUX: Guid = Guid(*b"\x0f\xc6\x3d\xaf\x84\x83\x47\x72\x8e\x79\x3d\x69\xd8\x47\x7d\xe4");

/// A partition as the config wants it. `None` is "does not matter"; 0 as start or size is "the largest room".
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) disk: &'a str,
    /// Its number in the config; 0 for any.
    pub(super) number: u32,
    pub(super) start: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) label: Option<&'a str>,
    pub(super) guid: Option<Guid>,
    pub(super) kind: Option<Guid>,
    pub(super) exists: bool,
    pub(super) wipe: bool,
    pub(super) resize: bool,
    /// The GUID it gets when it is made and the config gives none.
    pub(super) new_guid: Guid,
}

/// Reads the partitions of a disk; those without a number come last, as in Ignition.
pub(super) fn read<'a>(disk: &'a spec::Disk, guids: &[Guid]) -> Result<Vec<Wanted<'a>>> {
    let partitions = disk.partitions.as_deref().unwrap_or_default();
    let guids = guids
        .iter()
        .copied()
        .chain(std::iter::repeat(Guid([0; 16])));
    let mut all = partitions
        .iter()
        .zip(guids)
        .map(|(partition, guid)| Wanted::read(&disk.device, partition, guid))
        .collect::<Result<Vec<_>>>()?;
    let mut seen = BTreeSet::new();
    for wanted in &all {
        // What tells it from the others: its number, or without one its label.
        let label = wanted
            .label
            .filter(|label| wanted.number == 0 && !label.is_empty());
        let told = wanted.number != 0 || label.is_some();
        if told && !seen.insert((wanted.number, label)) {
            return Err(wanted.error(wanted.number, "the config names it twice"));
        }
    }
    all.sort_by_key(|wanted| wanted.number == 0);
    Ok(all)
}

impl<'a> Wanted<'a> {
    fn read(disk: &'a str, partition: &'a spec::Partition, new_guid: Guid) -> Result<Self> {
        let number = u32::try_from(partition.number.unwrap_or_default()).ok();
        let error = |reason: String| Error::Partition {
            disk: disk.to_owned(),
            number: number.unwrap_or_default(),
            reason,
        };
        let bytes = |name: &str, mib: Option<i64>| {
            let read = |mib| u64::try_from(mib).ok()?.checked_mul(ALIGNMENT);
            let too_large = |mib| error(format!("{name} {mib} is not a size of a disk"));
            mib.map(|mib| read(mib).ok_or_else(|| too_large(mib)))
                .transpose()
        };
        let guid = |name: &str, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            let read = |text: &str| text.parse::<Guid>();
            let invalid = |_| {
                error(format!(
                    "{name} {:?} is not a GUID",
                    text.unwrap_or_default()
                ))
            };
            text.map(|text| read(text).map_err(invalid)).transpose()
        };
        let wanted = Self {
            disk,
            number: number
                .ok_or_else(|| error("its number is not one of a partition".to_owned()))?,
            start: bytes("startMiB", partition.start_mib)?,
            size: bytes("sizeMiB", partition.size_mib)?,
            label: partition.label.as_deref(),
            guid: guid("guid", &partition.guid)?,
            kind: guid("typeGuid", &partition.type_guid)?,
            exists: partition.should_exist != Some(false),
            wipe: partition.wipe_partition_entry == Some(true),
            resize: partition.resize == Some(true),
            new_guid,
        };
        wanted.check()?;
        Ok(wanted)
    }

    fn check(&self) -> Result<()> {
        let long = |label: &str| label.encode_utf16().count() > LONGEST_LABEL;
        if self.number == 0 && !self.exists {
            Err(self.error(0, "shouldExist is false, which needs a number"))
        } else if self.label.is_some_and(long) {
            let reason = format!("its label is longer than {LONGEST_LABEL} characters");
            Err(self.error(self.number, &reason))
        } else {
            Ok(())
        }
    }

    /// Finds which partition is meant: by number, or where there is none by label, among those that no number claims.
    pub(super) fn find<'l>(
        &self,
        layout: &'l Layout,
        claimed: &BTreeSet<u32>,
    ) -> Result<Option<&'l Partition>> {
        if self.number != 0 {
            return Ok(layout.partitions.get(&self.number));
        }
        let Some(label) = self.label.filter(|label| !label.is_empty()) else {
            return Ok(None);
        };
        let mut named = layout
            .partitions
            .values()
            .filter(|found| found.label == label && !claimed.contains(&found.index));
        match (named.next(), named.next()) {
            (Some(first), Some(second)) => {
                let numbers = format!("partitions {} and {}", first.index, second.index);
                Err(self.error(
                    0,
                    &format!("{numbers} both have the label {label:?}; say which by number"),
                ))
            }
            (found, _) => Ok(found),
        }
    }

    /// What of `found`, other than its size, is not what is wanted; `start` is where it would begin.
    pub(super) fn differences(&self, found: &Partition, start: Option<u64>) -> Vec<String> {
        let guid = |name: &str, wanted: Option<Guid>, there: Guid| {
            let other = wanted.filter(|wanted| *wanted != there)?;
            Some(format!(
                "its {name} is {there}, and the config asks for {other}"
            ))
        };
        let begins = start.filter(|start| *start != found.start).map(|start| {
            format!(
                "it begins at {}, and the config asks for {}",
                mib(found.start),
                mib(start)
            )
        });
        let named = self
            .label
            .filter(|label| *label != found.label)
            .map(|label| {
                format!(
                    "its label is {:?}, and the config asks for {label:?}",
                    found.label
                )
            });
        let kind = guid("type", self.kind, found.kind);
        let unique = guid("GUID", self.guid, found.guid);
        [begins, unique, kind, named]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The partition that is made for it.
    pub(super) fn made(&self, number: u32, range: &Range<u64>) -> Partition {
        Partition {
            index: number,
            kind: self.kind.unwrap_or(LINUX),
            guid: self.guid.unwrap_or(self.new_guid),
            label: self.label.unwrap_or_default().to_owned(),
            attributes: 0,
            start: range.start,
            length: range.end - range.start,
        }
    }

    pub(super) fn error(&self, number: u32, reason: &str) -> Error {
        let label = self.label.filter(|_| number == 0);
        Error::Partition {
            disk: self.disk.to_owned(),
            number,
            reason: match label {
                Some(label) => format!("(label {label:?}) {reason}"),
                None => reason.to_owned(),
            },
        }
    }
}

/// A place or a size for people: in MiB where it is a whole number of them.
pub(super) fn mib(bytes: u64) -> String {
    match bytes.is_multiple_of(ALIGNMENT) {
        true => format!("{} MiB", bytes / ALIGNMENT),
        false => format!("{bytes} bytes"),
    }
}
