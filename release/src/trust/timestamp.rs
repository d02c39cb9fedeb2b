//! The timestamp: which snapshot is the newest (TUF 1.0 §5.4). Pure.

use tough::schema::{Metafile, Root, Signed, Timestamp};

use super::metadata::{MetadataProblem, check_not_older, parse, signed};
use crate::server_text::ServerText;

/// The file that a timestamp lists.
pub(crate) const SNAPSHOT: &str = "snapshot.json";

/// Reads a timestamp: signed, and not older than the one that is trusted so far. One of the same version brings nothing
/// new: the trusted one stays (§5.4.3.1).
pub(crate) fn verify(
    root: &Root,
    bytes: &[u8],
    trusted: Option<Signed<Timestamp>>,
) -> Result<Signed<Timestamp>, MetadataProblem> {
    let timestamp: Signed<Timestamp> = parse("timestamp", bytes)?;
    signed(root.verify_role(&timestamp))?;
    let listed = snapshot(&timestamp.signed)?;
    let Some(trusted) = trusted else {
        return Ok(timestamp);
    };
    let (found, known) = (timestamp.signed.version, trusted.signed.version);
    check_not_older(found.get(), known.get())?;
    if found == known {
        return Ok(trusted);
    }
    let (found, known) = (listed.version, snapshot(&trusted.signed)?.version);
    if found < known {
        return Err(MetadataProblem::ListsOlder {
            file: ServerText::new(SNAPSHOT),
            found: found.get(),
            known: known.get(),
        });
    }
    Ok(timestamp)
}

/// What a timestamp says about the snapshot: the one thing that it may list (§4.6).
pub(crate) fn snapshot(timestamp: &Timestamp) -> Result<&Metafile, MetadataProblem> {
    if timestamp.meta.len() > 1 {
        return Err(MetadataProblem::Lists(timestamp.meta.len()));
    }
    let listed = timestamp.meta.get(SNAPSHOT);
    listed.ok_or_else(|| MetadataProblem::Unlisted(ServerText::new(SNAPSHOT)))
}
