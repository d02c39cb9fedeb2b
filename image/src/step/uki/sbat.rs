//! SBAT: which components and generations a program consists of, so that old ones can be revoked.
//!
//! Source: shim, `SBAT.md`; UAPI.5 for the line of the UKI itself.

const HEADER: &str = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md";
const UKI: &str =
    "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/";

/// The `.sbat` of a UKI: the lines of its parts' sections after one common first line, and one for the UKI.
///
/// What does not start as an SBAT section is left out.
pub(super) fn merge<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for part in parts {
        let part = String::from_utf8_lossy(part);
        let lines = part.trim_end_matches('\0').lines();
        if part.starts_with("sbat,") {
            lines.skip(1).for_each(|line| text.extend([line, "\n"]));
        }
    }
    text.push_str(UKI);
    text.push_str("\n\0");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn lines_of_all_parts_after_one_header() {
        let merged = merge([
            &b"sbat,1,old header\nstub,1,x\n\0\0\0"[..],
            b"garbage\nline\n",
            b"sbat,1\nkernel,2,y",
        ]);
        assert_eq!(
            String::from_utf8(merged).unwrap(),
            "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n\
             stub,1,x\nkernel,2,y\n\
             uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n\0"
        );
    }
}
