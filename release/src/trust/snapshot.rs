//! The snapshot: which versions of targets and of the channels' roles belong together (TUF 1.0 §5.5). Pure.

use tough::schema::{Metafile, Root, Signed, Snapshot};

use super::metadata::{
    MetadataProblem, check_listed, check_not_older, check_version, parse, signed,
};
use crate::server_text::ServerText;

/// Reads a snapshot: as the timestamp lists it, signed, and with nothing older than in the one that is trusted so far.
pub(crate) fn verify(
    root: &Root,
    listed: &Metafile,
    bytes: &[u8],
    trusted: Option<&Snapshot>,
) -> Result<Signed<Snapshot>, MetadataProblem> {
    check_listed(listed, bytes)?;
    let snapshot: Signed<Snapshot> = parse("snapshot", bytes)?;
    signed(root.verify_role(&snapshot))?;
    let version = snapshot.signed.version.get();
    check_version(version, listed.version.get())?;
    role(&snapshot.signed, "targets")?;
    if let Some(trusted) = trusted {
        check_not_older(version, trusted.version.get())?;
        check_files(&snapshot.signed, trusted)?;
    }
    Ok(snapshot)
}

/// What was listed must be listed, in the same version or a newer one (§5.5.5).
fn check_files(snapshot: &Snapshot, trusted: &Snapshot) -> Result<(), MetadataProblem> {
    for (file, known) in &trusted.meta {
        let text = || ServerText::new(file);
        let found = snapshot.meta.get(file);
        let found = found.ok_or_else(|| MetadataProblem::Unlisted(text()))?;
        if found.version < known.version {
            return Err(MetadataProblem::ListsOlder {
                file: text(),
                found: found.version.get(),
                known: known.version.get(),
            });
        }
    }
    Ok(())
}

/// What a snapshot says about the file of a role.
pub(crate) fn role<'a>(
    snapshot: &'a Snapshot,
    name: &str,
) -> Result<&'a Metafile, MetadataProblem> {
    let file = format!("{name}.json");
    let listed = snapshot.meta.get(&file);
    listed.ok_or_else(|| MetadataProblem::Unlisted(ServerText::new(&file)))
}
