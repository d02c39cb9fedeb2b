//! What a recipe may say, and what is said to whoever writes something else.

use std::path::{Path, PathBuf};

use acl_host::Who;
use acl_host::error::chain;
use acl_host::file::scratch;
use acl_image::recipe::Recipe;

const BASE: &str = r#"schema = 1
[image]
id = "t"
esp = "64 MiB"
usr = "8 MiB"
verity = "1 MiB"
signature = "1 MiB"
root = "64 MiB"
[[source]]
name = "test"
suite = "test"
components = ["main"]
[packages]
from = ["test"]
install = ["app"]
"#;

/// Recipes in a directory of their own.
struct Recipes(tempfile::TempDir);

impl Recipes {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            scratch(path, text.as_bytes()).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Reads `name`; an error as its text, without the directory.
    fn read(&self, name: &str) -> Result<Recipe, String> {
        Recipe::read(&self.path(name)).map_err(|error| {
            assert_eq!(error.who(), Who::Operator, "{error}");
            let directory = format!("{}/", self.0.path().display());
            chain(&error).replace(&directory, "")
        })
    }
}

/// The error of a recipe that is the base with one text replaced by another.
fn refused(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    let text = BASE.replacen(from, to, 1);
    Recipes::new(&[("r.toml", &text)])
        .read("r.toml")
        .unwrap_err()
}

/// What is replaced in the base, by what, and what is said to it.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "install =",
        "instal =",
        "r.toml:15: there is no key `instal` here; there are `from`, `install`, `omit`\n\
         15 | instal = [\"app\"]\n   | ^^^^^^",
    ),
    (
        "esp = \"64 MiB\"",
        "esp = 64",
        "r.toml:4: this is the integer `64`; it must be a string\n4 | esp = 64\n  |       ^^",
    ),
    (
        "id = \"t\"",
        "id = \"t",
        "r.toml:3: invalid basic string, expected `\"`\n3 | id = \"t\n  |        ^",
    ),
    (
        "schema = 1",
        "schema = 2",
        "r.toml:1: schema is 2; this version of acl-image reads 1",
    ),
    (
        "\"8 MiB\"",
        "\"8 MB\"",
        "r.toml:5: \"8 MB\" is not a size: write a whole number of MiB or GiB, such as \"512 MiB\"\n\
         5 | usr = \"8 MB\"\n  |       ^^^^^^",
    ),
    (
        "usr = \"8 MiB\"\n",
        "",
        "r.toml:1: the key image.usr is missing, here and in every recipe that this one extends",
    ),
    (
        "install = [\"app\"]",
        "install = []",
        "r.toml:1: the key packages.install is missing, here and in every recipe that this one extends",
    ),
    (
        "from = [\"test\"]",
        "from = [\"tset\"]",
        "r.toml:14: there is no [[source]] named \"tset\"; there are: test",
    ),
    (
        "[\"app\"]",
        "[\n  \"base\",\n  \"--force-yes\",\n]",
        "r.toml:17: \"--force-yes\" is not the name of a Debian package",
    ),
    (
        "[\"app\"]",
        "[\"app-\"]",
        "r.toml:15: \"app-\" is not the name of a Debian package",
    ),
    (
        "[\"app\"]",
        "[\"app\", \"app\"]",
        "r.toml:15: the package app stands in r.toml:15 already",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\nomit = [{ name = \"app\", reason = \"x\" }]",
        "r.toml:16: the package app is both installed and omitted",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\nomit = [{ name = \"base\", reason = \" \" }]",
        "r.toml:16: the reason is empty: say why the image deviates here",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[remove]]\npattern = \"/etc/x\"\nreason = \"x\"",
        "r.toml:17: \"/etc/x\" must be a path inside the tree, without a leading `/` and without `..`",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[remove]]\npattern = \"etc/{a,b\"\nreason = \"x\"",
        "r.toml:17: error parsing glob 'etc/{a,b': unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[program]]\nname = \"p\"\npath = \"usr/../../p\"",
        "r.toml:18: \"usr/../../p\" must be a path inside the tree, without a leading `/` and without `..`",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[tree]]\npath = \"files\"\nreason = \"x\"",
        "r.toml:17: files is not a directory",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"pause\"\nprogram = \"usr/bin/p\"\nentrypoint = [\"/p\"]",
        "r.toml:17: \"pause\" is no whole name of a container image: it has no host",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"localhost/p:1\"\nprogram = \"/usr/bin/p\"\nentrypoint = [\"/p\"]",
        "r.toml:18: \"/usr/bin/p\" must be a path inside the tree, without a leading `/` and without `..`",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"localhost/p:1\"\nprogram = \"usr/bin/p\"\nentrypoint = [\"p\"]",
        "r.toml:19: entrypoint begins with \"p\"; it must begin with the absolute path of the program in the container",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"localhost/p:1\"\nprogram = \"usr/bin/p\"\nentrypoint = [\"/a/../p\"]",
        "r.toml:19: entrypoint begins with \"/a/../p\"; it must begin with the absolute path of the program in the container",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"localhost/p:1\"\nprogram = \"usr/bin/p\"\nentrypoint = []",
        "r.toml:19: entrypoint begins with \"\"; it must begin with the absolute path of the program in the container",
    ),
    (
        "[\"app\"]",
        "[\"app\"]\n[[container]]\nreference = \"localhost/p:1\"\nprogram = \"usr/bin/p\"\nentrypoint = [\"/p\"]\n[[container]]\nreference = \"localhost/b/p:1\"\nprogram = \"usr/bin/p\"\nentrypoint = [\"/p\"]",
        "r.toml:21: localhost/b/p:1 would take the file of localhost/p:1: give it another name",
    ),
    (
        "id = \"t\"",
        "id = \"T/x\"",
        "r.toml:1: image.id is \"T/x\"; it may hold lower-case letters, digits and `-`",
    ),
];

