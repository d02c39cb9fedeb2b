//! Which units are enabled: lines for `systemctl preset-all`, which systemd runs at first boot.

use std::collections::BTreeMap;

use crate::Result;
use crate::config::spec::Unit;
use crate::root::{FILE_MODE, Root};

use super::name::template;

/// Where the lines are written, as Ignition does: 20, so that they count before those of distributions.
pub const PRESET: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// One line: a unit or template, enabled or not, with the instances of a template.
type Lines = BTreeMap<(String, &'static str), Vec<String>>;

/// Writes the lines of `units`. Lines of an earlier run that speak of the same units are replaced; what else is in the
/// file stays in front.
pub(super) fn write(units: &[Unit], root: &Root) -> Result<()> {
    let lines = lines(units);
    if lines.is_empty() {
        return Ok(());
    }
    let before = root.read_to_string(PRESET)?.unwrap_or_default();
    root.write(PRESET, merged(&before, &lines).as_bytes(), FILE_MODE)
}

fn lines(units: &[Unit]) -> Lines {
    let mut lines = Lines::new();
    for unit in units {
        let verb = match unit.enabled {
            None => continue,
            Some(true) => "enable",
            Some(false) => "disable",
        };
        let (name, instance) = template(&unit.name);
        let instances = lines.entry((name, verb)).or_default();
        instances.extend(instance);
    }
    lines
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
    use super::{lines, merged};
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
        let expected = "# kept\nenable other.service\ndisable echo@.service c\n\
                        enable echo@.service b a\nenable z.service\n";
        let once = merged(before, &lines(&units));
        assert_eq!(once, expected);
        assert_eq!(merged(&once, &lines(&units)), expected);
    }
}
