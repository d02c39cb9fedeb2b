//! A machine whose disk is a file, and the choice that systemd-boot would make on it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use acl_host::{
    disk::Disk,
    entry::EntryName,
    esp::Esp,
    file,
    gpt::{Table, kind},
    slot::{self, EMPTY},
    tool::{Running, Tool, ToolCommand, Tools},
    verity::{self, RootHash},
};
use acl_release::version::Version;
use gptman::{GPT, GPTPartitionEntry};
use serde_json::Value;
use tempfile::TempDir;

use crate::{artifact, site::Site};

const MIB: u64 = 1024 * 1024;
/// Only where the agent is built as a program; tests of `aclctl` run it in their own process.
const AGENT: Option<&str> = option_env!("CARGO_BIN_EXE_acl-updated");

/// A machine that runs release 1.
pub(crate) struct Node {
    dir: PathBuf,
    /// Removed with the node, where it is this node's own.
    _kept: Option<TempDir>,
}

/// How a run of the agent ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Node {
    /// A machine installed from the image of release 1, that follows `site`.
    pub(crate) fn new(site: &Site) -> Self {
        Self::with_slots(site, 2)
    }

    /// With so many slots.
    pub(crate) fn with_slots(site: &Site, slots: u32) -> Self {
        let node = Self::empty();
        make_table(&node.disk(), slots);
        install(&node, &site.build("1"));
        node.put("efi/loader/loader.conf", b"timeout 0\n");
        node.follow(&site.url());
        node.put("etc/acl/trust/root.json", &site.trusted_root());
        node
    }

    /// The machine that is in `dir` already.
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            _kept: None,
        }
    }

    fn empty() -> Self {
        let kept = tempfile::tempdir().unwrap();
        Self {
            dir: kept.path().to_owned(),
            _kept: Some(kept),
        }
    }

    /// The same machine once more.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::empty();
        copy_tree(&self.dir, &copy.dir);
        copy
    }

    /// Where all of it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.dir.join("disk.raw")
    }

    pub(crate) fn esp(&self) -> Esp {
        Esp::at(self.root().join("efi"))
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        file::scratch(path, bytes).unwrap();
    }

    /// Take releases from the repository at `url`.
    pub(crate) fn follow(&self, url: &str) {
        let text = format!("server = \"{url}\"\n");
        self.put("etc/acl/updater.d/10-site.toml", text.as_bytes());
    }

    /// What the kernel and `/usr` say when `version` runs.
    pub(crate) fn runs(&self, site: &Site, version: &str) {
        runs(self, &site.build(version), version);
    }

    /// The agent's state file.
    pub(crate) fn state(&self) -> Value {
        let path = self.root().join("var/lib/acl/updater/state.json");
        serde_json::from_slice(&file::read(path).unwrap()).unwrap()
    }

    /// Its text, whatever it is.
    pub(crate) fn state_text(&self) -> String {
        let path = self.root().join("var/lib/acl/updater/state.json");
        file::read_to_string(path).unwrap_or_else(|error| error.to_string())
    }

    /// Change the agent's state file.
    pub(crate) fn change_state(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        change(&mut state);
        let bytes = serde_json::to_vec(&state).unwrap();
        self.put("var/lib/acl/updater/state.json", &bytes);
    }

    /// Names of the boot entries.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = self.esp().entries().unwrap();
        entries.iter().map(ToString::to_string).collect()
    }

    /// Let the agent do once what it would do at its next check.
    pub(crate) fn once(&self) -> Ran {
        self.once_with(&[])
    }

    pub(crate) fn once_with(&self, more: &[&str]) -> Ran {
        self.run(more, &mut |_| false)
    }

    /// The same, with a variable in its environment.
    pub(crate) fn once_in(&self, name: &str, value: &str) -> Ran {
        Self::watch(self.verb("once", &[]).env(name, value), &mut |_| false)
    }

    /// The same, killed when `stop` says so of a line of its log.
    pub(crate) fn run(&self, more: &[&str], stop: &mut dyn FnMut(&str) -> bool) -> Ran {
        Self::watch(self.verb("once", more), stop)
    }

    fn watch(command: ToolCommand, stop: &mut dyn FnMut(&str) -> bool) -> Ran {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut running = command.stderr(writer).spawn().unwrap();
        let mut log = String::new();
        for line in BufReader::new(reader).lines() {
            let line = line.unwrap();
            log.push_str(&line);
            log.push('\n');
            if stop(&line) {
                running.kill().unwrap();
                return Ran { code: None, log };
            }
        }
        let code = wait(&mut running);
        Ran { code, log }
    }

    /// Run `acl-updated go-back`.
    pub(crate) fn go_back(&self) -> Ran {
        Self::watch(self.verb("go-back", &[]), &mut |_| false)
    }

    /// Start the agent, which goes on by itself. Nobody reads its log.
    pub(crate) fn serve(&self) -> Running {
        let command = self.verb("run", &["--no-bus"]);
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    }

    /// Start the agent as the one of a machine that runs, with the system bus at `bus`. It reads
    /// its log to whoever takes the lines.
    pub(crate) fn serve_here(
        &self,
        bus: &str,
        more: &[&str],
    ) -> (Running, tokio::sync::mpsc::UnboundedReceiver<String>) {
        self.show_disk();
        let (reader, writer) = std::io::pipe().unwrap();
        let command = self.here("run", more);
        let command = command.env("DBUS_SYSTEM_BUS_ADDRESS", bus).stderr(writer);
        let running = command.spawn().unwrap();
        let (tell, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                // A test that has seen enough listens no longer.
                let _ = tell.send(line.unwrap());
            }
        });
        (running, lines)
    }

    /// Have the disk found as the kernel shows it.
    fn show_disk(&self) {
        let guid = Table::read(self.disk()).unwrap().partitions()[0].guid;
        let uevent = format!("DEVTYPE=partition\nPARTUUID={guid}\n");
        self.put("sys/devices/disk/part/uevent", uevent.as_bytes());
        let block = self.root().join("sys/class/block");
        std::fs::create_dir_all(&block).unwrap();
        std::os::unix::fs::symlink("../../devices/disk/part", block.join("part")).unwrap();
        std::fs::create_dir_all(self.root().join("dev")).unwrap();
        std::os::unix::fs::symlink(self.disk(), self.root().join("dev/disk")).unwrap();
    }

    fn verb(&self, verb: &str, more: &[&str]) -> ToolCommand {
        self.here(verb, more).arg("--disk").arg(self.disk())
    }

    /// The agent's program, for a machine whose disk is looked for.
    fn here(&self, verb: &str, more: &[&str]) -> ToolCommand {
        Tools::host()
            .command(Tool::Own(AGENT.expect("the agent is built").into()))
            .arg(verb)
            .arg("--root")
            .arg(self.root())
            .args(more.iter().map(ToString::to_string))
            .env("RUST_LOG", "acl_updated=info,acl_release=info")
    }

    /// The version that boots if the power were cut now. Changes nothing.
    ///
    /// # Panics
    /// When no whole release boots.
    pub(crate) fn would_boot(&self) -> String {
        let mut entries = self.esp().entries().unwrap();
        let paths: Vec<_> = entries.iter().map(|e| self.esp().path(e)).collect();
        let hashes: Vec<_> = paths.iter().map(|p| root_hash_in(p)).collect();
        let mut all: Vec<_> = entries.drain(..).zip(hashes).collect();
        for _ in 0..10 {
            let (entry, hash) = all
                .iter_mut()
                .max_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)))
                .expect("a boot entry is left");
            let version = entry.version().to_owned();
            if let Some(tries) = entry.tries() {
                *entry = EntryName::on_trial(&version, tries.left.saturating_sub(1)).unwrap();
            }
            if hash.is_some_and(|hash| self.holds_whole(&hash)) {
                return version;
            }
        }
        panic!("no whole release boots; entries: {:?}", self.entries());
    }

    /// Whether every boot entry is of a whole release: none may be left that boots a slot half-written.
    pub(crate) fn entries_are_whole(&self) -> bool {
        self.entries_are_whole_but("")
    }

    /// The same, without looking at one.
    pub(crate) fn entries_are_whole_but(&self, not: &str) -> bool {
        let esp = self.esp();
        let entries = esp.entries().unwrap();
        let mut entries = entries.iter().filter(|entry| entry.to_string() != not);
        entries.all(|entry| {
            let hash = root_hash_in(&esp.path(entry));
            hash.is_some_and(|hash| self.holds_whole(&hash))
        })
    }

    /// Boot: the running release is the one that boots, one try of it is used up.
    pub(crate) fn boot(&self, site: &Site) -> String {
        let version = self.would_boot();
        let esp = self.esp();
        for entry in esp.entries().unwrap() {
            if let Some(tries) = entry.tries()
                && entry.version() == version
            {
                let done = tries.done.unwrap_or_default() + 1;
                let tried: EntryName = format!("acl_{version}+{}-{done}.efi", tries.left - 1)
                    .parse()
                    .unwrap();
                std::fs::rename(esp.path(&entry), esp.path(&tried)).unwrap();
            }
        }
        self.runs(site, &version);
        version
    }

    /// What systemd-bless-boot does once boot-complete.target is reached.
    pub(crate) fn bless(&self) {
        let esp = self.esp();
        for entry in esp.entries().unwrap() {
            if entry.tries().is_some_and(|tries| tries.done.is_some()) {
                let good = EntryName::good(entry.version()).unwrap();
                std::fs::rename(esp.path(&entry), esp.path(&good)).unwrap();
            }
        }
    }

    /// Whether a slot is named for this root hash and gives it back.
    fn holds_whole(&self, hash: &RootHash) -> bool {
        let table = Table::read(self.disk()).unwrap();
        let disk = Disk::open_read_only(self.disk()).unwrap();
        let slots = slot::both(&table).unwrap();
        slots.iter().filter(|slot| slot.holds(hash)).any(|slot| {
            let usr = disk.region("usr", slot.usr.range()).unwrap();
            let tree = disk.region("verity", slot.verity.range()).unwrap();
            verity::check(&usr, &tree, hash).is_ok()
        })
    }
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// systemd-boot's order: entries that failed last, then the newest version.
fn rank(entry: &EntryName) -> (bool, Version) {
    (!entry.is_bad(), entry.version().parse().unwrap())
}

