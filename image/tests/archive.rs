//! From a signed archive to a tree, with the host's real apt. The archive is `data/archive`: made once, signed by
//! `data/archive.gpg`; `data/other.gpg` is somebody else's key. Nothing of it goes over a network.

use std::fs;
use std::path::{Path, PathBuf};

use acl_host::Who;
use acl_host::error::chain;
use acl_host::file::{read, scratch};
use acl_image::Error;
use acl_image::archive::mirror::HostMirrors;
use acl_image::archive::store::Store;
use acl_image::lock::Lock;
use acl_image::recipe::Recipe;
use acl_image::resolve::{Mirrors, Resolver};
use acl_image::step::compose::compose;

/// A recipe for the test archive, and directories for what comes out of it.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    keyring: &'static str,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&data("archive"), &dir.path().join("archive"));
        Self {
            dir,
            keyring: "archive.gpg",
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A recipe whose `[packages]` holds `packages`, and that ends with `rest`.
    pub(crate) fn recipe(&self, packages: &str, rest: &str) -> Recipe {
        let keyring = data(self.keyring);
        let text = format!(
            "schema = 1\n[image]\nid = \"t\"\nesp = \"64 MiB\"\nusr = \"8 MiB\"\nverity = \"1 MiB\"\nsignature = \"1 MiB\"\n\
             root = \"64 MiB\"\n[[source]]\nname = \"test\"\nsuite = \"test\"\ncomponents = [\"main\"]\nkeyring = {keyring:?}\n\
             mirror = \"copy:{}\"\n[packages]\nfrom = [\"test\"]\n{packages}\n{rest}",
            self.path("archive").display()
        );
        scratch(self.path("r.toml"), text.as_bytes()).unwrap();
        Recipe::read(&self.path("r.toml")).unwrap()
    }

    fn mirrors(&self, recipe: &Recipe) -> Mirrors {
        // A host without any apt source: the recipe names its mirror.
        fs::create_dir_all(self.path("host/etc")).unwrap();
        scratch(self.path("host/etc/os-release"), b"VERSION_CODENAME=test\n").unwrap();
        Mirrors::find(recipe, &HostMirrors::read(&self.path("host")).unwrap()).unwrap()
    }

    pub(crate) fn lock(&self, recipe: &Recipe) -> Result<Lock, Error> {
        let mirrors = self.mirrors(recipe);
        Resolver::new(recipe, &mirrors, &self.path("apt")).lock()
    }

    fn fetch(&self, recipe: &Recipe, lock: &Lock) -> Result<(Store, u64), Error> {
        let mirrors = self.mirrors(recipe);
        let store = Store::open(&self.path("packages")).unwrap();
        let bytes = store.fetch(&lock.all(), |name| mirrors.of(name))?;
        Ok((store, bytes))
    }

    fn compose(&self, recipe: &Recipe) -> Result<PathBuf, Error> {
        let lock = self.lock(recipe)?;
        let (store, _) = self.fetch(recipe, &lock)?;
        let tree = self.path("tree");
        fs::create_dir(&tree).unwrap();
        compose(recipe, &lock, &store, &tree)?;
        Ok(tree)
    }

    /// An error's whole text, without the directory.
    fn text(&self, error: &Error) -> String {
        chain(error).replace(self.dir.path().to_str().unwrap(), "DIR")
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Every path below `root` that is no directory, sorted.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => left.push(entry.path()),
                false => found.push(
                    entry
                        .path()
                        .strip_prefix(root)
                        .unwrap()
                        .display()
                        .to_string(),
                ),
            }
        }
    }
    found.sort();
    found
}

fn names(lock: &Lock) -> Vec<(&str, &str)> {
    let packages = lock.packages.iter();
    packages
        .map(|package| (package.name.as_str(), package.version.as_str()))
        .collect()
}

