//! The section `[Install]` of a unit file, as systemd reads it (systemd.unit(5), systemd.syntax(7)).

/// What the section says, as written: specifiers are not replaced yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Install {
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) upheld_by: Vec<String>,
    pub(super) aliases: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) default_instance: Option<String>,
}

impl Install {
    /// Adds what a file says; drop-ins are read after the unit, in their order.
    pub(super) fn read(&mut self, text: &str) {
        let mut ours = false;
        for line in whole_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                ours = line == "[Install]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| ours) {
                self.assign(key.trim_end(), value.trim_start());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn assign(&mut self, key: &str, value: &str) {
        let list = match key {
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Alias" => &mut self.aliases,
            // An empty one takes nothing back here.
            "Also" => return self.also.extend(words(value)),
            "DefaultInstance" => {
                self.default_instance = Some(value.to_owned()).filter(|text| !text.is_empty());
                return;
            }
            _ => return,
        };
        match value.is_empty() {
            true => list.clear(),
            false => list.extend(words(value)),
        }
    }
}

/// Lines without comments; one that ends with a backslash goes on in the next, comments between them left out.
fn whole_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        let slashes = line.chars().rev().take_while(|c| *c == '\\').count();
        match line.strip_suffix('\\').filter(|_| slashes % 2 == 1) {
            Some(start) => {
                whole.push_str(start);
                whole.push(' ');
                open = Some(whole);
            }
            None => {
                whole.push_str(line);
                lines.push(whole);
            }
        }
    }
    lines.extend(open);
    lines
}

/// Words between white space; quotes hold white space and are left out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, Some(open)) if c == open => quote = None,
            (_, None) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::Install;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn as_systemd_reads_it() {
        let nothing = Install::default;
        for (text, expected) in [
            ("", nothing()),
            (
                "WantedBy=a\n[Unit]\nWantedBy=b\n[install]\nWantedBy=c\n",
                nothing(),
            ),
            (
                "[Install]\nWantedBy = a  b\n\nWantedBy=c\n[Unit]\nWantedBy=d\n [Install] \nRequiredBy=e",
                Install {
                    wanted_by: list(&["a", "b", "c"]),
                    required_by: list(&["e"]),
                    ..nothing()
                },
            ),
            (
                "[Install]\nWantedBy=a\nWantedBy=\nUpheldBy=u\nAlias=x y\nAlias=\nAlias=z\nAlso=o\nAlso=\nAlso=p",
                Install {
                    upheld_by: list(&["u"]),
                    aliases: list(&["z"]),
                    also: list(&["o", "p"]),
                    ..nothing()
                },
            ),
            (
                "[Install]\n# no\n;no\nWantedBy=a\\\n # no\n b \\\\\nRequiredBy=c\\",
                Install {
                    wanted_by: list(&["a", "b", "\\\\"]),
                    required_by: list(&["c"]),
                    ..nothing()
                },
            ),
            (
                "[Install]\nWantedBy=\"a b\" 'c'd \"\"\nDefaultInstance=i\nOther=x\nno key",
                Install {
                    wanted_by: list(&["a b", "cd", ""]),
                    default_instance: Some("i".to_owned()),
                    ..nothing()
                },
            ),
            ("[Install]\nDefaultInstance=i\nDefaultInstance=", nothing()),
        ] {
            let mut install = nothing();
            install.read(text);
            assert_eq!(install, expected, "{text}");
            assert_eq!(install.is_empty(), expected == nothing(), "{text}");
        }
    }
}
