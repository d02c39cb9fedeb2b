//! What `apt-get --print-uris` says.

use super::package::Package;
use crate::recipe::Source;

/// Reads the lines `'URL' name_version_arch.deb size SHA256:digest`; other lines are apt's talk.
///
/// `sources` go with their mirror's URLs. A package is said to come from the first of them whose mirror serves it.
/// A line of that form that cannot be read is returned as the error.
pub(super) fn parse(output: &str, sources: &[(Source, String)]) -> Result<Vec<Package>, String> {
    let lines = output.lines().filter(|line| line.starts_with('\''));
    lines
        .map(|line| line_of(line, sources).ok_or_else(|| line.to_owned()))
        .collect()
}

fn line_of(line: &str, sources: &[(Source, String)]) -> Option<Package> {
    let mut words = line.split(' ');
    let url = words.next()?.strip_prefix('\'')?.strip_suffix('\'')?;
    let file = words.next()?.strip_suffix(".deb")?;
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?;
    let (name_version, arch) = file.rsplit_once('_')?;
    let (name, version) = name_version.split_once('_')?;
    let (source, path) = sources.iter().find_map(|(source, mirror)| {
        let path = url.strip_prefix(mirror.as_str())?.strip_prefix('/')?;
        Some((source.name.clone(), path))
    })?;
    let hexadecimal = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| Package {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        arch: arch.to_owned(),
        sha256: sha256.to_ascii_lowercase(),
        size,
        source,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Package, Source, parse};

    fn source(name: &str, mirror: &str) -> (Source, String) {
        let source = Source {
            name: name.to_owned(),
            suite: "trixie".to_owned(),
            components: vec!["main".to_owned()],
            keyring: "/k.gpg".into(),
            mirror: None,
            accept_expired: None,
        };
        (source, mirror.to_owned())
    }

    #[test]
    fn lines_of_apt_get() {
        let digest = "ab".repeat(32);
        let output = format!(
            "Reading package lists...\n'http://m.example/debian/pool/main/l/login_4.16.0-2%2breally_amd64.deb' \
             login_1%3a4.16.0-2+really_amd64.deb 5 SHA256:{digest}\n"
        );
        let sources = [
            source("security", "http://m.example/debian-security"),
            source("main", "http://m.example/debian"),
        ];
        let expected = Package {
            name: "login".to_owned(),
            version: "1:4.16.0-2+really".to_owned(),
            arch: "amd64".to_owned(),
            sha256: digest,
            size: 5,
            source: "main".to_owned(),
            path: "pool/main/l/login_4.16.0-2%2breally_amd64.deb".to_owned(),
        };
        assert_eq!(parse(&output, &sources), Ok(vec![expected]));
    }

    #[test]
    fn weaker_digests_are_refused() {
        let line = "'http://m.example/debian/pool/a_1_all.deb' a_1_all.deb 5 MD5Sum:46a61489f86360de91fe23bb4c0be4df";
        assert_eq!(
            parse(line, &[source("main", "http://m.example/debian")]),
            Err(line.to_owned())
        );
    }
}