#[test]
fn a_recipe_that_cannot_be_used_is_refused_with_its_line() {
    for (from, to, expected) in REFUSED {
        assert_eq!(refused(from, to), *expected);
    }
}

#[test]
fn a_variant_adds_to_what_it_extends() {
    let variant = r#"schema = 1
extends = "base/r.toml"
[image]
usr = "16 MiB"
[[source]]
name = "test"
suite = "other"
components = ["main"]
[packages]
install = ["more"]
[[tree]]
path = "here"
reason = "of the variant"
"#;
    let base = format!("{BASE}[[tree]]\npath = \"here\"\nreason = \"of the base\"\n");
    let files = [
        ("v.toml", variant),
        ("here/usr/x", ""),
        ("base/r.toml", &base),
        ("base/here/etc/x", ""),
    ];
    let recipes = Recipes::new(&files);
    let recipe = recipes.read("v.toml").unwrap();
    let names = |list: &[acl_image::recipe::Named]| -> Vec<String> {
        list.iter().map(|named| named.name.clone()).collect()
    };
    assert_eq!(names(&recipe.packages.install), ["app", "more"]);
    assert_eq!(recipe.partitions.usr, 16 << 20);
    assert_eq!(recipe.partitions.esp, 64 << 20);
    let suites: Vec<&str> = recipe
        .sources
        .iter()
        .map(|source| source.suite.as_str())
        .collect();
    assert_eq!(suites, ["other"]);
    let layers: Vec<&Path> = recipe
        .layers
        .iter()
        .map(|layer| layer.path.as_path())
        .collect();
    assert_eq!(layers, [recipes.path("base/here"), recipes.path("here")]);
}

#[test]
fn an_error_in_the_base_names_the_base() {
    let base = BASE.replace("install =", "instal =");
    let variant = "schema = 1\nextends = \"r.toml\"\n";
    let error = Recipes::new(&[("r.toml", &base), ("v.toml", variant)]).read("v.toml");
    let expected = "r.toml:15: there is no key `instal` here; there are `from`, `install`, `omit`\n\
                    15 | instal = [\"app\"]\n   | ^^^^^^";
    assert_eq!(error.unwrap_err(), expected);
}

