//! Names of units: their parts, and the specifiers that stand for them (systemd.unit(5)).

use crate::config::check::{MOST_UNIT_NAME_BYTES, UNIT_TYPES};

/// A valid name, in its parts: `prefix.kind`, of a template `prefix@.kind`, of an instance `prefix@instance.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// All of it.
    pub(super) full: &'a str,
    prefix: &'a str,
    /// Empty for a template.
    instance: Option<&'a str>,
    /// What it ends with, without the dot.
    pub(super) kind: &'a str,
}

impl<'a> Name<'a> {
    /// Nothing for what is not the name of a unit.
    pub(super) fn parse(full: &'a str) -> Option<Self> {
        let valid = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let (stem, kind) = full.rsplit_once('.')?;
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        let whole = full.len() <= MOST_UNIT_NAME_BYTES
            && full.chars().all(valid)
            && UNIT_TYPES.contains(&kind);
        (whole && !prefix.is_empty()).then_some(Self {
            full,
            prefix,
            instance,
            kind,
        })
    }

    pub(super) fn is_template(&self) -> bool {
        self.instance == Some("")
    }

    pub(super) fn is_plain(&self) -> bool {
        self.instance.is_none()
    }

    /// The instance, where it is the name of one.
    pub(super) fn instance(&self) -> Option<&'a str> {
        self.instance.filter(|instance| !instance.is_empty())
    }

    /// The template of an instance.
    pub(super) fn template(&self) -> Option<String> {
        self.instance().map(|_| self.instantiated(""))
    }

    /// The instance of a template.
    pub(super) fn instantiated(&self, instance: &str) -> String {
        format!("{}@{instance}.{}", self.prefix, self.kind)
    }

    /// A text with its specifiers replaced; nothing where one is not about the unit's name: those of the system are
    /// known when it runs.
    pub(super) fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                filled.push(c);
                continue;
            }
            let stem = self.full.rsplit_once('.').map_or("", |(stem, _)| stem);
            filled.push_str(match chars.next()? {
                'i' => self.instance.unwrap_or_default(),
                'j' => self.prefix.rsplit('-').next().unwrap_or_default(),
                'n' => self.full,
                'N' => stem,
                'p' => self.prefix,
                '%' => "%",
                _ => return None,
            });
        }
        Some(filled)
    }
}

/// `echo@bar.service` is the instance `bar` of `echo@.service`. For any text, as presets take it.
pub(super) fn template(name: &str) -> (String, Option<String>) {
    let parts = name
        .split_once('@')
        .and_then(|(prefix, rest)| Some((prefix, rest.rsplit_once('.')?)));
    match parts {
        Some((prefix, (instance, kind))) => {
            let instance = (!instance.is_empty()).then(|| instance.to_owned());
            (format!("{prefix}@.{kind}"), instance)
        }
        None => (name.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, template};

    #[test]
    fn names_of_templates() {
        for (name, expected) in [
            ("echo@bar.service", ("echo@.service", Some("bar"))),
            ("echo@a.b.service", ("echo@.service", Some("a.b"))),
            ("echo@.service", ("echo@.service", None)),
            ("echo.service", ("echo.service", None)),
            ("echo@bar", ("echo@bar", None)),
        ] {
            let expected = (expected.0.to_owned(), expected.1.map(str::to_owned));
            assert_eq!(template(name), expected, "{name}");
        }
    }

    #[test]
    fn parts_of_names() {
        for (full, expected) in [
            ("a.b.service", Some(("a.b", None, "service"))),
            ("a@.timer", Some(("a", Some(""), "timer"))),
            ("a@b@c.d.mount", Some(("a", Some("b@c.d"), "mount"))),
            (r"a\x2d:_-.path", Some((r"a\x2d:_-", None, "path"))),
            ("a.conf", None),
            ("a", None),
            (".service", None),
            ("@a.service", None),
            ("../a.service", None),
            ("a b.service", None),
            ("ä.service", None),
            (&format!("{}.service", "a".repeat(248)), None),
        ] {
            let name = Name::parse(full).map(|name| (name.prefix, name.instance, name.kind));
            assert_eq!(name, expected, "{full}");
        }
    }

    #[test]
    fn specifiers() {
        let text = "%i|%j|%n|%N|%p|%%|x";
        for (name, expected) in [
            ("a-b@c-d.service", "c-d|b|a-b@c-d.service|a-b@c-d|a-b|%|x"),
            ("a@.service", "|a|a@.service|a@|a|%|x"),
            ("a-.b.socket", "|.b|a-.b.socket|a-.b|a-.b|%|x"),
        ] {
            let filled = Name::parse(name).unwrap().fill(text);
            assert_eq!(filled.as_deref(), Some(expected), "{name}");
        }
        for text in ["%H", "a%", "%i%q"] {
            assert_eq!(Name::parse("a.service").unwrap().fill(text), None, "{text}");
        }
    }
}
