//! From recipes as written to the one that is built.
//!
//! Lists of a variant are added to its base's, single values replace, and a source of the same name replaces the
//! base's. Every message points at the line that has to change.

mod container;

use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use super::written::{self, File};
use super::{
    Encryption, Initrd, Layer, Named, Omission, Packages, Partitions, Place, Program, Recipe,
    Removal, Size, Source, Take, Tools, merge::beside,
};
use crate::Error;
use crate::step::prune;

/// The only form of recipes so far.
const SCHEMA: u32 = 1;
/// Debian's own keys, where its package `debian-archive-keyring` puts them.
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Merges `files`, base first, and checks the result.
pub(super) fn check(path: &Path, files: Vec<File>) -> Result<Recipe, Error> {
    let mut image = written::Image::default();
    let mut recipe = empty(path);
    if let Some(base) = files.first() {
        recipe.base.clone_from(&base.path);
    }
    for file in files {
        schema(&file)?;
        add_sources(&file, &mut recipe);
        add_packages(&file, &mut recipe)?;
        add_content(&file, &mut recipe)?;
        container::add(&file, &mut recipe.containers)?;
        add_initrd(&file, &mut recipe)?;
        replace(&mut image, file.recipe.image);
    }
    recipe.encryption = image.encrypt_root.unwrap_or_default();
    (recipe.id, recipe.partitions) = required(path, image)?;
    if recipe.packages.install.is_empty() {
        return Err(missing(path, "packages.install"));
    }
    if recipe.packages.from.is_empty() {
        return Err(missing(path, "packages.from"));
    }
    let tools = &recipe.tools;
    if tools.from.is_empty() && !(tools.build.is_empty() && tools.test.is_empty()) {
        return Err(missing(path, "tools.from"));
    }
    Ok(recipe)
}

fn empty(path: &Path) -> Recipe {
    Recipe {
        file: path.to_owned(),
        base: path.to_owned(),
        id: String::new(),
        partitions: Partitions {
            esp: 0,
            usr: 0,
            verity: 0,
            signature: 0,
            root: 0,
        },
        encryption: Encryption::default(),
        sources: Vec::new(),
        packages: Packages {
            from: Vec::new(),
            install: Vec::new(),
            omit: Vec::new(),
        },
        takes: Vec::new(),
        removals: Vec::new(),
        layers: Vec::new(),
        programs: Vec::new(),
        containers: Vec::new(),
        command_line: Vec::new(),
        initrd: Initrd::default(),
        tools: Tools {
            from: Vec::new(),
            build: Vec::new(),
            test: Vec::new(),
        },
    }
}

fn schema(file: &File) -> Result<(), Error> {
    if file.recipe.schema == SCHEMA {
        return Ok(());
    }
    let found = file.recipe.schema;
    Err(Error::Recipe {
        place: Place {
            file: file.path.clone(),
            line: 1,
        },
        reason: format!("schema is {found}; this version of acl-image reads {SCHEMA}"),
    })
}

fn replace(image: &mut written::Image, by: written::Image) {
    image.id = by.id.or(image.id.take());
    image.esp = by.esp.or(image.esp);
    image.usr = by.usr.or(image.usr);
    image.verity = by.verity.or(image.verity);
    image.signature = by.signature.or(image.signature);
    image.root = by.root.or(image.root);
    image.encrypt_root = by.encrypt_root.or(image.encrypt_root);
}

fn required(path: &Path, image: written::Image) -> Result<(String, Partitions), Error> {
    let size = |value: Option<Size>, key| value.map(Size::bytes).ok_or_else(|| missing(path, key));
    let id = image.id.ok_or_else(|| missing(path, "image.id"))?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || !id.chars().all(allowed) {
        return Err(Error::Recipe {
            place: Place {
                file: path.to_owned(),
                line: 1,
            },
            reason: format!("image.id is {id:?}; it may hold lower-case letters, digits and `-`"),
        });
    }
    let partitions = Partitions {
        esp: size(image.esp, "image.esp")?,
        usr: size(image.usr, "image.usr")?,
        verity: size(image.verity, "image.verity")?,
        signature: size(image.signature, "image.signature")?,
        root: size(image.root, "image.root")?,
    };
    Ok((id, partitions))
}

