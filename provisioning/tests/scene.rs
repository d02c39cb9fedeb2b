//! Trees as text, written and read back: one line an entry.
//!
//! ```text
//! etc/ 0755 0:0
//! etc/hostname 0644 0:0 "node\n"
//! etc/name 0:0 -> hostname
//! etc/same = etc/hostname
//! pipe|
//! ```
//!
//! The user who runs the tests counts as 0, so that cases that change no owner are the same for everyone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use acl_host::{Tool, Tools};
use acl_provision::Error;
use acl_provision::config::spec::Config;
use acl_provision::fetch::{Fetcher, Patience};
use acl_provision::root::Root;
use acl_provision::stage::disks::Done;
use acl_provision::stage::files;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A root in a directory that the test owns, beside it one that nothing may reach.
pub(crate) struct Scene {
    directory: TempDir,
}

impl Scene {
    pub(crate) fn new(tree: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        let scene = Self { directory };
        set_mode(&scene.path(), 0o755);
        write(&scene.outside().join("secret"), "secret");
        scene.assert_closed();
        scene.grow(tree);
        scene
    }

    /// The root holds. Asked before every test: one that runs as root in an open one writes to the machine.
    #[track_caller]
    fn assert_closed(&self) {
        let root = self.root();
        let real = self.outside().join("secret");
        for path in [real.as_path(), Path::new("../outside/secret")] {
            let read = root.read(path).unwrap();
            assert_eq!(read, None, "the root is open: nothing more is run");
        }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn outside(&self) -> std::path::PathBuf {
        self.directory.path().join("outside")
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(self.path()).unwrap()
    }

    /// Makes the entries of a text.
    pub(crate) fn grow(&self, tree: &str) {
        for line in lines(tree) {
            grow(&self.path(), &line);
        }
    }

    /// The whole tree as text.
    pub(crate) fn tree(&self) -> String {
        let mut text = Vec::new();
        print(&self.path(), "", &mut BTreeMap::new(), &mut text);
        text.join("\n")
    }

    /// Runs the stage on a config of which only the sections are given.
    pub(crate) fn apply(&self, sections: &Value) -> Result<(), String> {
        self.try_apply(sections)
            .map(drop)
            .map_err(|error| acl_host::error::chain(&error))
    }

    /// What the stage tells that it did.
    pub(crate) fn told(&self, sections: &Value) -> Vec<String> {
        let done = self.try_apply(sections).unwrap();
        done.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn try_apply(&self, sections: &Value) -> Result<Vec<Done>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(files::apply(&config(sections), &self.root(), &fetcher()))
    }

    /// What must be true after every test: nothing outside has changed.
    #[track_caller]
    pub(crate) fn assert_outside_untouched(&self) {
        let outside: Vec<_> = fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(outside, ["secret"]);
        let secret = self.outside().join("secret");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
        let beside = fs::read_dir(self.directory.path()).unwrap().count();
        assert_eq!(beside, 2, "only root and outside");
    }
}

/// The stage gives this tree, and gives it again when it is run on its own result.
#[track_caller]
pub(crate) fn gives(before: &str, sections: Value, after: &str) {
    let scene = Scene::new(before);
    assert_eq!(scene.apply(&sections), Ok(()));
    assert_eq!(sorted(&scene.tree()), sorted(after), "the first run");
    assert_eq!(scene.apply(&sections), Ok(()), "the second run");
    assert_eq!(sorted(&scene.tree()), sorted(after), "the second run");
    scene.assert_outside_untouched();
}

/// The stage fails with this message and changes nothing.
#[track_caller]
pub(crate) fn fails(before: &str, sections: Value, message: &str) {
    let scene = Scene::new(before);
    assert_eq!(scene.apply(&sections), Err(message.to_owned()));
    assert_eq!(sorted(&scene.tree()), sorted(before));
    scene.assert_outside_untouched();
}

/// Whether owners can be changed, and filesystems mounted. Where not, runs the tests of this name
/// in a user namespace in which they can, and fails unless all of them pass there: a test that
/// shows nothing does not count as one that passes.
pub(crate) fn is_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let said = Tools::host()
        .command(Tool::Unshare)
        // Other users' ids too, which newuidmap gives as /etc/subuid says.
        .args(["--map-root-user", "--map-auto", "--mount"])
        .arg(own)
        .arg(test)
        .run();
    let said = said.unwrap_or_else(|error| {
        let error = acl_host::error::chain(&error);
        panic!("{test} changes owners: run it as root, or install uidmap and give this user ids in /etc/subuid: {error}")
    });
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("test result: ok. ") && !said.contains(" 0 passed"),
        "{said}"
    );
    false
}

