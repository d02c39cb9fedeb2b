//! What the maintainer scripts of added packages would have done, as far as it can be read out of them.
//!
//! No script runs (docs/decisions/0001-no-package-scripts.md). What an image needs of those of the base recipe's packages,
//! that recipe states; a variant that adds packages has to state it for them. So each need of an added package that the
//! tree does not meet is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use acl_host::file;

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
    /// A link, of update-alternatives or by itself, and where it leads to.
    Link(String, String),
    /// A unit that is enabled.
    Unit(String),
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
            Self::Link(link, target) => {
                format!("the image has no link {link} to {target}: lay it in a [[tree]]")
            }
            Self::Unit(name) => format!(
                "{name} is not enabled: if it is to start, enable it in usr/lib/systemd/system-preset"
            ),
        }
    }
}

/// What a tree states.
#[derive(Debug, Default)]
struct Stated {
    tree: PathBuf,
    accounts: BTreeSet<String>,
    paths: BTreeSet<String>,
    units: BTreeSet<String>,
}

impl Stated {
    fn read(tree: &Path) -> Result<Self, Error> {
        let etc = tree.join(FACTORY_ETC);
        let mut stated = Self {
            tree: tree.to_owned(),
            ..Self::default()
        };
        for name in ["passwd", "group"] {
            let text = file::read_to_string(etc.join(name))?;
            let names = text.lines().filter_map(|line| line.split(':').next());
            stated.accounts.extend(names.map(str::to_owned));
        }
        for directory in [tree.join("usr/lib/tmpfiles.d"), etc.join("tmpfiles.d")] {
            for path in list(&directory)? {
                if path.extension().is_some_and(|ending| ending == "conf") {
                    let text = file::read_to_string(path)?;
                    let paths = text.lines().filter_map(made);
                    stated.paths.extend(paths.map(str::to_owned));
                }
            }
        }
        for directory in [
            tree.join("usr/lib/systemd/system"),
            etc.join("systemd/system"),
        ] {
            for path in list(&directory)? {
                let ending = path.extension().unwrap_or_default();
                if ending == "wants" || ending == "requires" {
                    let names = list(&path)?.into_iter();
                    stated.units.extend(names.filter_map(|path| name_of(&path)));
                }
            }
        }
        Ok(stated)
    }

