//! Which units are enabled: lines for `systemctl preset-all`, which systemd runs at first boot.
//!
//! The grammar (systemd.preset(5)): `enable NAME`, `disable NAME`, and `enable TEMPLATE INSTANCE…`. What follows the name
//! behind `disable` is taken for a part of it, so an instance is disabled by its whole name. `preset-all` looks at files,
//! and so at templates: an instance that the image's presets or the template's `DefaultInstance=` enable stays off only
//! when the line about the template leaves it out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use crate::Result;
use crate::config::spec::Unit;
use crate::root::{FILE_MODE, Root};

use super::name::template;
use super::search::{self, Found};

/// Where the lines are written, as Ignition does: 20, so that they count before those of distributions.
pub const PRESET: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// Where presets are read, the first file of a name counts (systemd.preset(5), without what is in memory).
const DIRECTORIES: [&str; 3] = [
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
];

/// A line: the name that it is about and the verb, then the instances of a template.
type Line = ((String, &'static str), Vec<String>);
type Lines = BTreeMap<(String, &'static str), Vec<String>>;

/// What presets say about a template.
#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Disable,
    /// With the instances that are named; none: the default one.
    Enable(Vec<String>),
}

/// Writes the lines of `units`. Lines of an earlier run that speak of the same units are replaced; what else is in the
/// file stays in front.
pub(super) fn write(units: &[Unit], root: &Root) -> Result<()> {
    let mut lines = lines(units);
    if lines.is_empty() {
        return Ok(());
    }
    for (template, disabled) in disabled(units) {
        let is_said = |verb| lines.contains_key(&(template.clone(), verb));
        if !is_said("enable") && !is_said("disable") {
            let rule = rule(&template, root)?;
            lines.extend(without(template, &disabled, rule, root)?);
        }
    }
    let before = root.read_to_string(PRESET)?.unwrap_or_default();
    root.write(PRESET, merged(&before, &lines).as_bytes(), FILE_MODE)
}

fn lines(units: &[Unit]) -> Lines {
    let mut lines = Lines::new();
    for unit in units {
        match unit.enabled {
            None => {}
            Some(false) => {
                lines.entry((unit.name.clone(), "disable")).or_default();
            }
            Some(true) => {
                let (name, instance) = template(&unit.name);
                let instances = lines.entry((name, "enable")).or_default();
                instances.extend(instance);
            }
        }
    }
    lines
}

/// The instances that are disabled, by their templates.
fn disabled(units: &[Unit]) -> BTreeMap<String, BTreeSet<String>> {
    let mut disabled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| unit.enabled == Some(false)) {
        if let (template, Some(instance)) = template(&unit.name) {
            disabled.entry(template).or_default().insert(instance);
        }
    }
    disabled
}

/// The line about a template that leaves these instances out, where the presets of the root would enable one of them.
fn without(
    template: String,
    disabled: &BTreeSet<String>,
    rule: Rule,
    root: &Root,
) -> Result<Option<Line>> {
    let Rule::Enable(mut instances) = rule else {
        return Ok(None);
    };
    let Found::Unit(unit) = search::find(&template, root)? else {
        return Ok(None);
    };
    if instances.is_empty() {
        instances.extend(unit.install.default_instance);
    }
    let all = instances.len();
    instances.retain(|instance| !disabled.contains(instance));
    Ok(match instances.len() {
        left if left == all => None,
        0 => Some(((template, "disable"), instances)),
        _ => Some(((template, "enable"), instances)),
    })
}

/// What the root's presets say about a template without this file: the first line that is about it. Without any, systemd
/// enables.
fn rule(template: &str, root: &Root) -> Result<Rule> {
    let mut files: BTreeMap<OsString, &Path> = BTreeMap::new();
    for directory in DIRECTORIES.map(Path::new) {
        for name in root.list(directory)? {
            if Path::new(&name)
                .extension()
                .is_some_and(|end| end == "preset")
            {
                files.entry(name).or_insert(directory);
            }
        }
    }
    for (name, directory) in files {
        let path = directory.join(name);
        if path == Path::new(PRESET) {
            continue;
        }
        let text = root.read_to_string(&path)?.unwrap_or_default();
        if let Some(rule) = text.lines().find_map(|line| rule_of(line, template)) {
            return Ok(rule);
        }
    }
    Ok(Rule::Enable(Vec::new()))
}

/// What a line says about a template, where it is about it.
fn rule_of(line: &str, template: &str) -> Option<Rule> {
    let mut words = line.split_whitespace();
    let verb = words.next()?;
    let pattern = words.next()?;
    let rest: Vec<String> = words.map(str::to_owned).collect();
    match verb {
        "enable" if fits(pattern, template) => Some(Rule::Enable(rest)),
        // What follows would be a part of the name.
        "disable" if rest.is_empty() && fits(pattern, template) => Some(Rule::Disable),
        _ => None,
    }
}

/// Whether a shell pattern fits: `*` and `?`. Sets in brackets are in no preset, and fit nothing here.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => (0..=name.len())
            .filter(|at| name.is_char_boundary(*at))
            .any(|at| fits(&pattern[1..], &name[at..])),
        Some(first) => name.chars().next().is_some_and(|letter| {
            (first == '?' || first == letter)
                && fits(&pattern[first.len_utf8()..], &name[letter.len_utf8()..])
        }),
    }
}

fn merged(before: &str, lines: &Lines) -> String {
    let speaks_of_ours = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("enable" | "disable"))
            && words
                .next()
                .is_some_and(|name| lines.keys().any(|(ours, _)| ours == name))
    };
    let mut text = String::new();
    for line in before.lines().filter(|line| !speaks_of_ours(line)) {
        text.push_str(line);
        text.push('\n');
    }
    for ((name, verb), instances) in lines {
        text.push_str(verb);
        for word in std::iter::once(name).chain(instances) {
            text.push(' ');
            text.push_str(word);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Rule, lines, merged, rule_of};
    use crate::config::spec::Unit;

    fn unit(name: &str, enabled: Option<bool>) -> Unit {
        Unit {
            enabled,
            ..Unit::new(name.to_owned())
        }
    }

    #[test]
    fn lines_are_sorted_and_merged() {
        let units = [
            unit("z.service", Some(true)),
            unit("echo@b.service", Some(true)),
            unit("echo@a.service", Some(true)),
            unit("echo@c.service", Some(false)),
            unit("quiet.service", None),
        ];
        let before = "# kept\nenable other.service\ndisable z.service\nenable echo@.service old\n";
        let expected = "# kept\nenable other.service\nenable echo@.service b a\n\
                        disable echo@c.service\nenable z.service\n";
        let once = merged(before, &lines(&units));
        assert_eq!(once, expected);
        assert_eq!(merged(&once, &lines(&units)), expected);
    }

    #[test]
    fn lines_of_presets_about_a_template() {
        for (line, expected) in [
            ("enable a@.service", Some(Rule::Enable(Vec::new()))),
            (
                " enable  a@.service x y",
                Some(Rule::Enable(vec!["x".to_owned(), "y".to_owned()])),
            ),
            ("disable a@.service", Some(Rule::Disable)),
            ("disable *", Some(Rule::Disable)),
            ("disable ?@.*", Some(Rule::Disable)),
            ("disable a@.service x", None),
            ("enable a@x.service", None),
            ("enable b*", None),
            ("# enable a@.service", None),
            ("enable", None),
            ("ignore a@.service", None),
        ] {
            assert_eq!(rule_of(line, "a@.service"), expected, "{line}");
        }
    }
}