/// Text that is fetched.
fn data(text: &str) -> String {
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("data:,{escaped}")
}

pub(crate) fn contents(text: &str) -> Value {
    json!({ "source": data(text) })
}

fn lines(tree: &str) -> Vec<String> {
    let lines = tree.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// The lines of a tree by name, so that a test can list them as it reads best.
pub(crate) fn sorted(tree: &str) -> String {
    let mut lines = lines(tree);
    lines.sort();
    lines.join("\n")
}

pub(crate) fn config(sections: &Value) -> Config {
    let mut config = sections.clone();
    config["ignition"] = json!({ "version": "3.6.0" });
    serde_json::from_value(config).unwrap()
}

fn fetcher() -> Fetcher {
    Fetcher::new(Patience::default()).unwrap()
}

fn grow(root: &Path, line: &str) {
    let at = |path: &str| root.join(path.trim_end_matches(['/', '|']));
    if let Some((path, first)) = line.split_once(" = ") {
        return fs::hard_link(at(first), at(path)).unwrap();
    }
    if let Some(path) = line.strip_suffix('|') {
        let mode = rustix::fs::Mode::RUSR;
        return rustix::fs::mkfifoat(rustix::fs::CWD, at(path), mode).unwrap();
    }
    let (path, rest) = line.split_once(' ').unwrap();
    if let Some((owner, target)) = rest.split_once(" -> ") {
        symlink(target, at(path)).unwrap();
        let (uid, gid) = ids(owner);
        return lchown(at(path), uid, gid).unwrap();
    }
    let (mode, rest) = rest.split_once(' ').unwrap();
    let (owner, text) = rest.split_once(' ').unwrap_or((rest, "\"\""));
    if path == "./" {
    } else if path.ends_with('/') {
        fs::create_dir(at(path)).unwrap();
    } else {
        write(&at(path), &unquoted(text));
    }
    let (uid, gid) = ids(owner);
    chown(at(path), uid, gid).unwrap();
    set_mode(&at(path), u32::from_str_radix(mode, 8).unwrap());
}

fn print(
    directory: &Path,
    prefix: &str,
    seen: &mut BTreeMap<(u64, u64), String>,
    text: &mut Vec<String>,
) {
    let own = fs::metadata(directory).unwrap();
    if prefix.is_empty() && own.mode() & 0o7777 != 0o755 {
        text.push(format!("./ {:04o} {}", own.mode() & 0o7777, owner(&own)));
    }
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let (path, at) = (format!("{prefix}{name}"), directory.join(&name));
        let metadata = fs::symlink_metadata(&at).unwrap();
        let (owner, mode) = (owner(&metadata), metadata.mode() & 0o7777);
        if metadata.is_dir() {
            text.push(format!("{path}/ {mode:04o} {owner}"));
            print(&at, &format!("{path}/"), seen, text);
            continue;
        }
        if metadata.nlink() > 1 {
            let identity = (metadata.dev(), metadata.ino());
            if let Some(first) = seen.get(&identity) {
                text.push(format!("{path} = {first}"));
                continue;
            }
            seen.insert(identity, path.clone());
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&at).unwrap();
            text.push(format!("{path} {owner} -> {}", target.display()));
        } else if metadata.is_file() {
            let contents = fs::read(&at).unwrap();
            text.push(format!(
                "{path} {mode:04o} {owner} {}",
                quoted(&path, &contents)
            ));
        } else {
            text.push(format!("{path}|"));
        }
    }
}

fn quoted(path: &str, contents: &[u8]) -> String {
    let text = String::from_utf8_lossy(contents);
    if path == "var/lib/acl/provision/appended" {
        return format!("({})", text.lines().count());
    }
    format!("{text:?}")
}

fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap()
}

fn owner(metadata: &fs::Metadata) -> String {
    let me = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let map = |id: u32, me: u32| if id == me { 0 } else { id };
    format!(
        "{}:{}",
        map(metadata.uid(), me.0),
        map(metadata.gid(), me.1)
    )
}

fn ids(owner: &str) -> (Option<u32>, Option<u32>) {
    let me = (rustix::process::geteuid(), rustix::process::getegid());
    let id = |text: &str, me: u32| match text.parse().unwrap() {
        0 => Some(me),
        id => Some(id),
    };
    let (uid, gid) = owner.split_once(':').unwrap();
    (id(uid, me.0.as_raw()), id(gid, me.1.as_raw()))
}

fn write(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    set_mode(path, 0o644);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
