//! Modes that were written in the digits of an octal number: JSON has none.

use serde_json::Value;

use super::Findings;
use crate::config::Path;

/// What people mean by octal digits. As decimal numbers, hardly any of them is a mode that anybody wants.
const MEANT: &[i64] = &[
    400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 710, 711, 750, 755, 770, 775,
    777, 1755, 1770, 1775, 1777, 2750, 2755, 2770, 2775,
];

/// Looks at the modes of a config as it is written: before version 3.6 the special bits of a mode are dropped when it is
/// translated, and with them the digits.
pub(in crate::config) fn check(written: &Value, findings: &mut Findings) {
    let storage = Path::root().field("storage");
    for name in ["directories", "files"] {
        let list = written.pointer(&format!("/storage/{name}"));
        let entries = list.and_then(Value::as_array).into_iter().flatten();
        for (index, entry) in entries.enumerate() {
            let mode = entry.get("mode").and_then(Value::as_i64);
            if let Some(message) = mode.and_then(doubt) {
                findings.warning(storage.field(name).item(index).field("mode"), message);
            }
        }
    }
}

fn doubt(mode: i64) -> Option<String> {
    let meant = i64::from_str_radix(&mode.to_string(), 8).ok()?;
    MEANT
        .contains(&mode)
        .then(|| format!("{mode} is octal {mode:o}; for {mode:04} write {meant}"))
}