#[test]
fn packages_come_with_what_they_depend_on() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    assert_eq!(
        names(&lock),
        [("app", "2.0"), ("base", "1:1.0-1"), ("extra", "1.5")]
    );
    let tree = site.compose(&recipe).unwrap();
    let expected = [
        "bin",
        "etc/app",
        "etc/app.conf",
        "lib",
        "usr/bin/hard",
        "usr/bin/tool",
        "usr/lib/app/app",
        "usr/lib/extra/one",
        "usr/lib/extra/two",
        "usr/share/doc/base/readme",
    ];
    assert_eq!(files(&tree), expected);
    assert_eq!(
        fs::read_link(tree.join("lib")).unwrap(),
        Path::new("usr/lib")
    );
    assert_eq!(read(tree.join("lib/app/app")).unwrap(), b"app\n");
}

#[test]
fn what_is_omitted_stays_out_and_what_is_taken_comes_alone() {
    let site = Site::new();
    let take = "[[take]]\nsource = \"test\"\npackage = \"extra\"\nfiles = [\"usr/lib/extra/two\"]\nreason = \"x\"\n";
    let recipe = site.recipe(
        "install = [\"app\"]\nomit = [{ name = \"base\", reason = \"x\" }, { name = \"extra\", reason = \"x\" }]",
        take,
    );
    let tree = site.compose(&recipe).unwrap();
    assert_eq!(
        files(&tree),
        [
            "etc/app",
            "etc/app.conf",
            "usr/lib/app/app",
            "usr/lib/extra/two"
        ]
    );
}

#[test]
fn what_the_archive_does_not_have_is_refused_with_its_line() {
    let take = |files: &str| {
        format!(
            "[[take]]\nsource = \"test\"\npackage = \"extra\"\nfiles = [{files}]\nreason = \"x\"\n"
        )
    };
    let cases = [
        (
            "install = [\"app\",\n \"apq\"]",
            String::new(),
            "DIR/r.toml:18: the package apq is in none of the archives test: correct its name, or add the archive that has it",
        ),
        (
            "install = [\"app\"]\nomit = [{ name = \"clash\", reason = \"x\" }]",
            String::new(),
            "DIR/r.toml:18: clash is omitted, but no package depends on it: remove the line",
        ),
        (
            "install = [\"base\"]",
            take("\"usr/lib/extra/three\""),
            "DIR/r.toml:20: the package extra has no file usr/lib/extra/three",
        ),
        (
            "install = [\"app\", \"clash\"]",
            String::new(),
            "the package clash cannot be unpacked: usr/bin/tool: the package base brought it already",
        ),
    ];
    for (packages, rest, expected) in cases {
        let site = Site::new();
        let error = site.compose(&site.recipe(packages, &rest)).unwrap_err();
        assert_eq!(site.text(&error), expected);
        assert_eq!(error.who(), Who::Operator);
    }
}

/// apt leaves out of its list what lies in its cache, as an interrupted run of another program may have left it.
#[test]
fn what_apt_keeps_in_its_cache_is_listed_all_the_same() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let mut directories = fs::read_dir(site.path("apt")).unwrap();
    let archives = directories
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("cache/archives");
    assert!(directories.next().is_none());
    for (file, cached) in [
        ("base_1.0-1_all.deb", "base_1%3a1.0-1_all.deb"),
        ("app_2.0_all.deb", "app_2.0_all.deb"),
    ] {
        let file = site.path("archive/pool").join(file);
        fs::copy(file, archives.join(cached)).unwrap();
    }
    assert_eq!(names(&site.lock(&recipe).unwrap()), names(&lock));
}

#[test]
fn packages_that_contradict_each_other_are_refused_in_apt_s_words() {
    let site = Site::new();
    let error = site
        .lock(&site.recipe("install = [\"needy\"]", ""))
        .unwrap_err();
    let text = site.text(&error);
    assert!(
        text.starts_with("the packages of DIR/r.toml cannot be installed together: apt-get failed"),
        "{text}"
    );
    assert_eq!(error.who(), Who::Operator);
}

#[test]
fn an_archive_that_another_key_signed_is_refused() {
    let site = Site {
        keyring: "other.gpg",
        ..Site::new()
    };
    let error = site
        .lock(&site.recipe("install = [\"app\"]", ""))
        .unwrap_err();
    let text = site.text(&error);
    assert!(text.starts_with("cannot read the archives test: one cannot be reached, or is not signed by its keyring: "), "{text}");
    assert_eq!(error.who(), Who::Server);
}

