//! Entries of tar archives in which nothing is of the machine that writes them: root's, and of one time.

use tar::{EntryType, Header};

/// The time of everything in an image: 2025-06-15. It does not change from release to release, for what is equal shall
/// stay equal.
pub(crate) const TIME: u64 = 1_750_000_000;

/// The head of an entry without content; whoever has some sets its size.
pub(crate) fn head(kind: EntryType, mode: u32) -> Header {
    let mut head = Header::new_gnu();
    head.set_entry_type(kind);
    head.set_mode(mode);
    head.set_mtime(TIME);
    head.set_uid(0);
    head.set_gid(0);
    head.set_size(0);
    head
}
