//! Two builds from one lock and one set of keys are the same bit by bit; one is made by root, one by an ordinary user,
//! so that a build needs no privilege.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};
use acl_tests::releases::{self, Order, Release};
use acl_tests::workspace::{self, Program};

/// `nobody`, who owns nothing on the host.
const NOBODY: u32 = 65534;

#[test]
fn root_and_an_ordinary_user_build_the_same_bits() -> anyhow::Result<()> {
    let first = Release::First.build()?;
    let bench = Bench::set_up(&first.directory.join("acl_1.0.0.lock.json"))?;
    bench.build(&first.version)?;

    let mut ours = names(&first.directory)?;
    ours.retain(|name| name != "made-from");
    assert_eq!(names(&bench.out())?, ours);
    for name in ours {
        let same = same_bytes(&first.directory.join(&name), &bench.out().join(&name))?;
        assert!(
            same,
            "{} differs between two builds from one lock",
            name.display()
        );
    }
    Ok(())
}

/// Copies of all that a build needs, in a place of their own: nothing of the result may depend on where it was made.
struct Bench {
    place: tempfile::TempDir,
}

impl Bench {
    fn set_up(lock: &Path) -> anyhow::Result<Self> {
        let place = tempfile::tempdir()?;
        let root = workspace::root();
        for tree in ["image", "provisioning/dist", "updater/daemon/dist"] {
            copy_tree(&root.join(tree), &place.path().join(tree))?;
        }
        copy_tree(&releases::keys()?, &place.path().join("keys"))?;
        copy_tree(
            &workspace::cache()?.join("packages"),
            &place.path().join("cache/packages"),
        )?;
        fs::create_dir(place.path().join("programs"))?;
        for program in Program::ALL {
            fs::copy(
                program.path()?,
                place.path().join("programs").join(program.name()),
            )?;
        }
        fs::copy(lock, place.path().join("lock.json"))?;
        fs::create_dir(place.path().join("out"))?;
        Ok(Self { place })
    }

    fn out(&self) -> PathBuf {
        self.at("out")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Builds as an ordinary user, from the lock.
    fn build(&self, version: &str) -> anyhow::Result<()> {
        let order = Order {
            recipe: &self.at(workspace::RECIPE),
            version,
            keys: &self.at("keys"),
            out: &self.out(),
            cache: &self.at("cache"),
            programs: &self.at("programs"),
            without: Some("security"),
        };
        let mut arguments = order.arguments();
        arguments.extend([OsString::from("--locked"), self.at("lock.json").into()]);
        let image = self.at("programs").join(Program::Image.name());
        let tools = Tools::host();
        let command = if rustix::process::geteuid().is_root() {
            give_away(self.place.path())?;
            tools
                .command(Tool::Setpriv)
                .args([
                    format!("--reuid={NOBODY}"),
                    format!("--regid={NOBODY}"),
                    "--clear-groups".to_owned(),
                    "--no-new-privs".to_owned(),
                    "--bounding-set=-all".to_owned(),
                ])
                .arg(image)
        } else {
            // Then the first build was an ordinary user's, too.
            tools.command(Tool::Own(image))
        };
        command
            .args(arguments)
            .current_dir(self.place.path())
            .run()?;
        Ok(())
    }
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn give_away(path: &Path) -> anyhow::Result<()> {
    let meta = path.symlink_metadata()?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    if !meta.is_symlink() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn names(directory: &Path) -> anyhow::Result<Vec<OsString>> {
    let mut names = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

fn same_bytes(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
