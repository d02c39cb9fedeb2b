//! What the recipe leaves out of the image.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::Error;
use crate::recipe::Removal;

/// Compiles a pattern: `*` and `?` within a name, `**` over any number of names, `[…]` and `{a,b}`.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn pattern(text: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(text).literal_separator(true).build()?;
    Ok(glob.compile_matcher())
}

/// Removes from `tree` what `removals` name, and returns those of them that matched nothing.
///
/// # Errors
/// [`Error::ChangeTree`], [`Error::Recipe`] for a pattern that is malformed.
pub fn prune<'a>(tree: &Path, removals: &'a [Removal]) -> Result<Vec<&'a Removal>, Error> {
    let mut rules = Vec::new();
    for removal in removals {
        let matcher = pattern(&removal.pattern.name).map_err(|error| Error::Recipe {
            place: removal.pattern.place.clone(),
            reason: error.to_string(),
        })?;
        rules.push(Rule {
            matcher,
            used: false,
        });
    }
    walk(tree, &PathBuf::new(), &mut rules)?;
    let unused = removals.iter().zip(&rules).filter(|(_, rule)| !rule.used);
    Ok(unused.map(|(removal, _)| removal).collect())
}

struct Rule {
    matcher: GlobMatcher,
    used: bool,
}

fn walk(tree: &Path, relative: &Path, rules: &mut [Rule]) -> Result<(), Error> {
    let directory = tree.join(relative);
    let fail = |path: &Path, source| Error::ChangeTree {
        path: path.to_owned(),
        source,
    };
    for entry in fs::read_dir(&directory).map_err(|error| fail(&directory, error))? {
        let entry = entry.map_err(|error| fail(&directory, error))?;
        let (path, place) = (relative.join(entry.file_name()), entry.path());
        let is_dir = entry
            .file_type()
            .map_err(|error| fail(&place, error))?
            .is_dir();
        let mut gone = false;
        for rule in rules.iter_mut().filter(|rule| rule.matcher.is_match(&path)) {
            (rule.used, gone) = (true, true);
        }
        match (gone, is_dir) {
            (true, true) => fs::remove_dir_all(&place).map_err(|error| fail(&place, error))?,
            (true, false) => fs::remove_file(&place).map_err(|error| fail(&place, error))?,
            (false, true) => walk(tree, &path, rules)?,
            (false, false) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{pattern, prune};
    use crate::recipe::{Named, Place, Removal};

    #[test]
    fn patterns() {
        let cases = [
            ("usr/share/{doc,man}", "usr/share/doc", true),
            ("usr/share/{doc,man}", "usr/share/docs", false),
            ("usr/*/x", "usr/a/x", true),
            ("usr/*/x", "usr/a/b/x", false),
            ("usr/**/x", "usr/a/b/x", true),
            ("usr/**/x", "usr/x", true),
            ("usr/lib/*.a", "usr/lib/libc.a", true),
        ];
        for (glob, path, matches) in cases {
            assert_eq!(
                pattern(glob).unwrap().is_match(path),
                matches,
                "{glob} {path}"
            );
        }
    }

    #[test]
    fn a_link_goes_and_not_what_it_leads_to() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("usr/kept")).unwrap();
        std::fs::create_dir_all(tree.path().join("usr/gone/below")).unwrap();
        std::os::unix::fs::symlink("kept", tree.path().join("usr/link")).unwrap();
        let removal = |name: &str| Removal {
            pattern: Named {
                name: name.to_owned(),
                place: Place {
                    file: "r".into(),
                    line: 1,
                },
            },
            reason: "test".to_owned(),
        };
        let removals = ["usr/{gone,link}", "usr/gone/below", "usr/nothing"].map(removal);
        let unused: Vec<&str> = prune(tree.path(), &removals)
            .unwrap()
            .iter()
            .map(|unused| unused.pattern.name.as_str())
            .collect();
        assert_eq!(unused, ["usr/gone/below", "usr/nothing"]);
        let left: Vec<_> = std::fs::read_dir(tree.path().join("usr"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["kept"]);
    }
}
