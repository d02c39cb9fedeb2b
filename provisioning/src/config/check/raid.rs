//! Arrays.

use super::{all, each, path, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};

/// mdadm's names of levels, and the fewest devices that each needs.
const LEVELS: &[(&str, usize)] = &[
    ("linear", 1),
    ("raid0", 1),
    ("0", 1),
    ("stripe", 1),
    ("raid1", 1),
    ("1", 1),
    ("mirror", 1),
    ("raid4", 2),
    ("4", 2),
    ("raid5", 2),
    ("5", 2),
    ("raid6", 4),
    ("6", 4),
    ("raid10", 2),
    ("10", 2),
];
/// Levels that cannot lose a device.
const WITHOUT_SPARES: &[&str] = &["linear", "raid0", "0", "stripe"];
/// What the kernel takes for the name of an array.
const MOST_NAME_BYTES: usize = 32;

pub(super) fn check(storage: &spec::Storage, at: &Path, findings: &mut Findings) {
    for (at, raid) in each(storage.raid.as_ref(), at) {
        check_name(&raid.name, &at.field("name"), findings);
        check_level(raid, &at, findings);
        if all(raid.devices.as_ref()).is_empty() {
            findings.error(at.field("devices"), "an array has devices; list them");
        }
        for (at, device) in each(raid.devices.as_ref(), &at.field("devices")) {
            path::check(device, &at, findings);
        }
        let devices = each(raid.devices.as_ref(), &at.field("devices"));
        twice::check("the device", devices, findings);
    }
    let names = each(storage.raid.as_ref(), at).map(|(at, raid)| (at, &raid.name));
    twice::check("the array", names, findings);
}

fn check_name(name: &str, at: &Path, findings: &mut Findings) {
    if name.is_empty() || name.len() > MOST_NAME_BYTES || name.contains(['/', ' ', '\0']) {
        let message = "the name of an array is 1 to 32 characters without slash and space";
        findings.error(at.clone(), message);
    }
}

fn check_level(raid: &spec::Raid, at: &Path, findings: &mut Findings) {
    let Some(level) = said(raid.level.as_ref()) else {
        return findings.error(at.field("level"), "an array has a level, such as \"raid1\"");
    };
    let Some((_, fewest)) = LEVELS.iter().find(|(name, _)| *name == level) else {
        let message = format!(
            "the level {level:?} is not known; use linear, raid0, raid1, raid4, raid5, raid6 or raid10"
        );
        return findings.error(at.field("level"), message);
    };
    let spares = raid.spares.unwrap_or_default();
    let devices = all(raid.devices.as_ref()).len();
    if spares < 0 {
        findings.error(at.field("spares"), "a number of spares is not negative");
    } else if spares > 0 && WITHOUT_SPARES.contains(&level) {
        findings.error(
            at.field("spares"),
            format!("an array of level {level} has no spares; leave them out"),
        );
    } else if devices > 0
        && devices.saturating_sub(usize::try_from(spares).unwrap_or(usize::MAX)) < *fewest
    {
        let message = format!("level {level} needs {fewest} devices beside its spares");
        findings.error(at.field("devices"), message);
    }
}
