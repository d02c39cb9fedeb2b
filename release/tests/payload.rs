//! What arrives is what was built: all of it, whatever the machine has, with few bytes and few requests.

use std::sync::{Arc, Mutex};

use acl_release::Error;
use acl_release::manifest::{Artifact, Manifest, Part};
use acl_release::payload::assemble::Sink;
use acl_release::payload::inner;
use acl_release::repository::add::{Doing, Effort, Outcome};
use acl_release::repository::fetch::Stock;
use tokio_util::sync::CancellationToken;

use crate::site::{
    EFFORT, Memory, Shared, Site, build_of, error, held, noise, stable, told, version,
};
use crate::web::{answer, stalling_answer};

fn document(artifact: &Artifact) -> u64 {
    artifact.index.size
}

#[tokio::test]
async fn every_part_arrives_as_it_was_built() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let channel = repository.channel(&stable()).await.unwrap();
    let manifest = repository
        .manifest(&channel.releases[0].version, "x86-64")
        .await
        .unwrap();
    for part in Part::ALL {
        let mut sink = Memory::default();
        site.fetch(part, 0, &mut sink).await.unwrap();
        assert!(
            sink.bytes == std::fs::read(site.path("builds/1").join(part.as_str())).unwrap(),
            "{part}"
        );
        let artifact = manifest.artifacts.part(part);
        let bytes = artifact.pack.size + document(artifact);
        assert_eq!(sink.fetched, bytes, "{part}");
        let asked = site.asked(&format!("blobs/{}", artifact.pack.sha256));
        assert_eq!(asked, 1, "{part}");
    }
    assert_eq!(manifest.packages[0].name, "bash");
    assert_eq!(manifest.patches, []);
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let usr = repository
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .usr;
    let fetch = repository
        .fetch(Part::Usr, &usr.plain(), None)
        .await
        .unwrap();
    let file = std::fs::read(site.path("builds/1/usr")).unwrap();
    let chunks = fetch.index().chunks();
    for first in [1, chunks.len() / 2, chunks.len() - 1, chunks.len()] {
        let mut sink = Memory::default();
        site.fetch(Part::Usr, first, &mut sink).await.unwrap();
        assert!(sink.bytes == file, "{first}");
        let missing = chunks[first..].iter().map(|chunk| u64::from(chunk.packed));
        let bytes = missing.sum::<u64>() + document(&usr);
        assert_eq!(
            (sink.fetched, sink.kept),
            (bytes, fetch.index().starts()[first])
        );
    }
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_fetch() {
    struct Full;
    impl Sink for Full {
        fn chunk(&mut self, offset: u64, _bytes: &[u8]) -> std::io::Result<()> {
            if offset > 0 {
                Err(std::io::Error::from_raw_os_error(28))
            } else {
                Ok(())
            }
        }
    }
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let usr = repository
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .usr;
    let fetch = repository
        .fetch(Part::Usr, &usr.plain(), None)
        .await
        .unwrap();
    let ran = fetch.run(Stock::default(), Box::new(Full)).await;
    let failed = error(ran.map(|_| ()));
    assert_eq!(failed.who(), acl_host::Who::Environment);
    let expected = format!(
        "cannot write usr at byte {}: No space left on device (os error 28)",
        fetch.index().starts()[1]
    );
    assert_eq!(acl_host::error::chain(&failed), expected);
}

