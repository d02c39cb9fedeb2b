//! `apt-get` with a configuration of its own: it resolves, and it checks the archive's signatures.
//!
//! Its list of installed packages is empty, so the answer is exactly what was asked for and its dependencies, with
//! nothing added because the host has it, or because Debian calls it essential.

use std::fs::File;
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::tool::{Tool, ToolCommand, Tools};

use super::package::Package;
use super::release::{self, Dated};
use super::uris;
use crate::Error;
use crate::recipe::{Named, Source};

/// A private apt whose archives have been read and checked.
#[derive(Debug)]
pub struct Apt {
    directory: PathBuf,
    /// With the URL of the mirror that each is read from.
    sources: Vec<(Source, String)>,
    /// Held while the value lives: a second build waits for its turn, where apt itself would fail.
    _turn: File,
}

impl Apt {
    /// Reads the indexes of `sources` into `directory`, which is made, and which keeps them for the next time.
    ///
    /// # Errors
    /// [`Error::ReadArchive`] if one archive cannot be reached or is not signed by its keyring,
    /// [`Error::ReadInput`] for a keyring that is not there.
    pub fn update(directory: &Path, sources: Vec<(Source, String)>) -> Result<Self, Error> {
        for (source, _) in &sources {
            // An absolute path without special characters: it becomes a word of sources.list.
            std::fs::metadata(&source.keyring).map_err(|error| Error::ReadInput {
                path: source.keyring.clone(),
                source: error,
            })?;
        }
        let apt = Self::open(directory, sources)?;
        apt.configure()?;
        let archives: Vec<&str> = apt
            .sources
            .iter()
            .map(|(source, _)| source.name.as_str())
            .collect();
        apt.command(Tool::AptGet)
            .arg("update")
            .run()
            .map_err(|source| Error::ReadArchive {
                archives: archives.join(", "),
                source,
            })?;
        Ok(apt)
    }

    /// The packages and all that they depend on, sorted by name.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`] with the recipe's line; [`Error::Resolve`] if dependencies contradict each other.
    pub fn resolve(&self, packages: &[Named]) -> Result<Vec<Package>, Error> {
        self.ask(&["install", "--yes", "--print-uris"], packages)
    }

    /// One package without its dependencies.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn single(&self, package: &Named) -> Result<Package, Error> {
        let found = self.ask(&["download", "--print-uris"], std::slice::from_ref(package))?;
        let found = found.into_iter().next();
        found.ok_or_else(|| nothing_listed(std::slice::from_ref(package)))
    }

    /// When each source's index was made: the `Date` of its `InRelease`, whose signature has been checked.
    ///
    /// # Errors
    /// [`Error::ReadDate`] for an index without a date that can be read.
    pub fn dates(&self) -> Result<Vec<Dated>, Error> {
        let format = "$(REPO_URI) $(RELEASE) $(METAKEY) $(FILENAME)";
        let command = self
            .command(Tool::AptGet)
            .args(["indextargets", "--format"]);
        let listed = command.arg(format).arg("Created-By: Packages").run()?;
        let listed = String::from_utf8_lossy(&listed);
        let date = |(source, mirror): &(Source, String)| {
            let index = listed
                .lines()
                .find_map(|line| release::index(line, mirror, &source.suite));
            let date = index.and_then(|index| release::date(&index));
            let date = date.ok_or_else(|| Error::ReadDate {
                source_name: source.name.clone(),
            })?;
            Ok(Dated {
                source: source.name.clone(),
                suite: source.suite.clone(),
                date,
            })
        };
        self.sources.iter().map(date).collect()
    }

    /// `apt-helper`, which fetches URLs with the host's means: it is what `apt-get` itself uses.
    pub(super) fn helper(directory: &Path) -> Result<ToolCommand, Error> {
        let apt = Self::open(directory, Vec::new())?;
        apt.configure()?;
        Ok(apt.command(Tool::AptHelper))
    }

    fn open(directory: &Path, sources: Vec<(Source, String)>) -> Result<Self, Error> {
        let directory = absolute(directory)?;
        let fail = |source| Error::MakeDirectory {
            path: directory.clone(),
            source,
        };
        std::fs::create_dir_all(&directory).map_err(fail)?;
        let turn = File::create(directory.join("turn")).map_err(fail)?;
        turn.lock().map_err(fail)?;
        Ok(Self {
            directory,
            sources,
            _turn: turn,
        })
    }

    fn ask(&self, verb: &[&str], packages: &[Named]) -> Result<Vec<Package>, Error> {
        let names = packages.iter().map(|package| package.name.as_str());
        let command = self
            .command(Tool::AptGet)
            .args(verb.iter().copied())
            .args(names);
        let output = command
            .run()
            .map_err(|source| self.explain(packages, source))?;
        listed(&String::from_utf8_lossy(&output), &self.sources, packages)
    }

    /// Says which of `packages` apt does not know, if that is what it complains about.
    fn explain(&self, packages: &[Named], error: acl_host::Error) -> Error {
        if let acl_host::Error::RunTool { stderr, .. } = &error {
            let unknown = packages
                .iter()
                .find(|package| stderr.lines().any(|line| denies(line, &package.name)));
            if let Some(package) = unknown {
                return self.no_such(package);
            }
        }
        let recipe = packages.first().map(|package| package.place.file.clone());
        Error::Resolve {
            recipe: recipe.unwrap_or_default(),
            source: error,
        }
    }

    fn no_such(&self, package: &Named) -> Error {
        let archives: Vec<&str> = self
            .sources
            .iter()
            .map(|(source, _)| source.name.as_str())
            .collect();
        Error::NoSuchPackage {
            package: package.name.clone(),
            place: package.place.clone(),
            archives: archives.join(", "),
        }
    }

    fn configure(&self) -> Result<(), Error> {
        // What lies here, `--print-uris` would leave out.
        let fetched = self.directory.join("cache/archives");
        match std::fs::remove_dir_all(&fetched) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::MakeDirectory {
                    path: fetched,
                    source,
                });
            }
            _ => {}
        }
        for name in [
            "lists/partial",
            "cache/archives/partial",
            "etc",
            "dpkg",
            "parts",
        ] {
            let path = self.directory.join(name);
            std::fs::create_dir_all(&path)
                .map_err(|source| Error::MakeDirectory { path, source })?;
        }
        file::scratch(self.directory.join("dpkg/status"), b"")?;
        file::scratch(
            self.directory.join("etc/sources.list"),
            self.source_list().as_bytes(),
        )?;
        file::scratch(
            self.directory.join("apt.conf"),
            configuration(&self.directory).as_bytes(),
        )?;
        Ok(())
    }

    fn source_list(&self) -> String {
        let line = |(source, mirror): &(Source, String)| {
            let (keyring, components) = (source.keyring.display(), source.components.join(" "));
            let fresh = if source.accept_expired.is_some() {
                "no"
            } else {
                "yes"
            };
            let options = format!("arch=amd64 signed-by={keyring} check-valid-until={fresh}");
            format!("deb [{options}] {mirror} {} {components}\n", source.suite)
        };
        self.sources.iter().map(line).collect()
    }

    fn command(&self, tool: Tool) -> ToolCommand {
        let configuration = self.directory.join("apt.conf");
        Tools::host().command(tool).env("APT_CONFIG", configuration)
    }
}

