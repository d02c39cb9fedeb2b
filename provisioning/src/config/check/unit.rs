//! Units and drop-ins.

use super::{all, each, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};

/// The types of units (systemd.unit(5)).
pub(crate) const TYPES: &[&str] = &[
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];
/// systemd.unit(5): the bytes of a unit's name.
pub(crate) const MOST_NAME_BYTES: usize = 255;
/// The bytes of a line without its end that Ignition takes (`LINE_MAX`, go-systemd).
const MOST_LINE_BYTES: usize = 2047;

pub(super) fn check(systemd: &spec::Systemd, at: &Path, findings: &mut Findings) {
    let at = at.field("units");
    for (at, unit) in each(systemd.units.as_ref(), &at) {
        check_unit(unit, &at, findings);
        for (at, dropin) in each(unit.dropins.as_ref(), &at.field("dropins")) {
            if !dropin.name.ends_with(".conf")
                || dropin.name.contains('/')
                || dropin.name.contains(char::is_control)
            {
                let message = format!(
                    "{:?} is not a name for a drop-in; end it in .conf, without slash",
                    dropin.name
                );
                findings.error(at.field("name"), message);
            }
            check_text(dropin.contents.as_deref(), &at.field("contents"), findings);
        }
        let dropins = each(unit.dropins.as_ref(), &at.field("dropins"))
            .map(|(at, dropin)| (at, &dropin.name));
        twice::check("the drop-in", dropins, findings);
    }
    check_templates(systemd, &at, findings);
    let units = each(systemd.units.as_ref(), &at).map(|(at, unit)| (at, &unit.name));
    twice::check("the unit", units, findings);
}

fn check_unit(unit: &spec::Unit, at: &Path, findings: &mut Findings) {
    let suffix = unit
        .name
        .rsplit_once('.')
        .filter(|(stem, _)| !stem.is_empty());
    let known = suffix.is_some_and(|(_, suffix)| TYPES.contains(&suffix));
    if !known || unit.name.contains('/') || unit.name.len() > MOST_NAME_BYTES {
        let message = format!(
            "{:?} is not the name of a unit; end it in .service, .socket, .mount, .timer or another type of systemd.unit(5)",
            unit.name
        );
        findings.error(at.field("name"), message);
    } else if unit
        .name
        .contains(|letter: char| letter.is_whitespace() || letter.is_control())
    {
        let message = format!(
            "{:?} has white space or a control character, which no unit's name has; leave it out or write it as \\x20",
            unit.name
        );
        findings.error(at.field("name"), message);
    }
    let contents = unit.contents.as_deref();
    check_text(contents, &at.field("contents"), findings);
    if unit.mask == Some(true) && unit.enabled == Some(true) {
        findings.warning(
            at.field("enabled"),
            "a masked unit never starts, enabled or not",
        );
    }
    let contents = contents.filter(|text| !text.is_empty());
    if unit.enabled == Some(true) && contents.is_some() && !is_installed(unit) {
        let message = "the unit is enabled but its [Install] section is missing or empty, so nothing starts it; add \
                       WantedBy= there";
        findings.warning(at.field("enabled"), message);
    }
}

/// An instance that is enabled without a file of its own has the `[Install]` section of its template.
fn check_templates(systemd: &spec::Systemd, at: &Path, findings: &mut Findings) {
    let written = |unit: &&spec::Unit| unit.contents.as_ref().is_some_and(|text| !text.is_empty());
    for (at, unit) in each(systemd.units.as_ref(), at) {
        let parts = unit.name.split_once('@');
        let instance = parts.and_then(|(prefix, rest)| Some((prefix, rest.rsplit_once('.')?)));
        let Some((prefix, (instance, kind))) = instance else {
            continue;
        };
        if unit.enabled != Some(true) || instance.is_empty() || written(&unit) {
            continue;
        }
        let name = format!("{prefix}@.{kind}");
        let templates = all(systemd.units.as_ref()).iter().filter(written);
        let template = templates.into_iter().find(|unit| unit.name == name);
        if template.is_some_and(|template| !is_installed(template)) && !is_installed(unit) {
            let message = format!(
                "the instance is enabled but the [Install] section of {name} is missing or empty, so nothing starts \
                 it; add WantedBy= there"
            );
            findings.warning(at.field("enabled"), message);
        }
    }
}

/// Whether the unit or one of its drop-ins says anything in `[Install]`.
fn is_installed(unit: &spec::Unit) -> bool {
    let dropins = all(unit.dropins.as_ref()).iter();
    let dropins = dropins.filter_map(|dropin| dropin.contents.as_deref());
    dropins.chain(unit.contents.as_deref()).any(installs)
}

fn installs(text: &str) -> bool {
    let mut inside = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            inside = line == "[Install]";
        }
        inside && !line.starts_with(['#', ';', '[']) && line.contains('=')
    })
}

/// Lines of sections, assignments and comments (systemd.syntax(7)).
fn check_text(text: Option<&str>, at: &Path, findings: &mut Findings) {
    let mut continued = false;
    let mut in_section = false;
    for (index, line) in text.unwrap_or_default().lines().enumerate() {
        if line.len() > MOST_LINE_BYTES {
            let message = format!(
                "line {} of the unit has {} bytes; Ignition takes {MOST_LINE_BYTES} at most: continue it on the next \
                 line with a backslash, or write a file in storage.files",
                index + 1,
                line.len()
            );
            return findings.error(at.clone(), message);
        }
        let begun = line.trim();
        let comment = begun.starts_with(['#', ';']);
        let whole = !continued && !begun.is_empty() && !comment;
        // A comment may stand between the lines of a continued value.
        continued = if comment {
            continued
        } else {
            line.ends_with('\\')
        };
        if !whole {
            continue;
        }
        let section = begun.starts_with('[') && begun.find(']') == Some(begun.len() - 1);
        let wrong = if section {
            None
        } else if begun.starts_with('[') || !begun.contains('=') {
            Some("neither a [Section] nor Key=Value")
        } else if !in_section {
            Some("an assignment before the first [Section]")
        } else {
            None
        };
        in_section |= section;
        if let Some(wrong) = wrong {
            // Not the line itself: it may be a secret.
            let message = format!("line {} of the unit is {wrong}", index + 1);
            return findings.error(at.clone(), message);
        }
    }
}
