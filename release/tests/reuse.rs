//! What the publisher takes from older releases instead of compressing it again.

use std::path::Path;

use acl_release::manifest::{Artifact, Manifest, Part};
use acl_release::repository::add::{Doing, Effort};

use crate::site::{EFFORT, Site, build, build_of, noise, version};

/// No patches: they would refuse an older pack that is damaged.
const ALONE: Effort = Effort {
    patches: 0,
    ..EFFORT
};

/// Adds a build; of each pack that was made, in their order: the part, its chunks, and how many of them were taken.
fn add(site: &Site, build: &Path, effort: &Effort) -> (Manifest, Vec<(Part, usize, usize)>) {
    let mut packed = Vec::new();
    let mut tell = |doing: Doing<'_>| {
        if let Doing::Packed {
            part,
            chunks,
            taken,
        } = doing
        {
            packed.push((part, chunks, taken));
        }
    };
    let added = site.publisher().add(build, effort, &mut tell).unwrap();
    (added.manifest, packed)
}

/// A build in the site: the first release's files with so many changes in usr and with an initrd in the UKI.
fn changed(site: &Site, release: &str, changes: usize) -> std::path::PathBuf {
    let mut usr = noise(1, 400 * 4096);
    for change in 0..changes {
        usr[200_000 + change * 500_000] ^= 1;
    }
    let mut initrd = noise(5, 600_000);
    initrd.iter_mut().step_by(2).for_each(|byte| *byte = 7);
    initrd[300_000] ^= u8::try_from(changes).unwrap();
    let mut frame = Vec::new();
    let mut encoder = zstd::stream::Encoder::new(&mut frame, 7).unwrap();
    std::io::copy(&mut initrd.as_slice(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    let uki = [noise(8, 400_000), frame, noise(9, 3000)].concat();
    build_of(&site.path("builds"), release, &usr, &uki)
}

/// The pack of an artifact.
fn pack(site: &Site, artifact: &Artifact) -> std::path::PathBuf {
    site.path(&format!("repo/blobs/{}", artifact.pack.sha256))
}

/// A release 3 as a repository makes it in which nothing is like it.
async fn anew(changes: usize, effort: &Effort) -> Manifest {
    let site = Site::new().await;
    let other = build(&site.path("builds"), "1", 77);
    std::fs::remove_dir_all(site.path("repo")).unwrap();
    std::fs::remove_dir_all(site.path("keys")).unwrap();
    site.publisher().init(&[]).unwrap();
    add(&site, &other, effort);
    let (manifest, packed) = add(&site, &changed(&site, "3", changes), effort);
    assert!(packed.iter().all(|(_, _, taken)| *taken == 0), "{packed:?}");
    manifest
}

#[tokio::test]
async fn a_release_costs_the_publisher_what_changed_and_is_the_same_bytes() {
    let site = Site::new().await;
    add(&site, &changed(&site, "2", 0), &ALONE);
    let (manifest, packed) = add(&site, &changed(&site, "3", 2), &ALONE);
    let compressed: Vec<(Part, usize)> = packed
        .iter()
        .map(|(part, chunks, taken)| (*part, chunks - taken))
        .collect();
    // The tree and the signature are one chunk each; the kernel image ends with the command line, which is another.
    let expected = [
        (Part::Usr, 2),
        (Part::Verity, 1),
        (Part::Signature, 1),
        (Part::Uki, 3),
        (Part::Uki, 2),
    ];
    assert_eq!(compressed, expected, "{packed:?}");
    assert!(packed[0].1 > 15, "{packed:?}");
    let anew = anew(2, &ALONE).await;
    assert_eq!(manifest.artifacts, anew.artifacts);
}

#[tokio::test]
async fn an_older_pack_that_is_damaged_spoils_no_release() {
    let site = Site::new().await;
    let (older, _) = add(&site, &changed(&site, "2", 0), &ALONE);
    let path = pack(&site, &older.artifacts.usr);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.iter_mut().step_by(5000).for_each(|byte| *byte ^= 1);
    acl_host::file::scratch(&path, &bytes).unwrap();
    std::fs::remove_file(pack(&site, &older.artifacts.uki)).unwrap();
    let (manifest, packed) = add(&site, &changed(&site, "3", 1), &ALONE);
    let taken: Vec<usize> = packed.iter().map(|(.., taken)| *taken).collect();
    // What precedes the initrd is in the unpacked form, too, but for the header, which has the initrd's length.
    assert_eq!(taken, [0, 0, 0, 5, 12], "{packed:?}");
    assert_eq!(manifest.artifacts, anew(1, &ALONE).await.artifacts);
}

#[tokio::test]
async fn another_level_takes_nothing() {
    let site = Site::new().await;
    add(&site, &changed(&site, "2", 0), &ALONE);
    let hard = Effort { level: 12, ..ALONE };
    let (manifest, packed) = add(&site, &changed(&site, "3", 1), &hard);
    assert!(packed.iter().all(|(_, _, taken)| *taken == 0), "{packed:?}");
    assert_eq!(manifest.version, version("3"));
    assert_eq!(manifest.artifacts, anew(1, &hard).await.artifacts);
}
