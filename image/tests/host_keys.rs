//! The host keys for SSH: the real script of the image, with the power cut after each of its steps.
//!
//! A cut is modelled as the worst that ext4 does: all names are on the disk, and of a file's content only what was synced.
//! One test cuts a real file system, which needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};
use tempfile::TempDir;

const KEY: &str = "ssh_host_ed25519_key";
const PUBLIC: &str = "ssh_host_ed25519_key.pub";

/// What the script changes the directory with. Each is followed by what a power cut would leave.
const STEPS: [&str; 4] = ["mv", "rm", "ssh-keygen", "sync"];

/// Stands for a step: does it, notes which files are synced, and copies what the disk then holds for sure.
const STEP: &str = r#"#!/bin/sh
set -eu
work=WORK step=STEP
PATH=/usr/bin:/bin
"$step" "$@" || exit
echo "$step $*" >>"$work/steps"
if [ "$step" = sync ]; then stat -c %i "$@" >>"$work/synced"; fi
cut="$work/cuts/$(wc -l <"$work/steps")/ssh"
mkdir -p "$cut"
cp -a . "$cut"
find . -type f | while read -r file; do
    grep -qx "$(stat -c %i "$file")" "$work/synced" || : >"$cut/$file"
done
"#;

/// A directory for keys in one of its own, as `/etc/ssh` is.
struct Scene {
    work: TempDir,
}