/// The server stands still in the middle of the pack; that is no lost network, and nothing waits for it.
#[tokio::test]
async fn a_cancelled_fetch_ends_while_the_server_stands_still() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let manifest = repository.manifest(&version("1"), "x86-64").await.unwrap();
    let usr = manifest.artifacts.usr;
    let (token, path) = (
        CancellationToken::new(),
        format!("/blobs/{}", usr.pack.sha256),
    );
    let (cancel, size) = (token.clone(), usize::try_from(usr.pack.size).unwrap());
    site.lie(move |asked, _, _| {
        (asked == path).then(|| {
            cancel.cancel();
            stalling_answer(200, &[], vec![0; 10], size)
        })
    });
    let form = usr.plain();
    let fetch = repository.fetch(Part::Usr, &form, None).await;
    let fetch = fetch.unwrap().cancelled_by(token);
    let shared = Shared::default();
    let ran = fetch.run(Stock::default(), Box::new(shared.clone())).await;
    let failed = error(ran.map(|_| ()));
    assert!(
        matches!(failed, Error::Cancelled { part: Part::Usr }),
        "{failed}"
    );
    assert!(shared.0.lock().unwrap().bytes.is_empty());
    assert_eq!(site.asked(&format!("blobs/{}", usr.pack.sha256)), 1);
}

/// A sink that tells where its chunks begin, and that it is gone.
struct Telling(std::sync::mpsc::Sender<u64>);

impl Sink for Telling {
    fn chunk(&mut self, offset: u64, _bytes: &[u8]) -> std::io::Result<()> {
        self.0.send(offset).map_err(std::io::Error::other)
    }
}

/// A site whose releases 2 and 3 each differ a little from the one before.
struct Pair {
    site: Site,
    manifest: Manifest,
}

impl Pair {
    async fn new() -> Self {
        let site = Site::new().await;
        let mut usr = noise(1, 400 * 4096);
        let mut initrd: Vec<u8> = noise(5, 600_000);
        for byte in initrd.iter_mut().step_by(2) {
            *byte = 7;
        }
        let mut manifest = None;
        for (release, place) in [("2", 100_000), ("3", 900_000)] {
            usr[place] ^= 1;
            usr.splice(place + 70_000..place + 70_000, noise(6, 4096));
            initrd[place / 2] ^= 1;
            let mut frame = Vec::new();
            let mut encoder = zstd::stream::Encoder::new(&mut frame, 7).unwrap();
            std::io::copy(&mut initrd.as_slice(), &mut encoder).unwrap();
            encoder.finish().unwrap();
            let uki = [noise(8, 5000), frame, noise(9, 3000)].concat();
            let build = build_of(&site.path("builds"), release, &usr, &uki);
            manifest = Some(site.publish(release, &build));
        }
        let manifest = manifest.unwrap();
        Self { site, manifest }
    }

    fn built(&self, release: &str, part: Part) -> Vec<u8> {
        let path = self.site.path("builds").join(release).join(part.as_str());
        std::fs::read(path).unwrap()
    }

    /// Fetches a part of release 3 with the patch from `from`, when there is one.
    async fn fetch(&self, part: Part, from: &str, stock: Stock) -> acl_release::Result<Memory> {
        let repository = self.site.open("node").await?;
        let artifact = self.manifest.artifacts.part(part);
        let patches = &self.manifest.patches;
        let patch = patches.iter().find(|patch| patch.version == version(from));
        let patch = patch.and_then(|patch| patch.part(part));
        let form = match patch {
            Some(_) => artifact.comparable().1,
            None => artifact.plain(),
        };
        let fetch = repository.fetch(part, &form, patch).await?;
        let shared = Shared(Arc::new(Mutex::new(Memory::default())));
        fetch.run(stock, Box::new(shared.clone())).await?;
        Ok(shared.0.lock().unwrap().clone())
    }

    fn asked(&self, blob: &acl_release::manifest::Blob) -> usize {
        self.site.asked(&format!("blobs/{}", blob.sha256))
    }
}

fn old(bytes: &[u8]) -> Stock {
    Stock {
        old: held(bytes),
        begun: None,
    }
}

