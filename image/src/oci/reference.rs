//! The name of a container image, whole: nothing that a container runtime would have to complete.

use std::fmt;
use std::str::FromStr;

/// `host/path:tag`, such as `localhost/acl/pause:1`.
///
/// The host is `localhost`, or has a dot or a port: otherwise runtimes read it as a path of Docker's registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    path: String,
    tag: String,
}

impl Reference {
    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The last part of the path: what the image is called among people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for Reference {
    type Err = &'static str;

    /// Accepts a part of what registries do (OCI Distribution 1.1, "Pulling manifests"): no doubled separators.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, rest) = text.split_once('/').ok_or("it has no host")?;
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err("its host is neither localhost nor has it a dot or a port");
        }
        let (path, tag) = rest.rsplit_once(':').ok_or("it has no tag")?;
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !host.split(['.', ':']).all(|label| word(label, lower, "-")) {
            return Err("its host is not one");
        }
        if !path.split('/').all(|part| word(part, lower, "._-")) {
            return Err(
                "its path may hold lower-case letters and digits, and `.`, `_`, `-` between them",
            );
        }
        let starts = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if tag.len() > 128
            || !tag.starts_with(starts)
            || !tag.chars().all(|c| starts(c) || ".-".contains(c))
        {
            return Err(
                "its tag may hold 128 letters, digits, `_`, `.` and `-`, the last two not first",
            );
        }
        Ok(Self {
            host: host.to_owned(),
            path: path.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

/// Whether `text` is made of `allowed` characters, with single ones of `between` between them.
fn word(text: &str, allowed: impl Fn(char) -> bool, between: &str) -> bool {
    text.split(|c| between.contains(c))
        .all(|part| !part.is_empty() && part.chars().all(&allowed))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.host, self.path, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn references_are_whole() {
        for text in [
            "localhost/acl/pause:1",
            "example.org:5000/a:V1.0_x",
            "a.b/c-d.e/f_g:x",
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let refused = [
            ("pause:1", "it has no host"),
            (
                "acl/pause:1",
                "its host is neither localhost nor has it a dot or a port",
            ),
            ("localhost/pause", "it has no tag"),
            ("a..b/pause:1", "its host is not one"),
            ("A.b/pause:1", "its host is not one"),
        ];
        for (text, why) in refused {
            assert_eq!(text.parse::<Reference>(), Err(why), "{text}");
        }
        for path in ["", "/a", "a/", "A", "a__b", "-a", "a b", "../a", "a@b"] {
            let why = format!("localhost/{path}:1")
                .parse::<Reference>()
                .unwrap_err();
            assert!(why.starts_with("its path may hold"), "{path}");
        }
        for tag in ["", ".1", "-1", "a/b", "a b", &"1".repeat(129)] {
            let why = format!("localhost/a:{tag}")
                .parse::<Reference>()
                .unwrap_err();
            assert!(why.starts_with("its "), "{tag}");
        }
    }
}