fn missing(path: &Path, key: &str) -> Error {
    Error::Recipe {
        place: Place {
            file: path.to_owned(),
            line: 1,
        },
        reason: format!("the key {key} is missing, here and in every recipe that this one extends"),
    }
}

fn add_sources(file: &File, recipe: &mut Recipe) {
    for source in &file.recipe.sources {
        let keyring = source
            .keyring
            .as_deref()
            .map(|path| beside(&file.path, path));
        let checked = Source {
            name: source.name.clone(),
            suite: source.suite.clone(),
            components: source.components.clone(),
            keyring: keyring.unwrap_or_else(|| DEBIAN_KEYRING.into()),
            mirror: source
                .mirror
                .as_deref()
                .map(|url| url.trim_end_matches('/').to_owned()),
            accept_expired: source.accept_expired.clone(),
        };
        recipe.sources.retain(|other| other.name != checked.name);
        recipe.sources.push(checked);
    }
}

fn add_packages(file: &File, recipe: &mut Recipe) -> Result<(), Error> {
    let written = &file.recipe;
    for (names, into) in [
        (&written.packages.from, &mut recipe.packages.from),
        (&written.tools.from, &mut recipe.tools.from),
    ] {
        for name in names {
            known_source(file, name, &recipe.sources)?;
            if !into.contains(name.get_ref()) {
                into.push(name.get_ref().clone());
            }
        }
    }
    for (names, into) in [
        (&written.packages.install, &mut recipe.packages.install),
        (&written.tools.build, &mut recipe.tools.build),
        (&written.tools.test, &mut recipe.tools.test),
    ] {
        for name in names {
            let name = package(file, name)?;
            if let Some(first) = into.iter().find(|other| other.name == name.name) {
                return Err(at(
                    &name.place,
                    format!(
                        "the package {} stands in {} already",
                        name.name, first.place
                    ),
                ));
            }
            into.push(name);
        }
    }
    for omission in &written.packages.omit {
        let package = package(file, &omission.name)?;
        if recipe
            .packages
            .install
            .iter()
            .any(|install| install.name == package.name)
        {
            return Err(at(
                &package.place,
                format!("the package {} is both installed and omitted", package.name),
            ));
        }
        let reason = reason(&package.place, &omission.reason)?;
        recipe.packages.omit.push(Omission { package, reason });
    }
    Ok(())
}

fn add_content(file: &File, recipe: &mut Recipe) -> Result<(), Error> {
    let written = &file.recipe;
    for take in &written.takes {
        known_source(file, &take.source, &recipe.sources)?;
        let package = package(file, &take.package)?;
        recipe.takes.push(Take {
            source: take.source.get_ref().clone(),
            reason: reason(&package.place, &take.reason)?,
            package,
            files: take
                .files
                .iter()
                .map(|path| relative(file, path))
                .collect::<Result<_, _>>()?,
        });
    }
    for removal in &written.removals {
        relative(file, &removal.pattern)?;
        let pattern = named(file, &removal.pattern);
        prune::pattern(&pattern.name).map_err(|error| at(&pattern.place, error.to_string()))?;
        let reason = reason(&pattern.place, &removal.reason)?;
        recipe.removals.push(Removal { pattern, reason });
    }
    for layer in &written.layers {
        let checked = layer_of(file, layer)?;
        reaches_the_machine(&file.place(&layer.path), &checked.path)?;
        recipe.layers.push(checked);
    }
    for program in &written.programs {
        let path = relative(file, &program.path)?;
        if !reaches(Path::new(&path)) {
            return Err(dropped(&file.place(&program.path), &path));
        }
        let name = program.name.clone();
        if name.is_empty() || name.contains('/') {
            return Err(at(
                &file.place(&program.path),
                format!("the program name {name:?} is not a file's name"),
            ));
        }
        recipe.programs.push(Program { name, path });
    }
    recipe
        .command_line
        .extend(written.kernel.command_line.iter().cloned());
    Ok(())
}

