//! The targets role and the roles that it delegates to (TUF 1.0 §5.6). Pure.
//!
//! A channel's role counts only where the top-level targets role itself delegates to it: one that a channel's role names
//! in its turn would let the keys of one channel speak for another.

use tough::TargetName;
use tough::schema::{DelegatedRole, Delegations, Metafile, Root, Signed, Targets};

use super::metadata::{MetadataProblem, check_listed, check_version, parse, signed};
use crate::server_text::ServerText;

/// Reads the top-level targets role: as the snapshot lists it, and signed by root's keys for it.
pub(crate) fn verify(
    root: &Root,
    listed: &Metafile,
    bytes: &[u8],
) -> Result<Signed<Targets>, MetadataProblem> {
    check_listed(listed, bytes)?;
    let targets: Signed<Targets> = parse("targets", bytes)?;
    signed(root.verify_role(&targets))?;
    check_version(targets.signed.version.get(), listed.version.get())?;
    Ok(targets)
}

/// A role that the top-level targets role delegates to by itself, if it does.
pub(crate) fn delegated<'a>(
    targets: &'a Targets,
    name: &str,
) -> Result<Option<&'a DelegatedRole>, MetadataProblem> {
    let delegations = targets.delegations.iter();
    let mut found = delegations
        .flat_map(|delegations| &delegations.roles)
        .filter(|role| role.name == name);
    let role = found.next();
    match found.next() {
        None => Ok(role),
        Some(_) => Err(MetadataProblem::NamedTwice(ServerText::new(name))),
    }
}

/// Reads a role that `targets` delegates to: as the snapshot lists it, signed by the keys that are named for it, and
/// listing only what it may sign.
pub(crate) fn verify_delegated(
    targets: &Targets,
    role: &DelegatedRole,
    listed: &Metafile,
    bytes: &[u8],
) -> Result<Signed<Targets>, MetadataProblem> {
    check_listed(listed, bytes)?;
    let delegated: Signed<Targets> = parse("targets", bytes)?;
    let delegations = targets.delegations.clone().unwrap_or_default();
    signed(delegations.verify_role(&delegated, &role.name))?;
    check_version(delegated.signed.version.get(), listed.version.get())?;
    let mut names = delegated.signed.targets.keys();
    match names.find(|name| !may_sign(role, name)) {
        None => Ok(delegated),
        Some(name) => Err(MetadataProblem::MayNotSign(ServerText::new(name.raw()))),
    }
}

fn may_sign(role: &DelegatedRole, target: &TargetName) -> bool {
    let alone = Delegations {
        roles: vec![role.clone()],
        ..Delegations::default()
    };
    alone.target_is_delegated(target)
}