/// Whoever waited for it is gone: what needs nothing of the network is not copied either, as it is when the network is
/// lost.
#[tokio::test]
async fn a_fetch_that_is_dropped_copies_nothing_behind_what_it_waited_for() {
    let pair = Pair::new().await;
    let mut patches = pair.manifest.patches.iter();
    let patch = patches.find(|patch| patch.version == version("2")).unwrap();
    let described = patch.part(Part::Usr).unwrap();
    let path = format!("/blobs/{}", described.pack.sha256);
    let (asked, server) = (Arc::new(tokio::sync::Notify::new()), described.pack.size);
    let tell = asked.clone();
    pair.site.lie(move |asked, _, _| {
        (asked == path).then(|| {
            tell.notify_one();
            stalling_answer(200, &[], Vec::new(), usize::try_from(server).unwrap())
        })
    });
    let repository = pair.site.open("node").await.unwrap();
    let artifact = pair.manifest.artifacts.part(Part::Usr);
    let form = artifact.comparable().1;
    let fetch = repository.fetch(Part::Usr, &form, Some(described)).await;
    let fetch = fetch.unwrap();
    let (sender, chunks) = std::sync::mpsc::channel();
    let stock = old(&pair.built("2", Part::Usr));
    tokio::select! {
        ran = fetch.run(stock, Box::new(Telling(sender))) => unreachable!("it ended: {}", told(ran.map(|_| ()))),
        () = asked.notified() => {}
    }
    // Ends when the sink is gone.
    let copied: Vec<u64> = chunks.iter().collect();
    assert!(copied.iter().all(|offset| *offset < 900_000), "{copied:?}");
}

#[tokio::test]
async fn a_node_of_a_release_before_fetches_the_patch_alone() {
    let pair = Pair::new().await;
    let from: Vec<&str> = pair
        .manifest
        .patches
        .iter()
        .map(|p| p.version.as_str())
        .collect();
    assert_eq!(from, ["2", "1"]);
    let usr = &pair.manifest.artifacts.usr;
    for (release, most) in [("2", 20_000), ("1", 40_000)] {
        let stock = old(&pair.built(release, Part::Usr));
        let memory = pair.fetch(Part::Usr, release, stock).await.unwrap();
        assert!(memory.bytes == pair.built("3", Part::Usr), "{release}");
        assert!(memory.fetched < most, "{release}: {}", memory.fetched);
    }
    assert_eq!(pair.asked(&usr.pack), 0);
    assert_eq!(pair.asked(&pair.manifest.patches[0].usr.pack), 1);
    assert_eq!(EFFORT.patches, 2);
}

#[tokio::test]
async fn what_is_compressed_in_a_file_travels_unpacked() {
    let pair = Pair::new().await;
    let (inner, _) = pair.manifest.artifacts.uki.comparable();
    assert_eq!(inner.len(), 1);
    let patch = &pair.manifest.patches[0].uki;
    let mut unpacked = Vec::new();
    let file = pair.built("2", Part::Uki);
    inner::unpack(&mut file.as_slice(), &patch.base.inner, &mut unpacked).unwrap();
    let memory = pair.fetch(Part::Uki, "2", old(&unpacked)).await.unwrap();
    assert!(memory.fetched < 4000, "{}", memory.fetched);
    let mut pressed = Vec::new();
    inner::press(&mut memory.bytes.as_slice(), inner, &mut pressed).unwrap();
    assert!(pressed == pair.built("3", Part::Uki));
    // Of an old one that is damaged, what is missing comes unpacked, too.
    let damaged = unpacked.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    let whole = pair.fetch(Part::Uki, "2", old(&damaged)).await.unwrap();
    assert!(whole.bytes == memory.bytes);
    // A node without one takes it as it is.
    let plain = pair.fetch(Part::Uki, "0", Stock::default()).await.unwrap();
    assert!(plain.bytes == pressed);
}

#[tokio::test]
async fn a_node_of_an_unknown_release_takes_what_it_recognises() {
    let pair = Pair::new().await;
    let usr = pair.manifest.artifacts.usr.clone();
    let stock = old(&pair.built("1", Part::Usr));
    let memory = pair.fetch(Part::Usr, "0", stock).await.unwrap();
    assert!(memory.bytes == pair.built("3", Part::Usr));
    let (least, most) = (10_000, usr.pack.size * 3 / 4);
    assert!(
        (least..most).contains(&memory.fetched),
        "{}",
        memory.fetched
    );
    let stock = old(&noise(77, 300_000));
    let memory = pair.fetch(Part::Usr, "0", stock).await.unwrap();
    assert!(memory.bytes == pair.built("3", Part::Usr));
    assert_eq!(memory.fetched, usr.pack.size + document(&usr));
}

