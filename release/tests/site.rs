//! A repository in a temporary directory, with its web server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acl_host::clock::FixedClock;
use acl_host::signature::VeritySignature;
use acl_host::verity::{self, Parameters};
use acl_release::channel::{ChannelName, Offer};
use acl_release::manifest::{Manifest, Part};
use acl_release::payload::assemble::{Readable, Sink};
use acl_release::repository::add::Effort;
use acl_release::repository::fetch::Stock;
use acl_release::repository::http::{Http, Network, Patience};
use acl_release::repository::publish::Publisher;
use acl_release::repository::read::Repository;
use acl_release::repository::sources::Sources;
use acl_release::trust::keys::{KeySource, Keyring};
use acl_release::trust::roles::Lifetimes;
use acl_release::version::Version;
use acl_release::{Error, Result};
use axum::response::Response;
use tempfile::TempDir;

use crate::uki::{Section, signed};
use crate::web::Web;
pub(crate) use crate::web::{answer, cut_answer};

pub(crate) const BEGIN: &str = "2026-11-01T00:00:00Z";

/// How an error about what a server sent ends, or goes on to its cause.
pub(crate) const MEND: &str = "; whoever keeps the repository must mend it";

pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) web: Web,
}

/// Little effort: what is tested is not how small it becomes.
pub(crate) const EFFORT: Effort = Effort {
    level: 1,
    patches: 2,
    patch_level: 3,
};

/// What a fetch gave.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fetched: u64,
    /// Bytes that were where they belong already.
    pub(crate) kept: u64,
}

/// A sink that keeps everything.
#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<Mutex<Memory>>);

impl Sink for Shared {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let mut memory = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let length = memory.bytes.len().max(start + bytes.len());
        memory.bytes.resize(length, 0);
        memory.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn kept(&mut self, _offset: u64, length: u32) -> std::io::Result<()> {
        self.0.lock().unwrap().kept += u64::from(length);
        Ok(())
    }

    fn fetched(&mut self, bytes: u64) {
        self.0.lock().unwrap().fetched += bytes;
    }
}

/// A file in memory.
pub(crate) struct Held(pub(crate) Vec<u8>);

impl verity::ReadAt for Held {
    fn length(&self) -> std::io::Result<u64> {
        self.0[..].length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0[..].read_exact_at(buffer, offset)
    }
}