/// What a tree, or a program's path, holds that no machine would see.
#[test]
fn what_would_not_be_in_the_image_is_refused() {
    let tree = format!("{BASE}[[tree]]\npath = \"files\"\nreason = \"x\"\n");
    let program = format!("{BASE}[[program]]\nname = \"p\"\npath = \"opt/p\"\n");
    let why = "would not be in the image, which consists of usr and etc: put it below one of them, and what is to be elsewhere \
               into usr/lib/tmpfiles.d (`d` makes a directory, `C` copies out of /usr, `L` makes a link)";
    let recipes = Recipes::new(&[("r.toml", &tree), ("files/opt/a", ""), ("p.toml", &program)]);
    let expected = format!("r.toml:17: files/opt {why}");
    assert_eq!(recipes.read("r.toml").unwrap_err(), expected);
    let expected = format!("p.toml:18: opt/p {why}");
    assert_eq!(recipes.read("p.toml").unwrap_err(), expected);

    // Of boot the kernel alone.
    let recipes = Recipes::new(&[
        ("r.toml", &tree),
        ("files/boot/vmlinuz-6.12", ""),
        ("files/boot/grub/grub.cfg", ""),
        ("p.toml", &program.replace("opt/p", "boot/p")),
    ]);
    let expected = format!("r.toml:17: files/boot/grub {why}");
    assert_eq!(recipes.read("r.toml").unwrap_err(), expected);
    let expected = format!("p.toml:18: boot/p {why}");
    assert_eq!(recipes.read("p.toml").unwrap_err(), expected);

    // A tree that cannot be looked at is not one that is not there.
    let recipes = Recipes::new(&[("r.toml", &tree)]);
    std::os::unix::fs::symlink("files", recipes.path("files")).unwrap();
    let error = Recipe::read(&recipes.path("r.toml")).unwrap_err();
    let expected = format!(
        "cannot read {}: Too many levels of symbolic links (os error 40)",
        recipes.path("files").display()
    );
    assert_eq!(acl_host::error::chain(&error), expected);
    assert_eq!(error.who(), Who::Environment);

    // A link is a way to what is below usr.
    let recipes = Recipes::new(&[
        ("r.toml", &tree),
        ("files/usr/a", ""),
        ("files/etc/a", ""),
        ("files/boot/vmlinuz-6.12", ""),
    ]);
    std::os::unix::fs::symlink("usr/lib", recipes.path("files/lib")).unwrap();
    assert_eq!(recipes.read("r.toml").unwrap().layers.len(), 1);
}

#[test]
fn a_recipe_that_cannot_be_read_is_the_operator_s() {
    let recipes = Recipes::new(&[("v.toml", "schema = 1\n\nextends = \"r.toml\"\n")]);
    assert_eq!(
        recipes.read("r.toml").unwrap_err(),
        "cannot read the recipe r.toml: No such file or directory (os error 2)"
    );
    assert_eq!(
        recipes.read("v.toml").unwrap_err(),
        "v.toml:3: cannot read the recipe r.toml: No such file or directory (os error 2)"
    );
    scratch(recipes.path("r.toml"), b"schema = 1\n# \xff\n").unwrap();
    assert_eq!(
        recipes.read("r.toml").unwrap_err(),
        "r.toml:2: this is not text in UTF-8"
    );
}

#[test]
fn recipes_that_extend_each_other_are_refused() {
    let files = [
        ("a.toml", "schema = 1\nextends = \"b.toml\"\n"),
        ("b.toml", "schema = 1\nextends = \"a.toml\"\n"),
    ];
    let expected = "a.toml is the 8th recipe that another extends: do two extend each other?";
    assert_eq!(Recipes::new(&files).read("a.toml").unwrap_err(), expected);
}

#[test]
fn a_source_may_be_left_out_unless_something_needs_it() {
    let two = BASE
        .replace(
            "[packages]",
            "[[source]]\nname = \"more\"\nsuite = \"more\"\ncomponents = [\"main\"]\n[packages]",
        )
        .replace("from = [\"test\"]", "from = [\"test\", \"more\"]");
    let recipes = Recipes::new(&[("r.toml", &two), ("one.toml", BASE)]);
    let mut recipe = recipes.read("r.toml").unwrap();
    recipe.without_source("more").unwrap();
    assert_eq!(recipe.packages.from, ["test"]);
    assert_eq!(recipe.sources.len(), 1);
    let error = recipe.without_source("test").unwrap_err().to_string();
    assert!(
        error.ends_with("nothing would be left to take packages from"),
        "{error}"
    );
    let error = recipe.without_source("nothing").unwrap_err().to_string();
    assert!(
        error.ends_with("cannot be built without the source nothing: it has only test"),
        "{error}"
    );
}
