//! One file of `storage.files`.

use std::fs::File as Opened;
use std::io::{self, Read, Write};

use ring::digest::{Context, SHA256};

use super::{appended, owner};
use crate::config::spec::{File, Resource};
use crate::fetch::Fetcher;
use crate::root::{Batch, FILE_MODE, Fresh, Kind, Node, Owner, Place, Root};
use crate::{Error, Result};

/// What is told of a file whose contents did not change.
const THERE: &str = "is there already";

/// Makes it (Ignition spec, `storage.files`), and tells what was done.
///
/// | at the path | `overwrite` | `contents` | result |
/// |---|---|---|---|
/// | nothing | any | any | a new file, empty without contents and append |
/// | file | no | no | stays, with `append` behind it |
/// | file | no | yes | error, unless it is that file already |
/// | something else | no | any | error |
/// | anything | yes | any | a new file |
pub(super) async fn make(
    file: &File,
    root: &Root,
    fetcher: &Fetcher,
    batch: &mut Batch,
) -> Result<&'static str> {
    let owner = owner::of(&file.path, file.user.as_ref(), file.group.as_ref(), root)?;
    let mode = owner::mode(file.mode);
    let place = root.place(&file.path)?;
    batch.make_way(&place)?;
    let there = place.node()?;
    let overwrite = file.overwrite == Some(true);
    match there {
        Some(node) if !overwrite && node.kind != Kind::File => Err(Error::Occupied {
            path: place.path().to_owned(),
            wanted: Kind::File,
            found: node.kind,
        }),
        Some(_) if !overwrite && source(file.contents.as_ref()).is_some() => {
            accept(file, &place, mode, owner, fetcher).await?;
            Ok(THERE)
        }
        Some(node) if !overwrite => {
            let work = Append {
                file,
                root,
                node,
                batch,
            };
            work.run(&place, mode, owner, fetcher).await
        }
        Some(_) | None => {
            let work = Replace { file, root, batch };
            work.run(&place, mode, owner, fetcher).await?;
            Ok("written")
        }
    }
}

/// A new file, in the place of anything.
struct Replace<'a> {
    file: &'a File,
    root: &'a Root,
    batch: &'a mut Batch,
}

impl Replace<'_> {
    async fn run(
        self,
        place: &Place,
        mode: Option<u32>,
        owner: Owner,
        fetcher: &Fetcher,
    ) -> Result<()> {
        let Self { file, root, batch } = self;
        let mut fresh = batch.fresh(place)?;
        fetch_all(place, file.contents.iter(), &mut fresh, fetcher).await?;
        let mut pieces = Digesting::new(&mut fresh);
        fetch_all(place, file.append.iter().flatten(), &mut pieces, fetcher).await?;
        let pieces = pieces.pieces.finish();
        if source(file.contents.as_ref()).is_none() && appends(file) {
            // Made of nothing but appends: the next run finds a file to append to.
            appended::note(root, place.path(), pieces.as_ref(), pieces.as_ref())?;
        }
        if matches!(place.node()?, Some(node) if node.kind == Kind::Directory) {
            place.remove()?;
        }
        batch.add(fresh, mode.unwrap_or(FILE_MODE), owner)
    }
}

/// A file that must not be overwritten is accepted where it is what the config says.
///
/// Ignition refuses here. But then nothing that was interrupted could be run again.
async fn accept(
    file: &File,
    place: &Place,
    mode: Option<u32>,
    owner: Owner,
    fetcher: &Fetcher,
) -> Result<()> {
    let mut there = place.open()?;
    let mut fresh = place.fresh()?;
    let pieces = file.contents.iter().chain(file.append.iter().flatten());
    fetch_all(place, pieces, &mut fresh, fetcher).await?;
    match fresh.same_as(&mut there) {
        Ok(true) => place.set(mode, owner),
        Ok(false) => Err(Error::OtherContents {
            path: place.path().to_owned(),
        }),
        Err(source) => Err(read_error(place, source)),
    }
}

/// A file that stays, with something behind it.
struct Append<'a> {
    file: &'a File,
    root: &'a Root,
    node: Node,
    batch: &'a mut Batch,
}

impl Append<'_> {
    async fn run(
        self,
        place: &Place,
        mode: Option<u32>,
        owner: Owner,
        fetcher: &Fetcher,
    ) -> Result<&'static str> {
        if !appends(self.file) {
            return place.set(mode, owner).map(|()| THERE);
        }
        let mut there = place.open()?;
        let mut fresh = self.batch.fresh(place)?;
        let mut out = Digesting::new(&mut fresh);
        out.copy(&mut there)
            .map_err(|source| read_error(place, source))?;
        let before = out.whole.clone().finish();
        let pieces = self.file.append.iter().flatten();
        fetch_all(place, pieces, &mut out, fetcher).await?;
        let (pieces, after) = (out.pieces.finish(), out.whole.finish());
        let pieces = pieces.as_ref();
        if appended::noted(self.root, place.path(), before.as_ref(), pieces)? {
            return place.set(mode, owner).map(|()| THERE);
        }
        appended::note(self.root, place.path(), after.as_ref(), pieces)?;
        let owner = Owner {
            uid: owner.uid.or(Some(self.node.uid)),
            gid: owner.gid.or(Some(self.node.gid)),
        };
        let mode = mode.unwrap_or(self.node.mode);
        self.batch.add(fresh, mode, owner)?;
        Ok("appended to")
    }
}

async fn fetch_all<'a>(
    place: &Place,
    resources: impl Iterator<Item = &'a Resource>,
    out: &mut (dyn Write + Send),
    fetcher: &Fetcher,
) -> Result<()> {
    for resource in resources {
        // An empty source means empty contents, not that nothing is said (Ignition spec).
        if source(Some(resource)).is_some_and(|source| !source.is_empty()) {
            let fetched = fetcher.fetch_to(resource, out).await;
            // A `data:` URL does not tell which of many it is.
            fetched.map_err(|source| Error::Contents {
                path: place.path().to_owned(),
                source: Box::new(source),
            })?;
        }
    }
    Ok(())
}

fn source(resource: Option<&Resource>) -> Option<&str> {
    resource.and_then(|resource| resource.source.as_deref())
}

fn appends(file: &File) -> bool {
    file.append
        .iter()
        .flatten()
        .any(|piece| piece.source.is_some())
}

/// Writes on, and knows the digests of what was written through it and of the whole file.
struct Digesting<'a> {
    out: &'a mut Fresh,
    pieces: Context,
    whole: Context,
}

impl<'a> Digesting<'a> {
    fn new(out: &'a mut Fresh) -> Self {
        Self {
            out,
            pieces: Context::new(&SHA256),
            whole: Context::new(&SHA256),
        }
    }

    /// Copies what was there before, which is not one of the pieces.
    fn copy(&mut self, from: &mut Opened) -> io::Result<()> {
        let mut buffer = [0; 8192];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            self.whole.update(&buffer[..length]);
            self.out.write_all(&buffer[..length])?;
        }
    }
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.pieces.update(&bytes[..length]);
        self.whole.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn read_error(place: &Place, source: io::Error) -> Error {
    Error::Host(acl_host::Error::ReadFile {
        path: place.path().to_owned(),
        source,
    })
}