    fn meets(&self, need: &Need) -> bool {
        match need {
            Need::Account(name) => self.accounts.contains(name),
            Need::Path(path) => self.paths.contains(path),
            Need::Unit(name) => self.units.contains(name),
            Need::Link(link, _) => {
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

/// What is in a directory; nothing where there is none, as where nothing is stated.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    match file::exists(directory)? {
        true => Ok(file::list(directory)?),
        false => Ok(Vec::new()),
    }
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// The path that a line of tmpfiles.d(5) makes; none for one that removes or leaves alone.
fn made(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let makes = !words.next()?.starts_with(['#', 'r', 'R', 'x', 'X']);
    let path = words.next()?;
    makes.then(|| path.trim_matches('"').trim_end_matches('/'))
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

/// What the commands of a script need. What it computes cannot be read; the script has to be looked at for it.
fn needs(script: &str) -> Vec<Need> {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let (mut variables, mut found) = (BTreeMap::new(), Vec::new());
    for command in lines.flat_map(|line| line.split([';', '|', '&'])) {
        let command = expand(command.trim(), &variables);
        match assignment(&command) {
            Some((name, value)) => {
                variables.insert(name.to_owned(), value.to_owned());
            }
            None => found.extend(need(&command)),
        }
    }
    found
}

/// The variable that a command sets, and its value.
fn assignment(command: &str) -> Option<(&str, &str)> {
    let (name, value) = command.split_once('=')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let value = value.trim_matches(['"', '\'']);
    (!name.is_empty() && name.chars().all(plain)).then_some((name, value))
}

/// The command with the values of the variables that are known.
fn expand(command: &str, variables: &BTreeMap<String, String>) -> String {
    let mut parts = command.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let braced = part.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (name, rest) = braced.unwrap_or_else(|| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            part.split_at(part.find(|c| !plain(c)).unwrap_or(part.len()))
        });
        match variables.get(name) {
            Some(value) => expanded.extend([value.as_str(), rest]),
            None => expanded.extend(["$", part]),
        }
    }
    expanded
}

fn need(command: &str) -> Vec<Need> {
    let words: Vec<&str> = command
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
        .take_while(|word| !word.contains(['>', '<']))
        .collect();
    let name = |word: &str| word.rsplit('/').next().map(str::to_owned);
    let commands = words.iter().enumerate().map(|(at, word)| (at, name(word)));
    for (at, name) in commands {
        let arguments = &words[at + 1..];
        return match name.as_deref().unwrap_or_default() {
            "adduser" | "addgroup" | "useradd" | "groupadd" => {
                let name = arguments.last();
                name.and_then(|name| account(name)).into_iter().collect()
            }
            "update-alternatives" => alternative(arguments),
            "deb-systemd-helper" => match arguments {
                ["enable", unit] if is_plain(unit) => vec![Need::Unit((*unit).to_owned())],
                _ => Vec::new(),
            },
            "ln" => link(arguments),
            "chown" => owned(arguments),
            "cp" | "mv" => paths(&arguments[arguments.len().saturating_sub(1)..]),
            "mkdir" | "install" | "chmod" | "touch" | "dpkg-statoverride" => paths(arguments),
            _ => continue,
        };
    }
    Vec::new()
}

fn alternative(arguments: &[&str]) -> Vec<Need> {
    let at = arguments.iter().position(|word| *word == "--install");
    match at.and_then(|at| arguments.get(at + 1..)) {
        Some([link, _, target, ..]) => vec![Need::Link((*link).to_owned(), (*target).to_owned())],
        _ => Vec::new(),
    }
}

fn link(arguments: &[&str]) -> Vec<Need> {
    let mut names = arguments.iter().filter(|word| !word.starts_with('-'));
    match (names.next(), names.next()) {
        (Some(_), Some(link)) if is_outside(link) => paths(&[*link]),
        (Some(target), Some(link)) if link.starts_with('/') && is_plain(link) => {
            vec![Need::Link((*link).to_owned(), (*target).to_owned())]
        }
        _ => Vec::new(),
    }
}

/// What is given to somebody, and to whom.
fn owned(arguments: &[&str]) -> Vec<Need> {
    let owner = arguments.iter().find(|word| !word.starts_with('-'));
    let names = owner.into_iter().flat_map(|owner| owner.split(':'));
    names.filter_map(account).chain(paths(arguments)).collect()
}

fn paths(arguments: &[&str]) -> Vec<Need> {
    let paths = arguments.iter().filter(|word| is_outside(word));
    let paths = paths.map(|path| Need::Path(path.trim_end_matches('/').to_owned()));
    paths.collect()
}

fn account(name: &str) -> Option<Need> {
    let is_number = name.chars().all(|c| c.is_ascii_digit());
    (!is_number && is_plain(name) && !name.contains('/')).then(|| Need::Account(name.to_owned()))
}

/// Whether a word stands for itself.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && !word.contains(['$', '*', '`', '(', ')', '{', '='])
}

/// Whether a word is an absolute path that no tree and no package brings to the machine.
fn is_outside(word: &str) -> bool {
    let places = ["/var/", "/run/", "/srv/", "/opt/", "/home/"];
    places.iter().any(|place| word.starts_with(place)) && is_plain(word)
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
    #[expect(clippy::too_many_lines, reason = "a table, a line a case")]
    fn what_scripts_need() {
        let alternative = Need::Link("/usr/bin/editor".into(), "/usr/bin/vim.tiny".into());
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
                vec![
                    path("/var/log/nginx"),
                    account("www-data"),
                    account("adm"),
                    path("/var/log/nginx"),
                ],
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
                "if deb-systemd-helper --quiet was-enabled 'x.service'; then\n\tdeb-systemd-helper enable 'x.service' >/dev/null || true",
                vec![Need::Unit("x.service".into())],
            ),
            ("deb-systemd-helper --user enable 'x.service'", vec![]),
            // What variables hold is known where it is written down.
            (
                "dir=\"/var/log/x\"\nlog=\"$dir/a.log\"\nchown root:$GROUP ${dir}\ntouch \"$log\" 2>/dev/null",
                vec![
                    account("root"),
                    path("/var/log/x"),
                    path("/var/log/x/a.log"),
                ],
            ),
            ("dir=$(mktemp)\nmkdir /var/$dir", vec![]),
            (
                "[ -e /etc/x/on ] || ln -s /etc/x/off /etc/x/on\nln -sf ../a /srv/b",
                vec![
                    Need::Link("/etc/x/on".into(), "/etc/x/off".into()),
                    path("/srv/b"),
                ],
            ),
            (
                "cp /usr/share/x/index.html /srv/www/index.html\ncp /var/a /etc/b",
                vec![path("/srv/www/index.html")],
            ),
            ("chown 0:0 /srv/c", vec![path("/srv/c")]),
        ];
        for (script, expected) in cases {
            assert_eq!(needs(script), expected, "{script}");
        }
    }

    #[test]
    fn what_tmpfiles_make() {
        for (line, path) in [
            ("d /var/lib/a/ 0750 a a", Some("/var/lib/a")),
            ("f+ \"/srv/b\" - - -", Some("/srv/b")),
            ("r! /var/c", None),
            ("x /var/d", None),
            ("# d /var/e", None),
            ("", None),
        ] {
            assert_eq!(super::made(line), path, "{line}");
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
