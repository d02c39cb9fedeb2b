//! A build, from a recipe to the files of a release; read from top to bottom it is the list of its steps.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use acl_host::entry::EntryName;
use acl_host::file;
use acl_host::signature::VeritySignature;
use acl_host::tool::Tools;
use acl_host::verity::{self, RootHash};
use jiff::Timestamp;

use crate::Error;
use crate::archive::mirror::HostMirrors;
use crate::archive::store::Store;
use crate::description::{Description, Installed, installed, to_json};
use crate::keys::Keys;
use crate::lock::Lock;
use crate::progress::{note, step};
use crate::recipe::Recipe;
use crate::resolve::{Mirrors, Resolver};
use crate::step::settle::{self, Identity, Root};
use crate::step::{
    compose, container, disk, esp, formats, initrd, lay, prune, scripts, sign, uki, usr,
};
use crate::tools_tree;
use crate::workspace::{Product, Workspace};

/// Where packages keep what goes onto the ESP, below the composed tree.
const EFI_PROGRAMS: &str = "usr/lib/systemd/boot/efi";
/// The list of packages, in the image.
const PACKAGES: &str = "usr/share/acl/packages.json";

/// What a build is made from, apart from the recipe.
#[derive(Debug)]
pub struct Request {
    /// The version that the image gets; of characters `A-Za-z0-9.^~-`.
    pub version: String,
    /// The directory for the products.
    pub out: PathBuf,
    /// The directory of the keys, as `acl-image keys init` makes it.
    pub keys: PathBuf,
    /// The directory of the own programs that the recipe names.
    pub programs: PathBuf,
    /// Packages, archive indexes and tools that builds share.
    pub cache: PathBuf,
    /// Build from exactly these packages, instead of from what the archives hold now.
    pub locked: Option<PathBuf>,
    /// The lock of an earlier build: no archive may be older than it was then.
    pub after: Option<PathBuf>,
    /// Formats of the disk image besides raw.
    pub formats: Vec<Format>,
    /// Keys must be valid now. The build's result does not depend on it.
    pub now: Timestamp,
}

/// A format of the disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk byte by byte; always made.
    Raw,
    /// For QEMU.
    Qcow2,
    /// Fixed size, for Azure and Hyper-V.
    Vhd,
}

/// What a build ended with.
#[derive(Debug)]
pub struct Built {
    /// The build description, which names the other files.
    pub description: PathBuf,
    /// The root hash of `/usr`.
    pub root_hash: RootHash,
}

/// Builds `recipe` as `request` says.
///
/// The same lock, recipe, trees, programs and keys give the same bytes.
///
/// # Errors
/// The version, the keys, the own programs and the mirrors are checked before anything is made or fetched. All else is
/// the error of the step that meets it: a lock of another recipe, a package that no archive has, a layer that is not
/// there, a `/usr` that is too large. Products of an older build are replaced only when all steps are done.
pub fn build(recipe: &Recipe, request: &Request) -> Result<Built, Error> {
    let version = request.version.as_str();
    let entry = entry(version)?;
    let keys = Keys::load(&request.keys, request.now)?;
    let programs = lay::find_programs(&recipe.programs, &request.programs)?;
    let mirrors = Mirrors::find(recipe, &HostMirrors::read(Path::new("/"))?)?;

    let lock = step("resolve packages", || lock(recipe, request, &mirrors))?;
    let store = Store::open(&request.cache.join("packages"))?;
    step("fetch packages", || {
        store.fetch(&lock.all(), |name| mirrors.of(name))
    })?;
    let tools = step("tools tree", || {
        tools_tree::tools(&lock.tools, &store, &request.cache)
    })?;

    let workspace = Workspace::open(&request.out, &recipe.id, version)?;
    let packages = installed(recipe, &lock);
    step("compose", || compose(recipe, &lock, &store, &workspace))?;
    step("lay", || {
        lay(recipe, &programs, &packages, &workspace, &tools)
    })?;
    step("containers", || containers(recipe, &workspace))?;
    let identity = identity(recipe, version);
    let root = Root {
        size: recipe.partitions.root,
        encryption: recipe.encryption,
    };
    step("settle", || {
        settle::settle(&workspace.tree(), &tools, &identity, root)
    })?;
    step("scripts", || scripts(&lock, &store, &workspace))?;
    step("prune", || prune(recipe, &workspace))?;
    step("usr", || usr(recipe, &workspace, &tools))?;
    let root_hash = step("verity", || verity(&workspace))?;
    step("sign root hash", || signature(root_hash, &keys, &workspace))?;
    let initrd = step("initrd", || initrd(recipe, &identity, &workspace, &tools))?;
    step("uki", || {
        uki(recipe, &identity, root_hash, &initrd, &keys, &workspace)
    })?;
    step("esp", || esp(recipe, &entry, &keys, &workspace))?;
    step("disk", || disk(recipe, root_hash, &workspace))?;
    step("formats", || formats(&request.formats, &workspace, &tools))?;
    let description = Description::new(recipe, version, root_hash, packages, &workspace);
    write(&workspace, Product::Lock, &lock.to_json()?)?;
    write(&workspace, Product::Description, &to_json(&description)?)?;
    workspace.finish(&products(&request.formats))?;
    Ok(Built {
        description: workspace.finished(Product::Description),
        root_hash,
    })
}

