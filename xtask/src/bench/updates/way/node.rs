//! A node whose disk is a file: what the agent needs of a machine to stage a release on it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use acl_host::disk::Disk;
use acl_host::file;
use acl_host::gpt::{Table, kind};
use acl_host::slot::{self, EMPTY, SlotPartitions};
use acl_host::verity::{self, RootHash};
use acl_tests::repository::{CHANNEL, Repository};
use acl_tests::workspace::Program;
use anyhow::{Context, Result, ensure};
use gptman::{GPT, GPTPartitionEntry};

use super::must_hold;
use crate::bench::updates::image::Image;
use crate::bench::updates::pair::Sides;
use crate::bench::usage::{self, Usage};

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Bytes of the EFI system partition.
const ESP: u64 = 512 * MIB;

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    root: PathBuf,
    disk: PathBuf,
}

impl Node {
    /// Installs the old release of the pair; updates come from `server`.
    pub(super) fn install(
        place: &Path,
        sides: &Sides,
        repository: &Repository,
        server: &str,
    ) -> Result<Self> {
        std::fs::create_dir_all(place)?;
        let node = Self {
            root: place.join("root"),
            disk: place.join("disk.raw"),
        };
        node.partition(sides)?;
        node.fill_slot(&sides.old)?;
        node.run_release(&sides.old)?;
        node.put("efi/loader/loader.conf", b"timeout 0\n")?;
        let config = format!("server = \"{server}/\"\nchannel = \"{CHANNEL}\"\n");
        node.put("etc/acl/updater.d/50-bench.toml", config.as_bytes())?;
        node.put("etc/acl/trust/root.json", &repository.root()?)?;
        // The agent's flushes are to find nothing but its own, and no node has in memory what it does not use.
        rustix::fs::sync();
        node.forget_other_slot()?;
        Ok(node)
    }

    /// Lets the agent do what it does at its next check, to the armed release.
    pub(super) fn update(&self) -> Result<Usage> {
        let mut arguments = vec!["once".into(), "--root".into(), self.root.clone().into()];
        arguments.extend(["--disk".into(), self.disk.clone().into()]);
        arguments.extend(["--esp-size".into(), ESP.to_string().into()]);
        arguments.extend(["--esp".into(), self.root.join("efi").into()]);
        usage::of(
            &Program::Updated.path()?,
            &arguments,
            &[("RUST_LOG", "acl_updated=warn".into())],
        )
    }

    /// Sees that the other slot holds the release, whole, and that it boots next.
    pub(super) fn must_have(&self, image: &Image) -> Result<()> {
        let hash: RootHash = image.description.root_hash.parse()?;
        let slots = slot::both(&Table::read(&self.disk)?)?;
        let holds = |slot: &&SlotPartitions| slot.holds(&hash);
        let slot = slots
            .iter()
            .find(holds)
            .context("no slot is named for it")?;
        must_hold(&self.disk, slot.usr.range().start, &image.file("usr")?)?;
        let disk = Disk::open_read_only(&self.disk)?;
        let usr = disk.region("usr", slot.usr.range())?;
        let tree = disk.region("verity", slot.verity.range())?;
        verity::check(&usr, &tree, &hash)?;
        let entry = format!("efi/EFI/Linux/acl_{}+3.efi", image.version);
        let entry = self.root.join(entry);
        ensure!(entry.try_exists()?, "{} is not there", entry.display());
        must_hold(&entry, 0, &image.file("uki")?)
    }

    /// Two slots, with a quarter more room than the releases take.
    fn partition(&self, sides: &Sides) -> Result<()> {
        let usr = (sides.room("usr")? * 5 / 4).next_multiple_of(MIB);
        let sizes = [
            (kind::USR, usr),
            (kind::USR_VERITY, sides.room("verity")? * 2),
            (kind::USR_VERITY_SIG, MIB),
        ];
        let whole: u64 = sizes.iter().map(|(_, size)| 2 * size).sum();
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&self.disk)?;
        // A disk has all of its blocks; a file gets them when they are written.
        std::io::copy(&mut std::io::repeat(0).take(whole + 4 * MIB), &mut file)?;
        let mut table = GPT::new_from(&mut file, SECTOR, [9; 16])?;
        let mut start = MIB / SECTOR;
        for (number, (kind, size)) in sizes.iter().cycle().take(6).enumerate() {
            table[u32::try_from(number)? + 1] = GPTPartitionEntry {
                partition_type_guid: kind.to_disk(),
                unique_partition_guid: [u8::try_from(number)? + 100; 16],
                starting_lba: start,
                ending_lba: start + size / SECTOR - 1,
                attribute_bits: 0,
                partition_name: EMPTY.into(),
            };
            start += size / SECTOR;
        }
        table.write_into(&mut file)?;
        Ok(())
    }

    /// Writes the release into the first slot.
    fn fill_slot(&self, image: &Image) -> Result<()> {
        let hash: RootHash = image.description.root_hash.parse()?;
        let mut table = Table::read(&self.disk)?;
        let disk = Disk::open(&self.disk)?;
        let parts = [
            ("USR-A", "usr", Some(hash.usr_guid())),
            ("USR-A-VERITY", "verity", Some(hash.verity_guid())),
            ("USR-A-SIG", "signature", None),
        ];
        for (index, (label, part, guid)) in (1..).zip(parts) {
            let range = table.partitions()[index as usize - 1].range();
            disk.write_at(&file::read(image.file(part)?)?, range.start)?;
            table.set_label(index, label)?;
            if let Some(guid) = guid {
                table.set_guid(index, guid)?;
            }
        }
        Ok(table.write()?)
    }

    fn forget_other_slot(&self) -> Result<()> {
        let table = Table::read(&self.disk)?;
        let [_, other] = slot::both(&table)?;
        let disk = Disk::open(&self.disk)?;
        for partition in [other.usr, other.verity] {
            disk.region("the other slot", partition.range())?.forget();
        }
        Ok(())
    }

    /// What the kernel and `/usr` say when the release runs, and its boot entry.
    fn run_release(&self, image: &Image) -> Result<()> {
        let version = &image.version;
        let id = &image.description.image_id;
        let hash = &image.description.root_hash;
        let entry = format!("efi/EFI/Linux/acl_{version}.efi");
        self.put(&entry, &file::read(image.file("uki")?)?)?;
        let os_release = format!("ID=acl\nIMAGE_ID={id}\nIMAGE_VERSION={version}\n");
        self.put("usr/lib/os-release", os_release.as_bytes())?;
        let cmdline = format!("quiet usrhash={hash} panic=3\n");
        self.put("proc/cmdline", cmdline.as_bytes())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        file::make_parents(&path)?;
        Ok(file::scratch(path, bytes)?)
    }
}