#[test]
fn an_index_that_was_changed_is_refused() {
    let site = Site::new();
    let index = site.path("archive/dists/test/main/binary-amd64/Packages");
    let mut bytes = read(&index).unwrap();
    let at = bytes.windows(4).position(|text| text == b"2.0\n").unwrap();
    bytes[at] = b'3';
    scratch(&index, &bytes).unwrap();
    let error = site
        .lock(&site.recipe("install = [\"app\"]", ""))
        .unwrap_err();
    assert_eq!(error.who(), Who::Server, "{}", site.text(&error));
}

#[test]
fn a_package_that_was_changed_never_gets_into_the_store() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let deb = site.path("archive/pool/app_2.0_all.deb");
    let mut bytes = read(&deb).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    scratch(&deb, &bytes).unwrap();
    let error = site.fetch(&recipe, &lock).unwrap_err();
    assert_eq!(error.who(), Who::Server, "{}", site.text(&error));
    assert!(
        site.text(&error)
            .contains("app_2.0_all.deb  Hash Sum mismatch"),
        "{}",
        site.text(&error)
    );
    assert_eq!(files(&site.path("packages")), Vec::<String>::new());
}

#[test]
fn what_is_in_the_store_is_not_fetched_again_and_not_trusted_either() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let size: u64 = lock.packages.iter().map(|package| package.size).sum();
    assert_eq!(site.fetch(&recipe, &lock).unwrap().1, size);
    fs::remove_dir_all(site.path("archive/pool")).unwrap();
    let (store, fetched) = site.fetch(&recipe, &lock).unwrap();
    assert_eq!(fetched, 0);
    scratch(store.path(&lock.packages[0]), b"something else").unwrap();
    let error = compose(&recipe, &lock, &store, &site.path("tree")).unwrap_err();
    let expected = format!(
        "DIR/packages/{}.deb is damaged: remove it, so that it is fetched again",
        lock.packages[0].sha256
    );
    assert_eq!(site.text(&error), expected);
}