pub(crate) fn held(bytes: &[u8]) -> Option<Readable> {
    Some(Arc::new(Held(bytes.to_vec())))
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub(crate) fn stable() -> ChannelName {
    "stable".parse().unwrap()
}

/// Bytes without pattern, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A build of a release whose files hang together as those of a real one do.
pub(crate) fn build(dir: &Path, release: &str, seed: u64) -> PathBuf {
    let usr = noise(seed, 400 * verity::BLOCK);
    build_of(dir, release, &usr, &noise(seed + 1, 100_000))
}

/// A build of this content; `kernel` is what its kernel image holds.
pub(crate) fn build_of(dir: &Path, release: &str, usr: &[u8], kernel: &[u8]) -> PathBuf {
    let tree = verity::build(usr, &Parameters::from_data(usr).unwrap()).unwrap();
    let signature = VeritySignature {
        root_hash: tree.root,
        certificate_fingerprint: [1; 32],
        signature: vec![2; 400],
    };
    let to = dir.join(release);
    std::fs::create_dir_all(&to).unwrap();
    let write = |name: &str, bytes: &[u8]| acl_host::file::scratch(to.join(name), bytes).unwrap();
    write("usr", usr);
    write("verity", &tree.bytes);
    write("signature", signature.to_json().as_bytes());
    let cmdline = cmdline(&signature);
    let sections: [Section<'_>; 2] = [(b".linux\0\0", kernel), (b".cmdline", cmdline.as_bytes())];
    write("uki", &signed(&sections));
    let description = serde_json::json!({
        "schema": 1, "version": release, "arch": "x86-64", "image_id": "acl", "root_hash": tree.root.to_string(),
        "files": {"usr": "usr", "verity": "verity", "signature": "signature", "uki": "uki", "disk": "none.raw"},
        "packages": [{"name": "zlib", "version": "1", "arch": "amd64"}, {"name": "bash", "version": "5", "arch": "amd64"}],
    });
    write(
        &format!("acl_{release}.json"),
        description.to_string().as_bytes(),
    );
    to
}

/// The kernel command line of a release, as the image builder writes it.
pub(crate) fn cmdline(signature: &VeritySignature) -> String {
    format!(
        "usrhash={} quiet systemd.verity_usr_options=panic-on-corruption,root-hash-signature=base64:{} panic=3",
        signature.root_hash,
        signature.signature_base64()
    )
}

impl Site {
    /// A repository with channels `beta` and `stable` and release 1 in `stable`.
    pub(crate) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(FixedClock::new(BEGIN.parse().unwrap()));
        let web = Web::new(dir.path().join("repo")).await;
        let site = Self {
            dir,
            clock,
            lifetimes: Lifetimes::default(),
            web,
        };
        site.publisher()
            .init(&["beta".parse().unwrap(), stable()])
            .unwrap();
        site.release("1", 1);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.web.url(path)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher_of(Keyring {
            dir: Some(self.path("keys")),
            ..Keyring::default()
        })
    }

    /// A publisher whose key of this role is elsewhere.
    pub(crate) fn publisher_with(&self, role: &str, key: KeySource) -> Publisher {
        self.publisher_of(Keyring {
            is_usual: false,
            dir: Some(self.path("keys")),
            named: BTreeMap::from([(role.to_owned(), key)]),
        })
    }

    fn publisher_of(&self, keys: Keyring) -> Publisher {
        Publisher::new(
            &self.path("repo"),
            keys,
            self.lifetimes.clone(),
            self.clock.clone(),
        )
        .unwrap()
    }

    /// Builds, adds and promotes a release.
    pub(crate) fn release(&self, release: &str, seed: u64) -> Manifest {
        self.publish(release, &build(&self.path("builds"), release, seed))
    }

    /// Adds and promotes a build.
    pub(crate) fn publish(&self, release: &str, build: &Path) -> Manifest {
        let added = self.publisher().add(build, &EFFORT, &mut |_| {}).unwrap();
        let offer = Offer::new(version(release), BEGIN.parse().unwrap());
        self.publisher().promote(&stable(), offer).unwrap();
        added.manifest
    }

    /// Reads the repository as a node does that has been named `node`.
    pub(crate) async fn open(&self, node: &str) -> Result<Repository> {
        self.open_from(node, &[self.web.base()], http()).await
    }

    /// The same, from these addresses and in this way.
    pub(crate) async fn open_from(
        &self,
        node: &str,
        addresses: &[&str],
        http: Http,
    ) -> Result<Repository> {
        let root = std::fs::read(self.path("root.json"))
            .unwrap_or_else(|_| std::fs::read(self.path("repo/metadata/1.root.json")).unwrap());
        let (sources, node) = (sources(addresses), self.path(node));
        Repository::open(sources, &root, &node, http, self.clock.clone()).await
    }

    /// Fetches a part of release 1; what lies before chunk `first` is there already.
    pub(crate) async fn fetch(&self, part: Part, first: usize, sink: &mut Memory) -> Result<()> {
        self.fetch_with(&self.open("node").await?, part, first, sink)
            .await
    }

    /// The same from a repository that is open.
    pub(crate) async fn fetch_with(
        &self,
        repository: &Repository,
        part: Part,
        first: usize,
        sink: &mut Memory,
    ) -> Result<()> {
        let manifest = repository.manifest(&version("1"), "x86-64").await?;
        let fetch = repository
            .fetch(part, &manifest.artifacts.part(part).plain(), None)
            .await?;
        let starts = fetch.index().starts();
        sink.bytes = std::fs::read(self.path("builds/1").join(part.as_str())).unwrap();
        sink.bytes.truncate(usize::try_from(starts[first]).unwrap());
        let stock = Stock {
            begun: held(&sink.bytes),
            old: None,
        };
        let shared = Shared(Arc::new(Mutex::new(std::mem::take(sink))));
        let fetched = fetch.run(stock, Box::new(shared.clone())).await;
        *sink = shared.0.lock().unwrap().clone();
        fetched.map(|_| ())
    }

    pub(crate) fn lie(
        &self,
        lie: impl Fn(&str, Option<&str>, usize) -> Option<Response> + Send + Sync + 'static,
    ) {
        self.web.lie(lie);
    }

    pub(crate) fn honest(&self) {
        self.web.honest();
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.web.asked(path)
    }

    /// The one file below the repository whose path ends like this.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let found: Vec<PathBuf> = files(&self.path("repo"))
            .into_iter()
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        assert_eq!(found.len(), 1, "{ending}: {found:?}");
        found[0].clone()
    }

    /// The address of a file of the repository.
    pub(crate) fn url_of(&self, file: &Path) -> String {
        self.url(
            file.strip_prefix(self.path("repo"))
                .unwrap()
                .to_str()
                .unwrap(),
        )
    }
}

/// All files below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

/// Copies a directory with all below it.
pub(crate) fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

/// Changes one bit of a file.
pub(crate) fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 1;
    acl_host::file::scratch(file, &bytes).unwrap();
}

/// Addresses of a repository.
pub(crate) fn sources(addresses: &[&str]) -> Sources {
    Sources::parse(addresses.iter().copied()).unwrap()
}

/// Patience that does not wait between its tries.
pub(crate) fn impatient() -> Patience {
    Patience {
        pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        retries: 2,
        ..Patience::default()
    }
}

/// A client that does not wait between its tries.
pub(crate) fn http() -> Http {
    http_over(&Network::default())
}

/// The same over a network of the operator's.
pub(crate) fn http_over(network: &Network) -> Http {
    let clock = FixedClock::new(BEGIN.parse().unwrap());
    Http::new(impatient(), network, Arc::new(clock)).unwrap()
}

/// The message of an error with its causes.
pub(crate) fn told<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => acl_host::error::chain(&error),
    }
}

pub(crate) fn error<T>(result: Result<T>) -> Error {
    result.err().expect("an error")
}