#[tokio::test]
async fn an_old_slot_that_does_not_read_back_right_is_made_up_for() {
    let pair = Pair::new().await;
    let mut damaged = pair.built("2", Part::Usr);
    for place in [5, 600_000, 1_200_000] {
        damaged[place] ^= 0x10;
    }
    damaged.truncate(1_500_000);
    let memory = pair.fetch(Part::Usr, "2", old(&damaged)).await.unwrap();
    assert!(memory.bytes == pair.built("3", Part::Usr));
    let usr = &pair.manifest.artifacts.usr;
    assert!(
        memory.fetched < usr.pack.size / 2 + document(usr),
        "{}",
        memory.fetched
    );
}

#[tokio::test]
async fn a_patch_that_is_damaged_or_gone_is_done_without() {
    let pair = Pair::new().await;
    let stock = || old(&pair.built("2", Part::Usr));
    let patch = pair.manifest.patches[0].usr.clone();
    for blob in [patch.pack, patch.index] {
        let path = format!("/blobs/{}", blob.sha256);
        for status in [200, 206, 404] {
            let path = path.clone();
            pair.site.lie(move |asked, _, _| {
                let bytes = noise(3, usize::try_from(blob.size).unwrap());
                let range = format!("bytes 0-{}/{}", blob.size - 1, blob.size);
                (asked == path).then(|| answer(status, &[("content-range", range)], bytes))
            });
            let memory = pair.fetch(Part::Usr, "2", stock()).await.unwrap();
            assert!(memory.bytes == pair.built("3", Part::Usr), "{status}");
            // What stays is still taken from the old slot.
            let most = pair.manifest.artifacts.usr.pack.size / 4;
            assert!(memory.fetched < most, "{status}: {}", memory.fetched);
        }
    }
    // What is wrong in the whole pack, too, is told.
    let whole = pair.manifest.artifacts.usr.pack;
    let paths = [patch.pack, whole].map(|blob| (format!("/blobs/{}", blob.sha256), blob.size));
    pair.site.lie(move |asked, _, _| {
        let (_, size) = paths.iter().find(|(path, _)| *path == asked)?;
        let bytes = noise(3, usize::try_from(*size).unwrap());
        Some(answer(200, &[], bytes))
    });
    let told = told(pair.fetch(Part::Usr, "2", stock()).await.map(|_| ()));
    assert!(told.starts_with("chunk "), "{told}");
    assert!(
        told.contains("is refused; whoever keeps the repository must mend it"),
        "{told}"
    );
}

/// Else a fault of a moment would cost the whole file.
#[tokio::test]
async fn a_patch_that_is_not_to_be_had_now_is_fetched_later() {
    let pair = Pair::new().await;
    let patch = pair.manifest.patches[0].usr.clone();
    let usr = pair.manifest.artifacts.usr.clone();
    let stock = || old(&pair.built("2", Part::Usr));
    for blob in [patch.pack, patch.index] {
        let path = format!("/blobs/{}", blob.sha256);
        pair.site
            .lie(move |asked, _, _| (asked == path).then(|| answer(503, &[], Vec::new())));
        let told = told(pair.fetch(Part::Usr, "2", stock()).await.map(|_| ()));
        assert!(told.contains("503 Service Unavailable"), "{told}");
        assert_eq!(pair.asked(&usr.pack), 0);
    }
    pair.site.honest();
    let memory = pair.fetch(Part::Usr, "2", stock()).await.unwrap();
    assert!(memory.fetched < 20_000, "{}", memory.fetched);
}