/// The boot entry's file name, which also says what a version may look like.
fn entry(version: &str) -> Result<String, Error> {
    let entry = EntryName::good(version).map_err(|source| Error::Version { source })?;
    Ok(entry.to_string())
}

fn identity(recipe: &Recipe, version: &str) -> Identity {
    Identity {
        id: recipe.id.clone(),
        name: recipe.id.to_uppercase(),
        version: version.to_owned(),
    }
}

fn lock(recipe: &Recipe, request: &Request, mirrors: &Mirrors) -> Result<Lock, Error> {
    let lock = match &request.locked {
        Some(path) => Lock::read(path, recipe)?,
        None => Resolver::new(recipe, mirrors, &request.cache.join("apt")).lock()?,
    };
    if let Some(earlier) = &request.after {
        for dated in lock.not_older_than(request.locked.as_deref(), earlier)? {
            note(&format!(
                "the archive {} ({}) is in {} under no such name, so its age was not compared",
                dated.source,
                dated.suite,
                earlier.display()
            ));
        }
    }
    Ok(lock)
}

fn compose(
    recipe: &Recipe,
    lock: &Lock,
    store: &Store,
    workspace: &Workspace,
) -> Result<(), Error> {
    let tree = workspace.tree();
    fs::create_dir(&tree).map_err(|source| Error::MakeDirectory {
        path: tree.clone(),
        source,
    })?;
    compose::compose(recipe, lock, store, &tree)
}

fn lay(
    recipe: &Recipe,
    programs: &[PathBuf],
    packages: &[Installed],
    workspace: &Workspace,
    tools: &Tools,
) -> Result<(), Error> {
    let tree = workspace.tree();
    for layer in &recipe.layers {
        lay::layer(layer, &tree)?;
    }
    for (program, file) in recipe.programs.iter().zip(programs) {
        lay::program(program, file, &tree, tools)?;
    }
    lay::file(&tree.join(PACKAGES), &to_json(&packages)?)
}

fn containers(recipe: &Recipe, workspace: &Workspace) -> Result<(), Error> {
    let tree = workspace.tree();
    let mut containers = recipe.containers.iter();
    containers.try_for_each(|container| container::container(container, &tree))
}

fn scripts(lock: &Lock, store: &Store, workspace: &Workspace) -> Result<(), Error> {
    for line in scripts::left_undone(lock, store, &workspace.tree())? {
        note(&line);
    }
    Ok(())
}

fn prune(recipe: &Recipe, workspace: &Workspace) -> Result<(), Error> {
    for unused in prune::prune(&workspace.tree(), &recipe.removals)? {
        note(&format!(
            "{}: nothing matches {}",
            unused.pattern.place, unused.pattern.name
        ));
    }
    Ok(())
}

fn usr(recipe: &Recipe, workspace: &Workspace, tools: &Tools) -> Result<(), Error> {
    let image = workspace.unfinished(Product::Usr);
    usr::build(
        &workspace.tree().join("usr"),
        &workspace.scratch("usr.tar"),
        &image,
        tools,
    )?;
    usr::check_size(&image, recipe.partitions.usr)
}

fn verity(workspace: &Workspace) -> Result<RootHash, Error> {
    let path = workspace.unfinished(Product::Usr);
    let image = File::open(&path).map_err(|source| Error::ReadInput { path, source })?;
    let tree = verity::build(&image, &verity::Parameters::from_data(&image)?)?;
    write(workspace, Product::Verity, &tree.bytes)?;
    Ok(tree.root)
}

fn signature(root: RootHash, keys: &Keys, workspace: &Workspace) -> Result<(), Error> {
    let signature = sign::root_hash(root, &keys.verity)?;
    write(
        workspace,
        Product::Signature,
        signature.to_json().as_bytes(),
    )
}