fn wait(running: &mut Running) -> Option<i32> {
    let status = running.wait(Duration::from_secs(60)).unwrap();
    status.expect("the agent has closed its log").code()
}

fn root_hash_in(uki: &Path) -> Option<RootHash> {
    root_hash_of(&file::read(uki).unwrap())
}

/// What the firmware hands to the kernel from the image; none for an image that is not whole.
pub(crate) fn root_hash_of(bytes: &[u8]) -> Option<RootHash> {
    let key = b"usrhash=";
    let at = bytes.windows(key.len()).position(|w| w == key)? + key.len();
    let text = bytes.get(at..at + 64)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A disk with `slots` slots, all of them empty.
fn make_table(path: &Path, slots: u32) {
    let disk = std::fs::File::create_new(path).unwrap();
    disk.set_len(16 * MIB).unwrap();
    let mut disk = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut table = GPT::new_from(&mut disk, 512, [9; 16]).unwrap();
    let kinds = [
        (kind::USR, 2 * MIB),
        (kind::USR_VERITY, MIB / 4),
        (kind::USR_VERITY_SIG, MIB / 16),
    ];
    let mut start = 2048;
    for number in 0..slots * 3 {
        let (kind, bytes) = kinds[number as usize % 3];
        table[number + 1] = GPTPartitionEntry {
            partition_type_guid: kind.to_disk(),
            unique_partition_guid: [u8::try_from(number).unwrap() + 100; 16],
            starting_lba: start,
            ending_lba: start + bytes / 512 - 1,
            attribute_bits: 0,
            partition_name: EMPTY.into(),
        };
        start += bytes / 512;
    }
    table.write_into(&mut disk).unwrap();
}

/// Install release 1, as the disk image has it.
fn install(node: &Node, build: &Path) {
    let read = |name: &str| file::read(build.join(name)).unwrap();
    let tree = read("acl_1.usr.verity");
    let hash = root_hash_in(&build.join("acl_1.efi")).unwrap();
    let mut table = Table::read(node.disk()).unwrap();
    for (label, index, bytes, guid) in [
        ("USR-A", 1, read("acl_1.usr.erofs"), Some(hash.usr_guid())),
        ("USR-A-VERITY", 2, tree, Some(hash.verity_guid())),
        ("USR-A-SIG", 3, read("acl_1.usr.verity-sig.json"), None),
    ] {
        let range = table.partitions()[index - 1].range();
        let disk = Disk::open(node.disk()).unwrap();
        disk.write_at(&bytes, range.start).unwrap();
        let index = u32::try_from(index).unwrap();
        table.set_label(index, label).unwrap();
        if let Some(guid) = guid {
            table.set_guid(index, guid).unwrap();
        }
    }
    table.write().unwrap();
    node.put("efi/EFI/Linux/acl_1.efi", &read("acl_1.efi"));
    runs(node, build, "1");
}

/// What the kernel and `/usr` say when `version` runs.
fn runs(node: &Node, build: &Path, version: &str) {
    let hash = root_hash_in(&build.join(format!("acl_{version}.efi"))).unwrap();
    let os_release = format!("ID=acl\nIMAGE_ID=acl\nIMAGE_VERSION={version}\n");
    node.put("usr/lib/os-release", os_release.as_bytes());
    node.put(
        "proc/cmdline",
        format!("quiet usrhash={hash} panic=3\n").as_bytes(),
    );
    node.put(
        "usr/share/acl/packages.json",
        artifact::packages(version).as_bytes(),
    );
}
