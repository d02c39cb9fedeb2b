//! One bit flipped in any file of a repository is refused, and the error names the file.

use acl_host::Who;
use acl_release::manifest::Part;
use acl_release::repository::refresh::Renewal;

use crate::site::{MEND, Memory, Site, error, flip, stable, told, version};

/// Flips each `step`th byte of a file of metadata in turn; each time the repository must be refused, naming the role.
async fn metadata_is_refused(site: &Site, file: &str, role: &str, step: usize) {
    let path = site.path("repo/metadata").join(file);
    let expected = format!(
        "the metadata of role {role} at {} is refused{MEND}",
        site.url(&format!("metadata/{file}"))
    );
    let length = std::fs::read(&path).unwrap().len();
    for at in (0..length).step_by(step) {
        flip(&path, at);
        let opened = async { site.open("node").await?.channel(&stable()).await }.await;
        assert!(
            opened
                .as_ref()
                .is_err_and(|error| error.who() == Who::Server),
            "byte {at} of {file}"
        );
        let told = told(opened);
        assert!(told.starts_with(&expected), "byte {at} of {file}: {told}");
        flip(&path, at);
    }
    site.open("node").await.unwrap();
}

#[tokio::test]
async fn root() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    site.publisher().refresh(&[Renewal::Root]).unwrap();
    let path = site.path("repo/metadata/2.root.json");
    let expected = format!(
        "the metadata of role root at {} is refused{MEND}",
        site.url("metadata/2.root.json")
    );
    for at in (0..std::fs::read(&path).unwrap().len()).step_by(19) {
        flip(&path, at);
        let told = told(site.open("node").await);
        assert!(told.starts_with(&expected), "byte {at}: {told}");
        flip(&path, at);
    }
    site.open("node").await.unwrap();
}

#[tokio::test]
async fn timestamp() {
    metadata_is_refused(&Site::new().await, "timestamp.json", "timestamp", 5).await;
}

#[tokio::test]
async fn snapshot() {
    metadata_is_refused(&Site::new().await, "3.snapshot.json", "snapshot", 97).await;
}

#[tokio::test]
async fn targets() {
    metadata_is_refused(&Site::new().await, "2.targets.json", "targets", 97).await;
}

#[tokio::test]
async fn channel_role() {
    metadata_is_refused(
        &Site::new().await,
        "2.channel-stable.json",
        "channel-stable",
        97,
    )
    .await;
}

#[tokio::test]
async fn channel_document() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let name = repository.channel(&stable()).await.unwrap();
    let listed = site.path("repo/targets/channels");
    let newest = std::fs::read_dir(&listed)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = newest
        .max_by_key(|path| std::fs::metadata(path).unwrap().len())
        .unwrap();
    flip(&file, 40);
    let told = told(repository.channel(&name.name).await);
    let expected = format!(
        "channels/stable.json at {} has SHA-256 ",
        site.url_of(&file)
    );
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.ends_with(MEND), "{told}");
}

#[tokio::test]
async fn manifest() {
    let site = Site::new().await;
    let file = site.file(".x86-64.json");
    flip(&file, 100);
    let repository = site.open("node").await.unwrap();
    let refused = repository.manifest(&version("1"), "x86-64").await;
    assert_eq!(
        refused.as_ref().err().map(acl_release::Error::who),
        Some(Who::Server)
    );
    let told = told(refused);
    assert!(
        told.starts_with(&format!(
            "releases/1/x86-64.json at {} has SHA-256 ",
            site.url_of(&file)
        )),
        "{told}"
    );
    assert!(told.ends_with(MEND), "{told}");
}

#[tokio::test]
async fn index() {
    let site = Site::new().await;
    let blob = site
        .open("node")
        .await
        .unwrap()
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .verity
        .index;
    let path = format!("blobs/{}", blob.sha256);
    flip(&site.path("repo").join(&path), 20);
    let told = told(site.fetch(Part::Verity, 0, &mut Memory::default()).await);
    assert!(
        told.starts_with(&format!(
            "the index of verity at {} has SHA-256 ",
            site.url(&path)
        )),
        "{told}"
    );
    assert!(told.ends_with(MEND), "{told}");
}

#[tokio::test]
async fn pack() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let usr = repository
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .usr;
    let index = repository
        .fetch(Part::Usr, &usr.plain(), None)
        .await
        .unwrap()
        .index()
        .clone();
    let path = format!("blobs/{}", usr.pack.sha256);
    let number = 5;
    let chunk = index.chunks()[number];
    flip(
        &site.path("repo").join(&path),
        usize::try_from(chunk.offset + u64::from(chunk.packed) / 2).unwrap(),
    );
    let mut sink = Memory::default();
    let refused = error(site.fetch(Part::Usr, 0, &mut sink).await);
    assert_eq!(refused.who(), Who::Server);
    let offset = index.starts()[number];
    let expected = format!(
        "chunk {number} of usr (at byte {offset}, from {}) is refused{MEND}",
        site.url(&path)
    );
    assert_eq!(refused.to_string(), expected);
    // All else has arrived, so that the next try fetches little.
    let mut expected = std::fs::read(site.path("builds/1/usr")).unwrap();
    let refused =
        usize::try_from(offset).unwrap()..usize::try_from(index.starts()[number + 1]).unwrap();
    expected[refused].fill(0);
    assert!(sink.bytes == expected);
}

/// Another blob, of the right length and whole in itself, in the place of the pack.
#[tokio::test]
async fn a_pack_that_was_exchanged() {
    let site = Site::new().await;
    let manifest = site
        .open("node")
        .await
        .unwrap()
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap();
    let pack = site
        .path("repo/blobs")
        .join(manifest.artifacts.uki.pack.sha256.to_string());
    let other = zstd::bulk::compress(&vec![0; 1000], 1).unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[..other.len()].copy_from_slice(&other);
    acl_host::file::scratch(&pack, &bytes).unwrap();
    let mut sink = Memory::default();
    let told = told(site.fetch(Part::Uki, 0, &mut sink).await);
    assert!(
        told.starts_with("chunk 0 of uki (at byte 0, from "),
        "{told}"
    );
    assert!(sink.bytes.iter().take(1000).all(|byte| *byte == 0));
}
