//! What a build is, for whoever publishes it.

use std::collections::BTreeMap;

use acl_host::verity::RootHash;
use serde::Serialize;

use crate::Error;
use crate::archive::package::Package;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::workspace::{Product, Workspace};

/// `<id>_<version>.json` beside the files of a build.
#[derive(Debug, Serialize)]
pub struct Description {
    schema: u32,
    version: String,
    arch: &'static str,
    image_id: String,
    root_hash: String,
    files: BTreeMap<&'static str, String>,
    packages: Vec<Installed>,
}

/// A package of which files are in the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Installed {
    /// The package's name.
    pub name: String,
    /// Its version, with the epoch.
    pub version: String,
    /// `amd64` or `all`.
    pub arch: String,
}

impl Description {
    /// Describes a build whose products are in `workspace`.
    pub fn new(
        recipe: &Recipe,
        version: &str,
        root: RootHash,
        packages: Vec<Installed>,
        workspace: &Workspace,
    ) -> Self {
        let files = [
            ("usr", Product::Usr),
            ("verity", Product::Verity),
            ("signature", Product::Signature),
            ("uki", Product::Uki),
            ("disk", Product::Raw),
        ];
        Self {
            schema: 1,
            version: version.to_owned(),
            arch: "x86-64",
            image_id: recipe.id.clone(),
            root_hash: root.to_string(),
            files: files
                .map(|(key, product)| (key, workspace.name(product)))
                .into(),
            packages,
        }
    }
}

/// The packages of which files are in the image, sorted.
pub fn installed(recipe: &Recipe, lock: &Lock) -> Vec<Installed> {
    let omitted = |package: &&Package| {
        recipe
            .packages
            .omit
            .iter()
            .any(|omission| omission.package.name == package.name)
    };
    let laid = lock.packages.iter().filter(|package| !omitted(package));
    let all = laid.chain(&lock.takes).map(|package| Installed {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
    });
    let mut all: Vec<Installed> = all.collect();
    all.sort();
    all.dedup();
    all
}

/// A document as it is written to disk: indented, with a line break at its end.
///
/// # Errors
/// [`Error::WriteDocument`], which would be a bug.
pub fn to_json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(Error::WriteDocument)?;
    bytes.push(b'\n');
    Ok(bytes)
}