fn add_initrd(file: &File, recipe: &mut Recipe) -> Result<(), Error> {
    let written = &file.recipe.initrd;
    for path in &written.files {
        recipe.initrd.files.push(relative(file, path)?);
    }
    for path in &written.programs {
        recipe.initrd.programs.push(relative(file, path)?);
    }
    recipe.initrd.units.extend(written.units.iter().cloned());
    recipe
        .initrd
        .modules
        .extend(written.modules.iter().cloned());
    for layer in &written.layers {
        recipe.initrd.layers.push(layer_of(file, layer)?);
    }
    Ok(())
}

fn layer_of(file: &File, layer: &written::Layer) -> Result<Layer, Error> {
    let path = beside(&file.path, layer.path.get_ref());
    let place = file.place(&layer.path);
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => {}
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::ReadInput { path, source });
        }
        _ => return Err(at(&place, format!("{} is not a directory", path.display()))),
    }
    let reason = reason(&place, &layer.reason)?;
    Ok(Layer { path, reason })
}

/// What of a tree an image consists of. The kernel is taken from `boot` for the unified kernel image.
const REACHING: [&str; 3] = ["usr", "etc", "boot"];

fn reaches(path: &Path) -> bool {
    let first = path.components().next();
    first.is_some_and(|first| REACHING.iter().any(|name| first.as_os_str() == *name))
}

/// Refuses a tree with a file or directory that would not be in the image. Links beside `usr` may be there for paths
/// through them.
fn reaches_the_machine(place: &Place, tree: &Path) -> Result<(), Error> {
    let read = |source| Error::ReadInput {
        path: tree.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(tree).map_err(read)? {
        let entry = entry.map_err(read)?;
        let is_link = entry.file_type().map_err(read)?.is_symlink();
        if !is_link && !reaches(Path::new(&entry.file_name())) {
            return Err(dropped(place, &entry.path().display().to_string()));
        }
    }
    Ok(())
}

fn dropped(place: &Place, path: &str) -> Error {
    let reason = format!(
        "{path} would not be in the image, which consists of usr and etc: put it below one of them, and what is to be \
         elsewhere into usr/lib/tmpfiles.d (`d` makes a directory, `C` copies out of /usr, `L` makes a link)"
    );
    at(place, reason)
}

fn known_source(file: &File, name: &Spanned<String>, sources: &[Source]) -> Result<(), Error> {
    if sources.iter().any(|source| source.name == *name.get_ref()) {
        return Ok(());
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let place = file.place(name);
    let (name, names) = (name.get_ref(), names.join(", "));
    Err(Error::Recipe {
        place,
        reason: format!("there is no [[source]] named {name:?}; there are: {names}"),
    })
}

/// A package's name (Debian Policy 5.6.7), which therefore can be no option of apt-get.
fn package(file: &File, name: &Spanned<String>) -> Result<Named, Error> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let named = named(file, name);
    let starts = named
        .name
        .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    // A name that ends so would ask apt-get for something else: to remove a package, or to hold it.
    let command =
        named.name.ends_with('-') || (named.name.ends_with('+') && !named.name.ends_with("++"));
    if starts && !command && named.name.len() >= 2 && named.name.chars().all(allowed) {
        return Ok(named);
    }
    Err(at(
        &named.place,
        format!("{:?} is not the name of a Debian package", named.name),
    ))
}

/// A path inside the tree: relative, nothing but names.
fn relative(file: &File, path: &Spanned<String>) -> Result<String, Error> {
    let text = path.get_ref();
    let plain = |part| matches!(part, Component::Normal(_));
    if !text.is_empty() && PathBuf::from(text).components().all(plain) {
        return Ok(text.clone());
    }
    Err(at(
        &file.place(path),
        format!("{text:?} must be a path inside the tree, without a leading `/` and without `..`"),
    ))
}

fn named(file: &File, name: &Spanned<String>) -> Named {
    Named {
        name: name.get_ref().clone(),
        place: file.place(name),
    }
}

fn reason(place: &Place, reason: &str) -> Result<String, Error> {
    if reason.trim().is_empty() {
        return Err(at(
            place,
            "the reason is empty: say why the image deviates here".to_owned(),
        ));
    }
    Ok(reason.to_owned())
}

fn at(place: &Place, reason: String) -> Error {
    Error::Recipe {
        place: place.clone(),
        reason,
    }
}
