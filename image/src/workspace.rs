//! Where a build puts what: every path of a build comes from here.

use std::path::{Path, PathBuf};

use acl_host::file;
use tempfile::TempDir;

use crate::{Error, memory};

/// The paths of one build: a cache that builds share, a scratch directory, and the names of the products.
///
/// Products are made in the scratch directory, which is inside of the output directory, and get their final names
/// together at the end: a build that fails leaves an older one of the same version as it was.
#[derive(Debug)]
pub struct Workspace {
    scratch: TempDir,
    /// Holds the tree; apart from `scratch`, for it may be in memory.
    tree: TempDir,
    out: PathBuf,
    stem: String,
}

impl Workspace {
    /// Makes `out` and a scratch directory in it, which goes away with the value. Files begin with `<id>_<version>`.
    ///
    /// # Errors
    /// [`Error::MakeDirectory`].
    pub fn open(out: &Path, id: &str, version: &str) -> Result<Self, Error> {
        let fail = |source| Error::MakeDirectory {
            path: out.to_owned(),
            source,
        };
        std::fs::create_dir_all(out).map_err(fail)?;
        let new = |directory: &Path| {
            let made = tempfile::Builder::new()
                .prefix(&memory::prefix())
                .tempdir_in(directory);
            made.map_err(fail)
        };
        let memory = memory::directory();
        let places = [out, memory.as_deref().unwrap_or(out)];
        places.iter().for_each(|place| memory::sweep(place));
        Ok(Self {
            scratch: new(places[0])?,
            tree: new(places[1])?,
            out: out.to_owned(),
            stem: format!("{id}_{version}"),
        })
    }

    /// The tree that becomes the image; made by [`crate::step::compose`].
    pub fn tree(&self) -> PathBuf {
        self.tree.path().join("tree")
    }

    /// A file that no one needs after the build.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A product before it is whole.
    pub fn unfinished(&self, product: Product) -> PathBuf {
        self.scratch.path().join(self.name(product))
    }

    /// The file name of a product.
    pub fn name(&self, product: Product) -> String {
        format!("{}{}", self.stem, product.suffix())
    }

    /// Gives `products` their final names, the last one last: what reads a build reads that one first.
    ///
    /// # Errors
    /// [`Error::Host`].
    pub fn finish(&self, products: &[Product]) -> Result<(), Error> {
        for product in products {
            file::rename(
                self.unfinished(*product),
                self.out.join(self.name(*product)),
            )?;
        }
        Ok(())
    }

    /// Where a product is after [`Self::finish`].
    pub fn finished(&self, product: Product) -> PathBuf {
        self.out.join(self.name(product))
    }
}

/// A file that a build makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// The erofs image of `/usr`.
    Usr,
    /// Its verity superblock and tree.
    Verity,
    /// The signature of its root hash (UAPI.2).
    Signature,
    /// The signed unified kernel image.
    Uki,
    /// The disk image.
    Raw,
    /// The disk image for QEMU.
    Qcow2,
    /// The disk image for Azure and Hyper-V.
    Vhd,
    /// The exact packages.
    Lock,
    /// What the build is, for whoever publishes it.
    Description,
}

impl Product {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Usr => ".usr.erofs",
            Self::Verity => ".usr.verity",
            Self::Signature => ".usr.verity-sig.json",
            Self::Uki => ".efi",
            Self::Raw => ".raw",
            Self::Qcow2 => ".qcow2",
            Self::Vhd => ".vhd",
            Self::Lock => ".lock.json",
            Self::Description => ".json",
        }
    }
}
