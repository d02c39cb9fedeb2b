//! Text on the terminal: wrapped to 80 columns, written to a locked standard output.

use std::io::{Write, stderr};

use crate::failure::Failure;

/// Columns of a terminal that nobody made wider.
const WIDTH: usize = 80;
/// Columns of a label.
const LABEL: usize = 10;

/// Print lines.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    acl_host::output::print(format_args!("{}", text.trim_end()))
        .map_err(|source| Failure::Print { source })
}

/// Print an error and its causes.
pub(crate) fn complain(failure: &Failure) {
    let text = wrap(&acl_host::error::chain(failure), WIDTH - 8);
    // Without a standard error there is nobody to tell.
    let _ = writeln!(stderr().lock(), "aclctl: {}", text.join("\n        "));
}

/// A label and what belongs to it, wrapped and indented behind the label.
pub(crate) fn field(label: &str, value: &str) -> String {
    let indent = format!("\n{:LABEL$}", "");
    let lines = wrap(value, WIDTH - LABEL).join(&indent);
    format!("{label:LABEL$}{lines}\n")
}

/// Lines of at most `width` columns; a longer word has a line of its own, and so has what a parser quotes of a file: what
/// it points at must stand above the mark.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim_end().split('\n') {
        let line = line.trim_end();
        let quoted = line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        match quoted.starts_with('|') || line.starts_with(' ') && line.chars().count() <= width {
            true => lines.push(line.to_owned()),
            false => lines.extend(wrap_line(line, width)),
        }
    }
    lines
}

fn wrap_line(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_lines_keeps_them() {
        let text = "the configuration is wrong, so nothing is done until it is corrected: /etc/x.toml: TOML parse error \
                    at line 2, column 1\n  |\n2 | chanel   =  \"stable\"\n  | ^^^^^^\nunknown field `chanel`\n";
        let expected = "\
Reason    the configuration is wrong, so nothing is done until it is corrected:
          /etc/x.toml: TOML parse error at line 2, column 1
            |
          2 | chanel   =  \"stable\"
            | ^^^^^^
          unknown field `chanel`
";
        assert_eq!(field("Reason", text), expected);
    }

    #[test]
    fn fields_are_wrapped_behind_their_label() {
        let text = field("Reason", &"seventeen letters ".repeat(8));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            format!(
                "Reason    {}",
                "seventeen letters ".repeat(3).trim_end().to_owned() + " seventeen"
            )
        );
        assert!(lines[1].starts_with("          letters"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(field("A", ""), "A         \n");
    }
}