fn initrd(
    recipe: &Recipe,
    identity: &Identity,
    workspace: &Workspace,
    tools: &Tools,
) -> Result<Vec<u8>, Error> {
    initrd::build(
        &workspace.tree(),
        &recipe.initrd,
        &identity.os_release(),
        tools,
    )
}

/// Stands in the recipe's command line for the PKCS#7 signature of the root hash, in base64.
const SIGNATURE: &str = "{root_hash_signature}";

/// The kernel command line: where `/usr` is by its root hash, then what the recipe says.
fn command_line(recipe: &Recipe, root: RootHash, workspace: &Workspace) -> Result<String, Error> {
    let signature = VeritySignature::parse(&file::read(workspace.unfinished(Product::Signature))?)?;
    let options = recipe
        .command_line
        .join(" ")
        .replace(SIGNATURE, &signature.signature_base64());
    Ok(format!("usrhash={root} {options}").trim_end().to_owned())
}

fn uki(
    recipe: &Recipe,
    identity: &Identity,
    root: RootHash,
    initrd: &[u8],
    keys: &Keys,
    workspace: &Workspace,
) -> Result<(), Error> {
    let tree = workspace.tree();
    let kernel = settle::kernel_version(&tree)?;
    let command_line = command_line(recipe, root, workspace)?;
    let stub = file::read(tree.join(EFI_PROGRAMS).join("linuxx64.efi.stub"))?;
    let unsigned = uki::build(
        &stub,
        uki::Sections {
            osrel: identity.os_release().as_bytes(),
            cmdline: command_line.as_bytes(),
            uname: kernel.as_bytes(),
            linux: &file::read(tree.join(format!("boot/vmlinuz-{kernel}")))?,
            initrd,
        },
    )?;
    write(
        workspace,
        Product::Uki,
        &sign::program(&unsigned, &keys.db)?,
    )
}

fn esp(recipe: &Recipe, entry: &str, keys: &Keys, workspace: &Workspace) -> Result<(), Error> {
    let boot_loader = file::read(
        workspace
            .tree()
            .join(EFI_PROGRAMS)
            .join("systemd-bootx64.efi"),
    )?;
    let content = esp::Content {
        boot_loader: &sign::program(&boot_loader, &keys.db)?,
        entry,
        uki: &file::read(workspace.unfinished(Product::Uki))?,
    };
    esp::build(&workspace.scratch("esp"), recipe.partitions.esp, content)
}

fn disk(recipe: &Recipe, root_hash: RootHash, workspace: &Workspace) -> Result<(), Error> {
    let sizes = recipe.partitions;
    let sizes = disk::Sizes {
        esp: sizes.esp,
        usr: sizes.usr,
        verity: sizes.verity,
        signature: sizes.signature,
        root: sizes.root,
    };
    let content = disk::Content {
        esp: &workspace.scratch("esp"),
        usr: &workspace.unfinished(Product::Usr),
        verity: &workspace.unfinished(Product::Verity),
        signature: &workspace.unfinished(Product::Signature),
        root_hash,
    };
    disk::build(&workspace.unfinished(Product::Raw), sizes, content)
}

fn formats(formats: &[Format], workspace: &Workspace, tools: &Tools) -> Result<(), Error> {
    let raw = workspace.unfinished(Product::Raw);
    for format in formats {
        match format {
            Format::Raw => {}
            Format::Qcow2 => formats::qcow2(&raw, &workspace.unfinished(Product::Qcow2), tools)?,
            Format::Vhd => formats::vhd(&raw, &workspace.unfinished(Product::Vhd))?,
        }
    }
    Ok(())
}

fn products(formats: &[Format]) -> Vec<Product> {
    let mut products = vec![
        Product::Usr,
        Product::Verity,
        Product::Signature,
        Product::Uki,
        Product::Raw,
    ];
    products.extend(formats.contains(&Format::Qcow2).then_some(Product::Qcow2));
    products.extend(formats.contains(&Format::Vhd).then_some(Product::Vhd));
    products.extend([Product::Lock, Product::Description]);
    products
}

fn write(workspace: &Workspace, product: Product, bytes: &[u8]) -> Result<(), Error> {
    Ok(file::scratch(workspace.unfinished(product), bytes)?)
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "raw" => Ok(Self::Raw),
            "qcow2" => Ok(Self::Qcow2),
            "vhd" => Ok(Self::Vhd),
            _ => Err("there are raw, qcow2 and vhd".to_owned()),
        }
    }
}
