//! What the maintainer scripts of added packages would have done, as far as it can be read out of them.
//!
//! No script runs (docs/decisions/0001-no-package-scripts.md). What an image needs of those of the base recipe's packages,
//! that recipe states; a variant that adds packages has to state it for them. So each need of an added package that the
//! tree does not meet is listed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::settle::FACTORY_ETC;
use crate::Error;
use crate::archive::deb;
use crate::archive::package::Package;
use crate::archive::store::Store;
use crate::lock::Lock;

/// What of a package's files is in an image, or is a link into it.
const REACHING: [&str; 7] = ["usr", "etc", "boot", "bin", "lib", "lib64", "sbin"];

/// Something that a script does, or that a package brings, and that an image has only if the recipe states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// A user or group.
    Account(String),
    /// A directory or file outside of `/usr` and `/etc`, or its owner and mode.
    Path(String),
    /// A link of update-alternatives, and where it leads to.
    Alternative(String, String),
}

/// Lines about each package that `lock` adds to its base: which scripts did not run, and what the settled `tree` lacks.
///
/// # Errors
/// [`Error::Unpack`] for a package that cannot be read, and those of [`Store::read`].
pub fn left_undone(lock: &Lock, store: &Store, tree: &Path) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let Some(names) = &lock.added else {
        lines.push(
            "the lock does not say which packages the recipe adds to its base, so what their scripts would have done is \
             not listed; build once without --locked to make a lock that does"
                .to_owned(),
        );
        return Ok(lines);
    };
    let added = lock
        .packages
        .iter()
        .filter(|package| names.contains(&package.name));
    let stated = Stated::read(tree)?;
    for package in added {
        let bytes = store.read(package)?;
        let fail = |reason| Error::Unpack {
            package: package.name.clone(),
            reason,
        };
        // That of an old package may be compressed in a way that is not known here; the image is right all the same.
        let scripts = deb::scripts(&bytes).unwrap_or_else(|reason| {
            lines.push(format!(
                "{}: its scripts cannot be read: {reason}",
                package.name
            ));
            Vec::new()
        });
        let brought = outside(&deb::data(&bytes).map_err(fail)?).map_err(fail)?;
        lines.extend(about(package, &scripts, brought, &stated, store));
    }
    Ok(lines)
}

fn about(
    package: &Package,
    scripts: &[(String, String)],
    brought: Vec<String>,
    stated: &Stated,
    store: &Store,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !scripts.is_empty() {
        let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
        lines.push(format!(
            "{}: {} did not run; to read: dpkg-deb --info {} {}",
            package.name,
            names.join(" and "),
            store.path(package).display(),
            names.join(" "),
        ));
    }
    let of_scripts = scripts.iter().flat_map(|(_, text)| needs(text));
    let needs: BTreeSet<Need> = brought
        .into_iter()
        .map(Need::Path)
        .chain(of_scripts)
        .collect();
    let lacking = needs.iter().filter(|need| !stated.meets(need));
    lines.extend(lacking.map(|need| format!("{}: {}", package.name, need.advice())));
    lines
}

impl Need {
    fn advice(&self) -> String {
        match self {
            Self::Account(name) => {
                format!("the image has no user or group {name}: state it in usr/lib/sysusers.d")
            }
            Self::Path(path) => format!(
                "{path} is not made on the machine as the package wants it: state it in usr/lib/tmpfiles.d"
            ),
            Self::Alternative(link, target) => {
                format!("the image has no link {link} to {target}: lay it in a [[tree]]")
            }
        }
    }
}

/// What a tree states.
#[derive(Debug, Default)]
struct Stated {
    tree: PathBuf,
    accounts: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Stated {
    fn read(tree: &Path) -> Result<Self, Error> {
        let etc = tree.join(FACTORY_ETC);
        let mut stated = Self {
            tree: tree.to_owned(),
            ..Self::default()
        };
        for name in ["passwd", "group"] {
            let text = acl_host::file::read_to_string(etc.join(name))?;
            let names = text.lines().filter_map(|line| line.split(':').next());
            stated.accounts.extend(names.map(str::to_owned));
        }
        for directory in [tree.join("usr/lib/tmpfiles.d"), etc.join("tmpfiles.d")] {
            // Whoever states nothing has no such directory.
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let text = acl_host::file::read_to_string(entry.path())?;
                let paths = text
                    .lines()
                    .filter_map(|line| line.split_whitespace().nth(1));
                let paths = paths.map(|path| path.trim_end_matches('/').to_owned());
                stated.paths.extend(paths);
            }
        }
        Ok(stated)
    }

    fn meets(&self, need: &Need) -> bool {
        match need {
            Need::Account(name) => self.accounts.contains(name),
            Need::Path(path) => self.paths.contains(path),
            Need::Alternative(link, _) => {
                let in_etc = link.strip_prefix("/etc/");
                let path = match in_etc {
                    Some(below) => self.tree.join(FACTORY_ETC).join(below),
                    None => self.tree.join(link.trim_start_matches('/')),
                };
                path.symlink_metadata().is_ok()
            }
        }
    }
}

