//! One of the four files: lines of fields with colons between them.
//!
//! Lines that are not about an account (comments, NIS entries, damaged ones) stay as they are.

/// The lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    lines: Vec<String>,
}

/// The fields of one line; the first is the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record(Vec<String>);

impl Table {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let speaking = |line: &&String| !line.is_empty() && !line.starts_with(['#', '+', '-']);
        self.lines
            .iter()
            .filter(speaking)
            .map(|line| Record(line.split(':').map(str::to_owned).collect()))
    }

    pub(super) fn find(&self, name: &str) -> Option<Record> {
        self.records().find(|record| record.name() == name)
    }

    /// Replaces the line of that name, or adds one.
    pub(super) fn put(&mut self, record: &Record) {
        let line = record.0.join(":");
        match self.position(record.name()) {
            Some(position) => self.lines[position] = line,
            None => self.lines.push(line),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        while let Some(position) = self.position(name) {
            self.lines.remove(position);
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.lines
            .iter()
            .position(|line| line.split(':').next() == Some(name))
    }
}

impl Record {
    pub(super) fn new<const N: usize>(fields: [&str; N]) -> Self {
        Self(fields.map(str::to_owned).to_vec())
    }

    pub(super) fn name(&self) -> &str {
        self.field(0)
    }

    /// A field; empty where the line is too short.
    pub(super) fn field(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    /// A field that is an id.
    pub(super) fn number(&self, index: usize) -> Option<u32> {
        let number = self.field(index).parse().ok();
        number.filter(|number| *number != u32::MAX)
    }

    pub(super) fn set(&mut self, index: usize, text: impl Into<String>) {
        if self.0.len() <= index {
            self.0.resize(index + 1, String::new());
        }
        self.0[index] = text.into();
    }

    /// A field that is a list of names.
    pub(super) fn names(&self, index: usize) -> Vec<String> {
        let names = self.field(index).split(',').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Table};

    #[test]
    fn lines_that_are_not_ours_stay() {
        let text = "# comment\nroot:x:0:0\n+nis\n\nbroken\n";
        let mut table = Table::parse(text);
        assert_eq!(table.text(), text);
        assert_eq!(table.find("# comment"), None);
        table.put(&Record::new(["core", "x", "1000"]));
        table.put(&Record::new(["root", "x", "0", "0", "root"]));
        table.remove("broken");
        assert_eq!(
            table.text(),
            "# comment\nroot:x:0:0:root\n+nis\n\ncore:x:1000\n"
        );
    }

    #[test]
    fn fields_of_short_and_damaged_lines() {
        let mut record = Record::new(["core", "x", "4294967295"]);
        assert_eq!((record.number(1), record.number(2)), (None, None));
        assert_eq!(record.field(7), "");
        record.set(4, "a,,b");
        assert_eq!(record.names(4), ["a", "b"]);
        assert_eq!(record.names(3), Vec::<String>::new());
    }
}