impl Scene {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let work = tempfile::tempdir().unwrap();
        let scene = Self { work };
        for directory in ["etc/ssh", "bin", "cuts"] {
            fs::create_dir_all(scene.path(directory)).unwrap();
        }
        let mut synced = String::new();
        for (name, bytes) in files {
            let path = scene.path("etc/ssh").join(name);
            acl_host::file::scratch(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            synced += &format!("{}\n", path.metadata().unwrap().ino());
        }
        acl_host::file::scratch(scene.path("synced"), synced.as_bytes()).unwrap();
        for step in STEPS {
            let text = STEP.replace("WORK", scene.path("").to_str().unwrap());
            let path = scene.path("bin").join(step);
            acl_host::file::scratch(&path, text.replace("STEP", step).as_bytes()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Runs the script, step by step; what it says.
    fn run(&self) -> String {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        boot(&self.path("etc/ssh"), &path)
    }

    /// The files of the keys, after the script.
    fn files(&self) -> Vec<String> {
        names(&self.path("etc/ssh"))
    }

    fn read(&self, name: &str) -> String {
        read(&self.path("etc/ssh").join(name))
    }

    /// What the disk holds after each step.
    fn cuts(&self) -> Vec<PathBuf> {
        let count = fs::read_dir(self.path("cuts")).unwrap().count();
        let cut = |number| self.path("cuts").join(format!("{number}/ssh"));
        (1..=count).map(cut).collect()
    }

    fn steps(&self) -> Vec<String> {
        let steps = read(&self.path("steps"));
        steps.lines().map(str::to_owned).collect()
    }
}

/// Runs the script of the image on `directory`; what it says.
fn boot(directory: &Path, path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("tree/usr/lib/acl/ssh-host-keys");
    let command = Tools::host().command(Tool::Operator(script));
    let ran = command.arg(directory).env("PATH", path).run();
    String::from_utf8(ran.unwrap()).unwrap()
}

/// The key in `directory`, which has to be one that sshd can use, with its public half beside it.
fn whole_key(directory: &Path) -> String {
    let keygen = Tools::host().command(Tool::SshKeygen);
    let public = keygen
        .args(["-y", "-P", "", "-f"])
        .arg(directory.join(KEY))
        .run();
    let public = String::from_utf8(public.unwrap()).unwrap();
    let beside = read(&directory.join(PUBLIC));
    let words = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(words(beside.trim()), words(public.trim()));
    read(&directory.join(KEY))
}

fn read(path: &Path) -> String {
    String::from_utf8(acl_host::file::read(path).unwrap()).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The power is cut after each step; the next boot has a key, and keeps the one of a boot that was through.
fn every_cut_heals(scene: &Scene) {
    let (cuts, made) = (scene.cuts(), scene.read(KEY));
    assert!(cuts.len() >= 5, "{:?}", scene.steps());
    for cut in &cuts {
        boot(cut, "/usr/bin:/bin");
        whole_key(cut);
        assert_eq!(names(cut), [KEY, PUBLIC], "{}", cut.display());
    }
    assert_eq!(read(&cuts.last().unwrap().join(KEY)), made);
    assert_eq!(scene.steps().last().unwrap(), "sync . ..");
}

#[test]
fn a_power_cut_leaves_no_key_or_a_whole_one() {
    for left in [&[][..], &[(KEY, &b""[..]), (PUBLIC, b"")]] {
        let scene = Scene::new(left);
        assert_eq!(scene.run(), "");
        whole_key(&scene.path("etc/ssh"));
        assert_eq!(scene.files(), [KEY, PUBLIC]);
        let mode = |name| scene.path("etc/ssh").join(name).metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(KEY), mode(PUBLIC)), (0o600, 0o644));
        every_cut_heals(&scene);
    }
}

#[test]
fn a_key_is_kept_and_its_public_half_made_again() {
    let first = Scene::new(&[]);
    first.run();
    let (key, public) = (first.read(KEY), first.read(PUBLIC));
    let scene = Scene::new(&[(KEY, key.as_bytes()), (PUBLIC, public.as_bytes())]);
    assert_eq!(scene.run(), "");
    assert_eq!((scene.read(KEY), scene.read(PUBLIC)), (key.clone(), public));

    let scene = Scene::new(&[(KEY, key.as_bytes()), (PUBLIC, b"")]);
    let place = scene.path("etc/ssh").join(PUBLIC);
    let said = format!(
        "writing {}, which does not fit its private key\n",
        place.display()
    );
    assert_eq!(scene.run(), said);
    assert_eq!(whole_key(&scene.path("etc/ssh")), key);
    every_cut_heals(&scene);
}

#[test]
fn a_file_that_is_no_key_is_put_aside() {
    let scene = Scene::new(&[(KEY, b"somebody's")]);
    let said = scene.run();
    let place = scene.path("etc/ssh").join(KEY);
    let expected = format!(
        "{} cannot be used by sshd, and is now {KEY}.unusable: ",
        place.display()
    );
    assert!(said.starts_with(&expected), "{said}");
    whole_key(&scene.path("etc/ssh"));
    let kept = format!("{KEY}.unusable");
    assert_eq!(scene.read(&kept), "somebody's");
    assert_eq!(scene.files(), [KEY, PUBLIC, &kept]);
}

/// The model above, on a real ext4: the disk is copied as it is when the script has ended and another program has made a
/// file of its own durable.
#[test]
#[ignore = "needs root and loop devices; run with `sudo cargo test --release -p acl-image -- --ignored`"]
fn the_key_is_on_a_disk_whose_power_is_cut() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name).to_str().unwrap().to_owned();
    let host = |tool, args: &[&str]| {
        let ran = Tools::host().command(tool).args(args.iter().copied()).run();
        ran.unwrap_or_else(|error| panic!("{}", acl_host::error::chain(&error)));
    };
    let file = fs::File::create(at("disk")).unwrap();
    file.set_len(64 << 20).unwrap();
    host(Tool::MkfsExt4, &["-q", "-F", &at("disk")]);
    fs::create_dir(at("before")).unwrap();
    fs::create_dir(at("after")).unwrap();
    host(Tool::Mount, &["-o", "loop", &at("disk"), &at("before")]);
    let ssh = work.path().join("before/etc/ssh");
    fs::create_dir_all(&ssh).unwrap();
    boot(&ssh, "/usr/bin:/bin");
    acl_host::file::write(at("before/state.json"), b"{}").unwrap();
    fs::copy(at("disk"), at("cut")).unwrap();
    host(Tool::Mount, &["-o", "loop", &at("cut"), &at("after")]);
    let kept = read(&work.path().join("after/etc/ssh").join(KEY));
    let made = whole_key(&ssh);
    host(Tool::Umount, &[&at("before")]);
    host(Tool::Umount, &[&at("after")]);
    assert_eq!(kept, made);
}
