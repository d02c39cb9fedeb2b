//! The stage `umount`: undoes the stage `mount`.

use std::io;
use std::path::{Path, PathBuf};

use acl_host::{Tool, file};

use super::disks::{Done, Line, Machine};
use super::mount::wanted;
use crate::Result;
use crate::config::spec::Config;

/// Unmounts what the stage `mount` mounted, the deep paths first. What is not mounted is left out: the stage runs after
/// failures too. One that cannot be unmounted does not keep the others mounted.
///
/// # Errors
/// [`crate::Error::Prepare`], the first one, after all were tried; [`crate::Error::Host`].
pub fn apply(config: &Config, root: &Path, machine: &Machine) -> Result<Vec<Done>> {
    let mounted = mounted(&file::read_to_string(machine.path("/proc/self/mountinfo"))?);
    let inside = real(root)?;
    let mut done = Vec::new();
    let mut first = None;
    for (path, _) in wanted(config).iter().rev() {
        let point = root.join(path.trim_start_matches('/'));
        // The kernel's list has no symbolic links and no doubled slashes.
        let real = match real(&point) {
            Ok(real) => real,
            // It is still mounted, perhaps: without its unmounting nothing may say that this first boot has ended.
            Err(error) => {
                first = first.or(Some(error));
                continue;
            }
        };
        if !real.starts_with(&inside) || !mounted.contains(&real) {
            continue;
        }
        let line = Line::new(Tool::Umount, [real.display().to_string()]);
        match machine.run("unmount", path, &line) {
            Ok(_) => done.push(Done::new(*path, "unmounted")),
            Err(error) if first.is_none() => first = Some(error),
            Err(error) => tracing::error!("{}", acl_host::error::chain(&error)),
        }
    }
    first.map_or(Ok(done), Err)
}

/// The path without symbolic links; itself where there is nothing.
fn real(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(path.to_owned())
        }
        Err(source) => Err(acl_host::Error::ReadFile {
            path: path.to_owned(),
            source,
        }
        .into()),
    }
}

/// The mount points in `/proc/self/mountinfo`.
fn mounted(mountinfo: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        line.split(' ')
            .nth(4)
            .map(|place| PathBuf::from(unescaped(place)))
    };
    mountinfo.lines().filter_map(place).collect()
}

/// The kernel writes space, tab, line feed and backslash as a backslash and three octal digits.
fn unescaped(place: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(place.to_owned(), |place, (code, character)| {
        place.replace(code, character)
    })
}

#[cfg(test)]
mod tests {
    use super::mounted;
    use std::path::Path;

    #[test]
    fn mount_points() {
        let text = "24 1 8:2 / / rw - ext4 /dev/sda2 rw\n\
                    30 24 8:1 / /sysroot/a\\040b rw - vfat /dev/sda1 rw\n\
                    31 24 8:1 / /back\\134slash rw - vfat /dev/sda1 rw\nshort\n";
        let expected = ["/", "/sysroot/a b", "/back\\slash"].map(Path::new);
        assert_eq!(mounted(text), expected);
    }
}
