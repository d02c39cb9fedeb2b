//! Telling the kernel about a new table.

use acl_host::Tool;

use super::fate::Fate;
use super::in_use::InUse;
use super::plan::Plan;
use crate::Result;
use crate::stage::disks::device::Device;
use crate::stage::disks::machine::{Line, Machine};

/// Makes the kernel's partitions those of the table that was written.
///
/// # Errors
/// [`crate::Error::Prepare`].
pub(super) fn apply(plan: &Plan, device: &Device, in_use: &InUse, machine: &Machine) -> Result<()> {
    for line in lines(plan, device, in_use) {
        machine.run(
            "make the kernel read the partitions of",
            &device.name,
            &line,
        )?;
    }
    Ok(())
}

/// All at once where nothing is in use, or else each partition that changes: the kernel reads no whole table of a disk
/// that has a partition in use.
fn lines(plan: &Plan, device: &Device, in_use: &InUse) -> Vec<Line> {
    if in_use.partitions.is_empty() {
        return vec![Line::new(Tool::Blockdev, ["--rereadpt", &device.arg()])];
    }
    let mut lines = Vec::new();
    for (action, fates) in [
        ("--delete", [Fate::Deleted].as_slice()),
        ("--update", &[Fate::Resized, Fate::Replaced]),
        ("--add", &[Fate::Created]),
    ] {
        for change in plan
            .changes
            .iter()
            .filter(|change| fates.contains(&change.fate))
        {
            let number = change.number.to_string();
            lines.push(Line::new(
                Tool::Partx,
                [action, "--nr", &number, &device.arg()],
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::stage::disks::device::Device;
    use crate::stage::disks::partitions::in_use::InUse;
    use crate::stage::disks::partitions::{Change, Fate, Plan};

    fn told(in_use: &InUse) -> Vec<String> {
        let fates = [
            Fate::Matched,
            Fate::Created,
            Fate::Resized,
            Fate::Replaced,
            Fate::Deleted,
            Fate::Absent,
        ];
        let changes = (1..)
            .zip(fates)
            .map(|(number, fate)| Change { number, fate });
        let plan = Plan {
            wiped: false,
            partitions: Vec::new(),
            changes: changes.collect(),
        };
        let device = Device {
            name: "/dev/disk/by-id/x".into(),
            path: "/dev/vdb".into(),
        };
        lines(&plan, &device, in_use)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_whole_table_or_each_partition() {
        assert_eq!(told(&InUse::default()), ["blockdev --rereadpt /dev/vdb"]);
        let busy = InUse {
            disk: None,
            partitions: [(9, "mounted at /".to_owned())].into(),
        };
        assert_eq!(
            told(&busy),
            [
                "partx --delete --nr 5 /dev/vdb",
                "partx --update --nr 3 /dev/vdb",
                "partx --update --nr 4 /dev/vdb",
                "partx --add --nr 2 /dev/vdb",
            ]
        );
    }
}
