//! The page of measurements, which the book includes: each bench writes its own part.

use acl_host::file;
use acl_tests::workspace;
use anyhow::{Context, Result};

/// Below the root of the sources.
const PAGE: &str = "docs/performance.md";

/// Puts `text` where the page has the part `name`.
pub(super) fn write(name: &str, text: &str) -> Result<()> {
    let path = workspace::root().join(PAGE);
    let page = file::read_to_string(&path)?;
    let page = with(&page, name, text)
        .with_context(|| format!("{} has no part {name}", path.display()))?;
    Ok(file::scratch(path, page.as_bytes())?)
}

/// The page with another text between the marks of a part.
fn with(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    let text = text.trim();
    Some(format!("{before}{begin}\n{text}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn a_part_is_replaced_and_the_rest_stays() {
        let page = "# P\n<!-- a -->\n\nold\n\n<!-- end a -->\n\n<!-- b -->\n<!-- end b -->\n";
        let new = "# P\n<!-- a -->\n\nnew\n\n<!-- end a -->\n\n<!-- b -->\n<!-- end b -->\n";
        assert_eq!(with(page, "a", "new\n").as_deref(), Some(new));
        assert_eq!(with(page, "c", "new"), None);
    }
}
