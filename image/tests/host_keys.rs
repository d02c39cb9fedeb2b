//! The host keys for SSH: the real script of the image, with the power cut after each of its steps.
//!
//! A cut is modelled as the worst that ext4 does: all names are on the disk, and of a file's content only what was synced.
//! One test cuts a real file system, which needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    let (ended_well, said) = try_boot(directory, path);
    assert!(ended_well, "{said}");
    said
}

/// Whether the script ends well, and what it says.
fn try_boot(directory: &Path, path: &str) -> (bool, String) {
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut running = Tools::host()
        .command(Tool::Operator(in_tree("usr/lib/acl/ssh-host-keys")))
        .arg(directory)
        .env("PATH", path)
        .stdout(said.reopen().unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
    (status.success(), read(said.path()))
}

/// A file of the image.
fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tree")
        .join(path)
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

/// Neither the file of today nor the one of an earlier boot is lost.
#[test]
fn what_was_put_aside_is_never_written_over() {
    let aside = format!("{KEY}.unusable");
    let second = format!("{aside}.1");
    let scene = Scene::new(&[(KEY, b"third"), (&aside, b"first"), (&second, b"second")]);
    let said = scene.run();
    let third = format!("{aside}.2");
    assert!(said.contains(&format!("is now {third}: ")), "{said}");
    whole_key(&scene.path("etc/ssh"));
    let kept = [&aside, &second, &third].map(|name| scene.read(name));
    assert_eq!(kept, ["first", "second", "third"]);
}

/// What a disk that fails, or a place that is not there now, answers is no reason for another identity.
#[test]
fn a_key_that_cannot_be_read_stays() {
    for (target, why) in [
        (KEY, "Too many levels of symbolic links"),
        ("../passwd/key", "Not a directory"),
    ] {
        let scene = Scene::new(&[]);
        let place = scene.path("etc/ssh").join(KEY);
        acl_host::file::scratch(scene.path("etc/passwd"), b"").unwrap();
        symlink(target, &place).unwrap();
        let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
        let said = format!(
            "{} cannot be read, so it stays, and no other key is made: cat: {KEY}: {why}\n",
            place.display()
        );
        assert_eq!(try_boot(&scene.path("etc/ssh"), &path), (false, said));
        assert_eq!(fs::read_link(&place).unwrap(), Path::new(target));
        assert_eq!(scene.files(), [KEY]);
    }
    // A link that leads nowhere is put aside.
    let scene = Scene::new(&[]);
    symlink("none", scene.path("etc/ssh").join(KEY)).unwrap();
    scene.run();
    whole_key(&scene.path("etc/ssh"));
    let kept = scene.path("etc/ssh").join(format!("{KEY}.unusable"));
    assert_eq!(fs::read_link(kept).unwrap(), Path::new("none"));
}

/// An ssh-keygen that cannot read any key says nothing about this one.
#[test]
fn a_key_stays_where_ssh_keygen_reads_none() {
    let first = Scene::new(&[]);
    first.run();
    let key = first.read(KEY);
    for broken in [
        // Not even the new one, and the same after it has made one.
        "exit 255",
        "case $1 in -y) exit 255 ;; *) exec /usr/bin/ssh-keygen \"$@\" ;; esac",
        // Only the first time, as without memory.
        "[ -e ../asked ] && exec /usr/bin/ssh-keygen \"$@\"; : >../asked; exit 255",
    ] {
        let scene = Scene::new(&[(KEY, key.as_bytes())]);
        let program = scene.path("bin/ssh-keygen");
        acl_host::file::scratch(&program, format!("#!/bin/sh\n{broken}\n").as_bytes()).unwrap();
        let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
        let (ended_well, said) = try_boot(&scene.path("etc/ssh"), &path);
        assert!(!ended_well, "{broken}: {said}");
        assert_eq!(scene.read(KEY), key, "{broken}");
        assert!(
            !scene.files().contains(&format!("{KEY}.unusable")),
            "{broken}"
        );
        // The next boot, with a program that works, keeps it.
        boot(&scene.path("etc/ssh"), "/usr/bin:/bin");
        assert_eq!(whole_key(&scene.path("etc/ssh")), key, "{broken}");
    }
}

/// sshd reads the key with all of root's privileges; the unit leaves the script as much as it needs for the same.
#[test]
fn a_key_of_somebody_else_in_a_home_is_kept() {
    let test = "host_keys::a_key_of_somebody_else_in_a_home_is_kept";
    let unit = read(&in_tree("usr/lib/systemd/system/ssh-host-keys.service"));
    let setting = |name: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    // `yes` would show an empty /home and /root.
    assert_eq!(setting("ProtectHome="), "read-only");
    if !rustix::process::geteuid().is_root() {
        let own = std::env::current_exe().unwrap();
        let command = Tools::host().command(Tool::Unshare);
        let command = command.args(["--map-root-user", "--map-auto"]).arg(own);
        let said = String::from_utf8(command.args(["--exact", test]).run().unwrap()).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let first = Scene::new(&[]);
    first.run();
    let (key, public) = (first.read(KEY), first.read(PUBLIC));
    let scene = Scene::new(&[(PUBLIC, public.as_bytes())]);
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    acl_host::file::scratch(home.join("key"), key.as_bytes()).unwrap();
    for (path, mode) in [(home.join("key"), 0o600), (home.clone(), 0o700)] {
        chown(&path, Some(1000), Some(1000)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("../../home/key", scene.path("etc/ssh").join(KEY)).unwrap();
    let capabilities: String = setting("CapabilityBoundingSet=")
        .split_whitespace()
        .map(|name| format!(",+{}", name.strip_prefix("CAP_").unwrap().to_lowercase()))
        .collect();
    let command = Tools::host().command(Tool::Setpriv);
    let said = command
        .args(["--bounding-set", &format!("-all{capabilities}")])
        .arg(in_tree("usr/lib/acl/ssh-host-keys"))
        .arg(scene.path("etc/ssh"))
        .env("PATH", "/usr/bin:/bin")
        .run()
        .unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), "");
    assert_eq!(scene.files(), [KEY, PUBLIC]);
    assert_eq!(scene.read(KEY), key);
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
