//! One recorded run, and what a power cut in it leaves.

use super::{
    disk, ext4,
    fat::Fat,
    fate::Fate,
    journal::{Deed, Medium, Record},
    volume::Volume,
};

/// What the agent, the boot loader or systemd did in one go.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) name: &'static str,
    /// Everything as it was before, all of it on the disks.
    pub(crate) before: Volume,
    pub(crate) records: Vec<Record>,
    /// Everything as it was after.
    pub(crate) after: Volume,
}

impl Episode {
    /// The machine when the power goes after so many records.
    pub(crate) fn cut(&self, after: usize, fate: &mut Fate) -> Volume {
        let mut volume = self.before.clone();
        let done = &self.records[..after];
        let on = |medium| -> Vec<&Deed> {
            let on_it = done.iter().filter(|record| record.medium == medium);
            on_it.map(|record| &record.deed).collect()
        };
        let image = volume.find("disk.raw").unwrap();
        let bytes = disk::after_cut(volume.bytes(image).to_vec(), &on(Medium::Disk), fate);
        volume.put(image, bytes);
        ext4::after_cut(&mut volume, &on(Medium::Root), fate);
        let others = [0, fate.random.below(16)][fate.random.below(2)];
        let esp = volume.find("root/efi").unwrap();
        let mut fat = Fat::new(&volume, esp, others);
        for deed in on(Medium::Esp) {
            let syncs = matches!(
                deed,
                Deed::SyncFile { .. } | Deed::SyncDir { .. } | Deed::SyncAll
            );
            if !(syncs && fate.lies) {
                fat.apply(deed);
            }
        }
        fat.after_cut(&mut volume, fate);
        volume
    }

    /// Whether `found` has what was reported done when the whole episode was: boot entries and state.
    pub(crate) fn is_kept(&self, found: &Volume) -> bool {
        let entries = |volume: &Volume| {
            let directory = volume.find("root/efi/EFI/Linux").unwrap();
            let children = volume.children(directory).iter();
            children
                .map(|(name, ino)| (name.clone(), volume.bytes(*ino).to_vec()))
                .collect::<Vec<_>>()
        };
        let state = |volume: &Volume| {
            let ino = volume.find("root/var/lib/acl/updater/state.json").unwrap();
            volume.bytes(ino).to_vec()
        };
        entries(&self.after) == entries(found) && state(&self.after) == state(found)
    }

    /// Whether the disk was flushed when a part of the file system was written, and before the rest.
    pub(crate) fn flushes_in_the_middle(&self) -> bool {
        // What is smaller is the tree, the signature, or the table.
        let is_much =
            |deed: &&Deed| matches!(deed, Deed::Write { bytes, .. } if bytes.len() >= 128 * 1024);
        let on_disk = self
            .records
            .iter()
            .filter(|record| record.medium == Medium::Disk);
        let deeds: Vec<_> = on_disk.map(|record| &record.deed).collect();
        let between = deeds.split(|deed| matches!(deed, Deed::SyncFile { .. }));
        between.filter(|part| part.iter().any(is_much)).count() > 1
    }

    /// The place of a cut in words.
    pub(crate) fn place(&self, after: usize) -> String {
        let last = after.checked_sub(1).and_then(|at| self.records.get(at));
        let last = last.map_or("nothing".to_owned(), |record| {
            format!("{} on {:?}", record.deed.told(), record.medium)
        });
        format!(
            "{}: after {after} of {} ({last})",
            self.name,
            self.records.len()
        )
    }
}
