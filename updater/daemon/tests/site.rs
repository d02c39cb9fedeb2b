//! A real release repository, served on loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use acl_host::clock::{Clock, SystemClock};
use acl_release::{
    channel::Offer,
    manifest::Manifest,
    repository::{
        add::Effort,
        publish::Publisher,
        serve::serve,
        store::{Metadata, Store},
    },
    trust::{keys::Keyring, roles::Lifetimes},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{artifact, node::copy_tree};

/// The repository, and its server.
pub(crate) struct Site {
    dir: TempDir,
    server: Server,
}

/// A server on a thread of its own, until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Site {
    /// An empty repository with the channel `stable`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site_keys = dir.path().join("keys");
        std::fs::create_dir_all(&site_keys).unwrap();
        let repository = dir.path().join("repository");
        publisher(dir.path())
            .init(&["stable".parse().unwrap()])
            .unwrap();
        let server = Server::of(repository);
        Self { dir, server }
    }

    /// Another server, of the repository as it is now.
    pub(crate) fn freeze(&self) -> Server {
        let copy = self.dir.path().join("frozen");
        copy_tree(&self.repository(), &copy);
        Server::of(copy)
    }

    /// Have the repository ready as it is after `change`, to be shown at one stroke; until then it stays as it is.
    pub(crate) fn prepare(&self, change: impl FnOnce()) {
        let (now, prepared) = (
            self.dir.path().join("now"),
            self.dir.path().join("prepared"),
        );
        copy_tree(&self.repository(), &now);
        change();
        std::fs::rename(self.repository(), prepared).unwrap();
        std::fs::rename(now, self.repository()).unwrap();
    }

    /// Show what was prepared.
    pub(crate) fn show_prepared(&self) {
        std::fs::rename(self.repository(), self.dir.path().join("before")).unwrap();
        std::fs::rename(self.dir.path().join("prepared"), self.repository()).unwrap();
    }

    /// Build and publish a release.
    pub(crate) fn publish(&self, version: &str) {
        let build = self.build(version);
        let publisher = publisher(self.dir.path());
        let effort = Effort {
            level: 1,
            patch_level: 3,
            ..Effort::default()
        };
        publisher.add(&build, &effort, &mut |_| {}).unwrap();
        let offer = Offer::new(version.parse().unwrap(), SystemClock.now());
        publisher
            .promote(&"stable".parse().unwrap(), offer)
            .unwrap();
    }

    /// What the repository says of a release.
    pub(crate) fn manifest(&self, version: &str) -> Manifest {
        let store = Store::new(&self.repository());
        let manifests = store.manifests(&Metadata::load(&store).unwrap()).unwrap();
        let mut found = manifests.into_iter();
        found
            .find(|manifest| manifest.version.as_str() == version)
            .unwrap()
    }

    /// The directory with the build of a release, made when it is not there.
    pub(crate) fn build(&self, version: &str) -> PathBuf {
        let dir = self.dir.path().join("builds").join(version);
        if !dir.exists() {
            artifact::write_build(&dir, version);
        }
        dir
    }

    /// Take a release back.
    pub(crate) fn withdraw(&self, version: &str, why: &str) {
        self.amend(version, |offer| offer.withdrawn = Some(why.into()));
    }

    /// Pause a release, or go on with it.
    pub(crate) fn pause(&self, version: &str, paused: bool) {
        self.amend(version, |offer| offer.paused = paused);
    }

    /// Change a release's offer in the channel.
    fn amend(&self, version: &str, change: impl FnOnce(&mut Offer)) {
        publisher(self.dir.path())
            .amend(
                &"stable".parse().unwrap(),
                &version.parse().unwrap(),
                change,
            )
            .unwrap();
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn trusted_root(&self) -> Vec<u8> {
        acl_host::file::read(self.repository().join("metadata/1.root.json")).unwrap()
    }

    pub(crate) fn keys(&self) -> Keyring {
        keyring(self.dir.path())
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }
}

impl Server {
    fn of(repository: PathBuf) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let stopped = async { drop(stopped.await) };
                serve(listener, &repository, stopped).await.unwrap();
            });
        });
        Self {
            address: told.recv().unwrap(),
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn keyring(dir: &Path) -> Keyring {
    Keyring {
        dir: Some(dir.join("keys")),
        ..Keyring::default()
    }
}

fn publisher(dir: &Path) -> Publisher {
    let keys = keyring(dir);
    let clock = Arc::new(SystemClock);
    Publisher::new(&dir.join("repository"), keys, Lifetimes::default(), clock).unwrap()
}
