//! Who owns an entry: ids, or names of the new root, never of the system that is running.

use std::path::Path;

use super::passwd;
use crate::config::spec::{NodeGroup, NodeUser};
use crate::root::{Owner, Root};
use crate::{Error, Result};

/// The owner that an entry's `user` and `group` name. An id counts more than a name (Ignition spec, `storage.*.user`).
///
/// Names are looked up in `/etc/passwd` and `/etc/group` of the new root. A name that only a NSS module or
/// `sysusers.d` would give at run time is not there yet, and is an error.
pub(super) fn of(
    path: &str,
    user: Option<&NodeUser>,
    group: Option<&NodeGroup>,
    root: &Root,
) -> Result<Owner> {
    let user = user.map(|user| (user.id, user.name.as_deref()));
    let group = group.map(|group| (group.id, group.name.as_deref()));
    Ok(Owner {
        uid: id(path, user, "user", passwd::PASSWD, root)?,
        gid: id(path, group, "group", passwd::GROUP, root)?,
    })
}

/// The mode that an entry asks for: the lower 12 bits, special bits included (Ignition spec 3.6).
pub(super) fn mode(mode: Option<i64>) -> Option<u32> {
    mode.and_then(|mode| u32::try_from(mode & 0o7777).ok())
}

fn id(
    path: &str,
    named: Option<(Option<i64>, Option<&str>)>,
    kind: &'static str,
    table: &'static str,
    root: &Root,
) -> Result<Option<u32>> {
    match named {
        Some((Some(id), _)) => passwd::id(id, kind, path).map(Some),
        Some((None, Some(name))) if !name.is_empty() => {
            let id = passwd::look_up(root, table, name)?;
            id.map(Some).ok_or_else(|| Error::FindOwner {
                path: Path::new(path).to_owned(),
                kind,
                name: name.to_owned(),
                table,
            })
        }
        _ => Ok(None),
    }
}