/// The packages that apt lists, sorted; at least one, since nothing counts as installed.
fn listed(
    output: &str,
    sources: &[(Source, String)],
    packages: &[Named],
) -> Result<Vec<Package>, Error> {
    let mut found = uris::parse(output, sources).map_err(|line| Error::ReadUris { line })?;
    if found.is_empty() && !packages.is_empty() {
        return Err(nothing_listed(packages));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn nothing_listed(packages: &[Named]) -> Error {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    Error::NothingListed {
        packages: names.join(", "),
    }
}

/// Whether apt says in `line` that there is no package `name`.
fn denies(line: &str, name: &str) -> bool {
    line == format!("E: Unable to locate package {name}")
        || line == format!("E: Package '{name}' has no installation candidate")
        || line
            == format!(
                "E: Can't select candidate version from package {name} as it has no candidate"
            )
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::MakeDirectory {
        path: path.to_owned(),
        source,
    })
}

/// apt.conf(5). It is read before the host's own files and points away from them.
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"Dir "{directory}/";
Dir::State "{directory}/";
Dir::State::status "{directory}/dpkg/status";
Dir::State::lists "lists";
Dir::Cache "{directory}/cache";
Dir::Etc "{directory}/etc";
Dir::Etc::sourcelist "sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{directory}/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Acquire::Retries "3";
// There is no other user to change to where the build runs without root.
APT::Sandbox::User "";
quiet "1";
"#
    )
}

#[cfg(test)]
mod tests {
    use super::{denies, listed};
    use crate::recipe::{Named, Place};

    /// An image without packages would go unnoticed.
    #[test]
    fn silence_is_no_list() {
        let place = Place {
            file: "r.toml".into(),
            line: 1,
        };
        let packages = ["a", "b"].map(|name| Named {
            name: name.to_owned(),
            place: place.clone(),
        });
        for output in ["", "Reading package lists...\n"] {
            let refused = listed(output, &[], &packages).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "apt-get lists nothing for a, b and reports no error, which is a bug of it or of acl-image: report it with the version of apt"
            );
            assert_eq!(listed(output, &[], &[]).unwrap(), []);
        }
    }

    #[test]
    fn what_apt_says_of_unknown_packages() {
        assert!(denies("E: Unable to locate package curll", "curll"));
        assert!(denies(
            "E: Package 'awk' has no installation candidate",
            "awk"
        ));
        assert!(!denies("E: Unable to locate package curll", "curl"));
    }
}