/// What a package brings outside of what reaches the machine: the last parts of its paths only.
fn outside(data: &[u8]) -> Result<Vec<String>, String> {
    let mut archive = tar::Archive::new(data);
    let mut found = BTreeSet::new();
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?;
        let path = path.to_string_lossy();
        let path = path.trim_start_matches('.').trim_matches('/');
        let first = path.split('/').next().unwrap_or_default();
        if !path.is_empty() && !REACHING.contains(&first) {
            found.insert(format!("/{path}"));
        }
    }
    let is_last = |path: &&String| {
        let below = format!("{path}/");
        !found.iter().any(|other| other.starts_with(&below))
    };
    // Directories of the base system are there.
    let own = |path: &&String| path.matches('/').count() > 2 || !path.starts_with("/var/");
    Ok(found.iter().filter(is_last).filter(own).cloned().collect())
}

/// What the commands of a script need. What stands in variables cannot be read; the script has to be looked at for it.
fn needs(script: &str) -> Vec<Need> {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let commands = lines.flat_map(|line| line.split([';', '|', '&']));
    commands.flat_map(need).collect()
}

fn need(command: &str) -> Vec<Need> {
    let words: Vec<&str> = command
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
        .collect();
    let is = |name: &str| {
        words
            .iter()
            .position(|word| word.rsplit('/').next() == Some(name))
    };
    let plain = |word: &str| !word.is_empty() && !word.starts_with(['-', '$', '>', '<', '2']);
    let accounts = ["adduser", "addgroup", "useradd", "groupadd"];
    if accounts.into_iter().any(|name| is(name).is_some()) {
        let words = words.iter().take_while(|word| !word.contains('>'));
        let name = words.last().filter(|word| plain(word));
        return name
            .map(|name| Need::Account((*name).to_owned()))
            .into_iter()
            .collect();
    }
    if is("update-alternatives").is_some() {
        let Some(at) = words.iter().position(|word| *word == "--install") else {
            return Vec::new();
        };
        return match words.get(at + 1..) {
            Some([link, _, target, ..]) => {
                vec![Need::Alternative((*link).to_owned(), (*target).to_owned())]
            }
            _ => Vec::new(),
        };
    }
    let makes = ["mkdir", "install", "chown", "chmod", "dpkg-statoverride"];
    if makes.into_iter().any(|name| is(name).is_some()) {
        let paths = words.iter().filter(|word| is_outside(word));
        return paths
            .map(|path| Need::Path(path.trim_end_matches('/').to_owned()))
            .collect();
    }
    Vec::new()
}

/// Whether a word is an absolute path that no tree and no package brings to the machine.
fn is_outside(word: &str) -> bool {
    let places = ["/var/", "/run/", "/srv/", "/opt/", "/home/"];
    places.iter().any(|place| word.starts_with(place)) && !word.contains(['$', '*', '`'])
}

#[cfg(test)]
mod tests {
    use super::{Need, needs, outside};

    fn account(name: &str) -> Need {
        Need::Account(name.to_owned())
    }

    fn path(path: &str) -> Need {
        Need::Path(path.to_owned())
    }

    #[test]
    fn what_scripts_need() {
        let alternative = Need::Alternative("/usr/bin/editor".into(), "/usr/bin/vim.tiny".into());
        let cases = [
            (
                "adduser --system \\\n  --group --home /var/lib/chrony \\\n  --no-create-home _chrony\n",
                vec![account("_chrony")],
            ),
            (
                "  if ! getent group a >/dev/null; then addgroup --system a >/dev/null; fi",
                vec![account("a")],
            ),
            ("useradd -r \"$USER\"", vec![]),
            ("# adduser nobody", vec![]),
            (
                "mkdir -p /var/log/nginx/ /etc/x && chown www-data:adm /var/log/nginx",
                vec![path("/var/log/nginx"), path("/var/log/nginx")],
            ),
            (
                "install -d -m 0750 /srv/data\nmkdir \"/var/lib/$NAME\"",
                vec![path("/srv/data")],
            ),
            (
                "update-alternatives --install /usr/bin/editor editor /usr/bin/vim.tiny 15 \\\n --slave /a b /c",
                vec![alternative],
            ),
            (
                "update-alternatives --remove editor /usr/bin/vim.tiny",
                vec![],
            ),
            (
                "deb-systemd-helper enable 'x.service' >/dev/null || true",
                vec![],
            ),
        ];
        for (script, expected) in cases {
            assert_eq!(needs(script), expected, "{script}");
        }
    }

    #[test]
    fn what_a_package_brings_that_does_not_reach_the_machine() {
        let mut tar = tar::Builder::new(Vec::new());
        for name in [
            "./usr/bin/a",
            "./etc/a",
            "./lib/a",
            "./var/",
            "./var/log/",
            "./var/log/nginx/",
            "./var/lib/a/",
            "./var/lib/a/b",
            "./var/cache/",
            "./opt/a",
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            let kind = match name.ends_with('/') {
                true => tar::EntryType::Directory,
                false => tar::EntryType::Regular,
            };
            header.set_entry_type(kind);
            tar.append_data(&mut header, name, &b""[..]).unwrap();
        }
        let found = outside(&tar.into_inner().unwrap()).unwrap();
        assert_eq!(found, ["/opt/a", "/var/lib/a/b", "/var/log/nginx"]);
    }
}