/// A link that leads to itself stands for a disk that fails: what cannot be looked at is not missing.
#[test]
fn what_cannot_be_looked_at_is_not_missing() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let (store, _) = site.fetch(&recipe, &lock).unwrap();
    let circle = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(path);
        std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap();
    };
    let expected = |path: &Path| {
        let path = path.strip_prefix(site.dir.path()).unwrap().display();
        format!("cannot read DIR/{path}: Too many levels of symbolic links (os error 40)")
    };
    let package = store.path(&lock.packages[0]);
    circle(&package);
    let error = site.fetch(&recipe, &lock).unwrap_err();
    assert_eq!(site.text(&error), expected(&package));
    for name in ["sources.list.d", "sources.list"] {
        let path = site.path("host/etc/apt").join(name);
        circle(&path);
        let error = HostMirrors::read(&site.path("host")).unwrap_err();
        assert_eq!(site.text(&error), expected(&path));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_lock_serves_its_own_recipe_only() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let path = site.path("lock.json");
    scratch(&path, &lock.to_json().unwrap()).unwrap();
    assert_eq!(Lock::read(&path, &recipe).unwrap(), lock);
    let other = site.recipe("install = [\"app\", \"clash\"]", "");
    let error = Lock::read(&path, &other).unwrap_err();
    assert_eq!(
        site.text(&error),
        "the lock DIR/lock.json was not made for DIR/r.toml: the package \"clash\" is in the recipe and not in the lock; \
         build once without --locked to make a new one"
    );
    scratch(&path, b"{}").unwrap();
    let error = Lock::read(&path, &recipe).unwrap_err();
    assert!(
        site.text(&error)
            .starts_with("DIR/lock.json is not a lock of acl-image"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    let error = Lock::read(&path, &recipe).unwrap_err();
    assert_eq!(
        site.text(&error),
        "cannot read the lock DIR/lock.json: No such file or directory (os error 2)"
    );
    assert_eq!(error.who(), Who::Operator);
}

/// The archive's index stays signed for ever; a build after another one takes no older one.
#[test]
fn an_archive_that_is_older_than_an_earlier_build_s_is_refused() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let dates: Vec<String> = lock
        .dates
        .iter()
        .map(|dated| format!("{} {} {}", dated.source, dated.suite, dated.date))
        .collect();
    assert_eq!(dates, ["test test 2025-11-01T00:00:00Z"]);

    let earlier = |date: &str| {
        let mut earlier = lock.clone();
        earlier.dates[0].date = date.parse().unwrap();
        scratch(site.path("earlier.json"), &earlier.to_json().unwrap()).unwrap();
        lock.not_older_than(None, &site.path("earlier.json"))
    };
    assert_eq!(earlier("2025-10-31T23:59:59Z").unwrap(), []);
    assert_eq!(earlier("2025-11-01T00:00:00Z").unwrap(), []);
    let error = earlier("2025-11-01T00:00:01Z").unwrap_err();
    assert_eq!(
        site.text(&error),
        "the archive test (test) is of 2025-11-01T00:00:00Z, and the lock DIR/earlier.json was made of one of 2025-11-01T00:00:01Z: \
         its mirror is behind or withholds updates; take another one with --mirror"
    );
    assert_eq!(error.who(), Who::Server);
}

/// A source that has another name now cannot be compared, which is told; it is no reason not to rename one.
#[test]
fn a_source_that_an_earlier_build_had_under_no_such_name_is_told() {
    let site = Site::new();
    let lock = site.lock(&site.recipe("install = [\"app\"]", "")).unwrap();
    let mut earlier = lock.clone();
    for change in [
        |earlier: &mut Lock| earlier.dates[0].source = "other".to_owned(),
        |earlier: &mut Lock| earlier.dates[0].suite = "other".to_owned(),
    ] {
        change(&mut earlier);
        scratch(site.path("earlier.json"), &earlier.to_json().unwrap()).unwrap();
        let unknown = lock.not_older_than(None, &site.path("earlier.json"));
        assert_eq!(unknown.unwrap(), lock.dates);
    }
}

/// A lock of before there were dates can be built from, and nothing can be compared with it.
#[test]
fn a_lock_without_dates_is_read_and_not_compared_with() {
    let site = Site::new();
    let recipe = site.recipe("install = [\"app\"]", "");
    let lock = site.lock(&recipe).unwrap();
    let mut old: serde_json::Value = serde_json::from_slice(&lock.to_json().unwrap()).unwrap();
    for key in ["dates", "added"] {
        old.as_object_mut().unwrap().remove(key).unwrap();
    }
    scratch(site.path("old.json"), old.to_string().as_bytes()).unwrap();
    let read = Lock::read(&site.path("old.json"), &recipe).unwrap();
    assert_eq!(
        (read.dates, read.packages),
        (Vec::new(), lock.packages.clone())
    );
    assert_eq!(read.added, None);
    scratch(site.path("new.json"), &lock.to_json().unwrap()).unwrap();
    let old = Lock::read(&site.path("old.json"), &recipe).unwrap();
    for compared in [
        lock.not_older_than(None, &site.path("old.json")),
        old.not_older_than(Some(&site.path("old.json")), &site.path("new.json")),
    ] {
        let error = compared.unwrap_err();
        assert_eq!(
            site.text(&error),
            "the lock DIR/old.json does not say when its archives were made, so --after has nothing to compare: build once \
             without --locked and --after to make one that does"
        );
        assert_eq!(error.who(), Who::Operator);
    }
}

#[test]
fn what_a_variant_adds_to_its_base_is_in_the_lock() {
    let site = Site::new();
    assert_eq!(
        site.lock(&site.recipe("install = [\"extra\"]", ""))
            .unwrap()
            .added,
        Some(Vec::new())
    );
    scratch(
        site.path("v.toml"),
        b"schema = 1\nextends = \"r.toml\"\n[packages]\ninstall = [\"app\"]\n",
    )
    .unwrap();
    let variant = Recipe::read(&site.path("v.toml")).unwrap();
    let added = site.lock(&variant).unwrap().added.unwrap();
    assert_eq!(added, ["app", "base"]);
}