#[tokio::test]
async fn an_interrupted_fetch_goes_on_with_what_is_still_missing() {
    let pair = Pair::new().await;
    let new = pair.built("3", Part::Usr);
    let mut begun = new.clone();
    begun[800_000..1_100_000].fill(0);
    let stock = Stock {
        old: held(&pair.built("2", Part::Usr)),
        begun: held(&begun),
    };
    let memory = pair.fetch(Part::Usr, "2", stock).await.unwrap();
    let kept = memory.kept;
    assert!(kept > 800_000, "{kept}");
    let from = memory.bytes.iter().position(|byte| *byte != 0).unwrap();
    assert!(from > 500_000 && memory.bytes[from..] == new[from..memory.bytes.len()]);
    // The other change lies in what is there.
    assert!(memory.fetched < 12_000, "{}", memory.fetched);
}

/// A patch that lost a bit is made again when its release is added once more.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
async fn a_release_is_added_again_only_as_it_is() {
    let pair = Pair::new().await;
    let add = |release: &str, tell: &mut dyn FnMut(Doing<'_>)| {
        let build = pair.site.path("builds").join(release);
        pair.site.publisher().add(&build, &EFFORT, tell)
    };
    let mut compared = Vec::new();
    let mut tell = |doing: Doing<'_>| {
        if let Doing::Compare(part, from) = doing {
            compared.push(format!("{part} {from}"));
        }
    };
    let whole = add("3", &mut tell).unwrap();
    assert_eq!(
        (whole.manifest, whole.outcome),
        (pair.manifest.clone(), Outcome::Unchanged)
    );
    let patch = pair.manifest.patches[1].uki.pack;
    let path = pair.site.path(&format!("repo/blobs/{}", patch.sha256));
    let whole = std::fs::read(&path).unwrap();
    acl_host::file::scratch(&path, &whole[1..]).unwrap();
    let mended = add("3", &mut tell).unwrap();
    assert_eq!(
        (mended.manifest, mended.outcome),
        (pair.manifest.clone(), Outcome::Mended(1))
    );
    assert!(std::fs::read(&path).unwrap() == whole);
    assert_eq!(compared, ["usr 1", "uki 1"]);
    // Nor does it stay damaged without a word when patches are made otherwise, or none.
    std::fs::remove_file(&path).unwrap();
    let build = pair.site.path("builds/3");
    let again = |effort: Effort| pair.site.publisher().add(&build, &effort, &mut |_| {});
    let harder = Effort {
        patch_level: 19,
        ..EFFORT
    };
    let refused = error(again(harder));
    assert_eq!(refused.who(), acl_host::Who::Operator);
    let expected = format!(
        "{} is damaged or missing, which is of the patch from 1 of release 3, and made again it has other bytes: add the \
         release with the `--patch-level` and the version of acl-release that it was added with, or restore the file from a copy",
        path.display()
    );
    assert_eq!(refused.to_string(), expected);
    assert!(!path.exists());
    let fewer = Effort {
        patches: 0,
        ..EFFORT
    };
    assert_eq!(again(fewer).unwrap().manifest, pair.manifest);
    assert!(std::fs::read(&path).unwrap() == whole);
    let initrd = pair.manifest.artifacts.uki.unpacked.as_ref().unwrap().pack;
    std::fs::remove_file(pair.site.path(&format!("repo/blobs/{}", initrd.sha256))).unwrap();
    let harder = Effort {
        level: 12,
        ..EFFORT
    };
    let refused = told(again(harder));
    let expected = format!(
        "{} is damaged or missing, which is of uki of release 3",
        initrd.sha256
    );
    assert!(
        refused.contains(&expected) && refused.contains("`--level`"),
        "{refused}"
    );
    assert_eq!(again(EFFORT).unwrap().manifest, pair.manifest);
    build_of(&pair.site.path("builds"), "3", &noise(2, 4096), b"uki");
    let refused = told(add("3", &mut |_| {}).map(|_| ()));
    assert!(refused.contains("3 for x86-64"), "{refused}");
}
