//! Container images that come with the image, so that a node needs no registry for them.

use std::io;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use crate::Error;
use crate::oci;
use crate::recipe::Container;
use crate::step::lay;

/// Where the node finds them, below the tree.
const PLACE: &str = "usr/share/acl/containers";

/// Neither root nor any user of the node: what runs in them needs no rights.
const USER: u32 = 65535;

/// Writes the archive of `container`, made from its program in `tree`, into the tree.
///
/// # Errors
/// [`Error::Recipe`] when the program is missing or is not linked statically; [`Error::ReadElf`] when it is no
/// program; [`Error::ChangeTree`], [`Error::Host`].
pub fn container(container: &Container, tree: &Path) -> Result<(), Error> {
    let place = tree.join(place(container));
    let mut words = container.entrypoint.iter();
    let path = words.next().map_or("", |path| path.trim_start_matches('/'));
    let image = oci::Container {
        reference: container.reference.clone(),
        files: vec![oci::File {
            path: path.to_owned(),
            mode: 0o755,
            bytes: program(container, tree)?,
        }],
        entrypoint: container.entrypoint.clone(),
        user: USER,
    };
    let archive = image.archive().map_err(|source| Error::ChangeTree {
        path: place.clone(),
        source,
    })?;
    lay::file(&place, &archive)
}

/// Where the archive of `container` goes, below the tree.
fn place(container: &Container) -> PathBuf {
    Path::new(PLACE).join(format!("{}.tar", container.reference.name()))
}

/// The program, for which there will be no library in its container.
fn program(container: &Container, tree: &Path) -> Result<Vec<u8>, Error> {
    let path = tree.join(&container.program.name);
    let refuse = |why: &str| Error::Recipe {
        place: container.program.place.clone(),
        reason: format!("{} {why}", container.program.name),
    };
    let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => refuse("is not in the composed tree"),
        _ => Error::ReadInput {
            path: path.clone(),
            source,
        },
    })?;
    match is_static(&bytes) {
        Ok(true) => Ok(bytes),
        Ok(false) => Err(refuse(
            "is not linked statically, and has no libraries in a container",
        )),
        Err(source) => Err(Error::ReadElf { path, source }),
    }
}

/// Whether the kernel starts the program by itself, without a loader.
fn is_static(bytes: &[u8]) -> Result<bool, object::read::Error> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, bytes)? {
        if segment.interpreter(endian, bytes)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::container;
    use crate::Error;
    use crate::recipe::{Container, Named, Place};

    const PROGRAM: &str = "usr/bin/pause";

    /// What making a container of a program of these bytes ends with, and its archive.
    fn make(program: Option<&[u8]>) -> (Result<(), String>, Option<Vec<u8>>) {
        let tree = tempfile::tempdir().unwrap();
        if let Some(bytes) = program {
            crate::step::lay::file(&tree.path().join(PROGRAM), bytes).unwrap();
        }
        let wanted = Container {
            reference: "localhost/acl/pause:1".parse().unwrap(),
            program: Named {
                name: PROGRAM.to_owned(),
                place: Place {
                    file: "r.toml".into(),
                    line: 7,
                },
            },
            entrypoint: vec!["/pause".to_owned(), "-P".to_owned()],
        };
        let made = container(&wanted, tree.path());
        let archive = std::fs::read(tree.path().join("usr/share/acl/containers/pause.tar"));
        (made.map_err(|error: Error| error.to_string()), archive.ok())
    }

    /// The header of a program of no segments.
    fn bare() -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[16] = 2;
        header[18] = 62;
        header[20] = 1;
        header[52] = 64;
        header[54] = 56;
        header[58] = 64;
        header
    }

    #[test]
    fn a_static_program_becomes_an_archive() {
        let (made, archive) = make(Some(&bare()));
        assert_eq!(made, Ok(()));
        let archive = archive.unwrap();
        assert_eq!(make(Some(&bare())).1.as_ref(), Some(&archive));
        let name = b"localhost/acl/pause:1".as_slice();
        assert!(archive.windows(name.len()).any(|part| part == name));
    }

    #[test]
    fn programs_that_could_not_run_are_refused() {
        let refused = |program| make(program).0.unwrap_err();
        assert_eq!(
            refused(None),
            "r.toml:7: usr/bin/pause is not in the composed tree"
        );
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            refused(Some(&this)),
            "r.toml:7: usr/bin/pause is not linked statically, and has no libraries in a container"
        );
        let script = refused(Some(b"#!/bin/sh\n"));
        assert!(script.starts_with("cannot read the program "), "{script}");
    }
}
