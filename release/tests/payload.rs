//! What arrives is what was built: all of it, from any chunk on, with few requests.

use acl_release::manifest::Part;
use acl_release::payload::unpack::Sink;

use crate::site::{Memory, Site, error, stable, version};

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
        let pack = manifest.artifacts.part(part).pack;
        assert_eq!(sink.fetched, pack.size, "{part}");
        assert_eq!(site.asked(&format!("blobs/{}", pack.sha256)), 1, "{part}");
    }
    assert_eq!(manifest.packages[0].name, "bash");
}

#[tokio::test]
async fn a_fetch_goes_on_from_any_chunk() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let usr = repository
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .usr;
    let fetch = repository.fetch(Part::Usr, &usr).await.unwrap();
    let file = std::fs::read(site.path("builds/1/usr")).unwrap();
    let count = fetch.index().chunks().len();
    for first in [1, count / 2, count - 1, count] {
        let mut sink = Memory::default();
        site.fetch(Part::Usr, first, &mut sink).await.unwrap();
        let start = usize::try_from(fetch.index().start_of(first)).unwrap();
        assert!(sink.bytes[start..] == file[start..], "{first}");
        assert_eq!(sink.fetched, fetch.bytes_from(first), "{first}");
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
    let fetch = repository.fetch(Part::Usr, &usr).await.unwrap();
    let failed = error(fetch.run(0, &mut Full).await);
    assert_eq!(failed.who(), acl_host::Who::Environment);
    let expected = format!(
        "cannot write usr at byte {}: No space left on device (os error 28)",
        fetch.index().start_of(1)
    );
    assert_eq!(acl_host::error::chain(&failed), expected);
}
