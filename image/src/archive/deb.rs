//! The format of a `.deb`: an `ar` archive whose member `data.tar.*` holds the files, and `control.tar.*` the maintainer
//! scripts.
//!
//! Source: deb(5). No script ever runs; they are read to say what they would have done.

use std::io::Read;

/// The maintainer scripts that act when a package is installed.
const SCRIPTS: [&str; 2] = ["preinst", "postinst"];

/// Unpacks the tar archive of a package's files.
///
/// The error says what is wrong with the bytes.
pub(crate) fn data(deb: &[u8]) -> Result<Vec<u8>, String> {
    member(deb, "data.tar")
}

/// The maintainer scripts of a package that act when it is installed: each with its name and text.
///
/// The error says what is wrong with the bytes.
pub(crate) fn scripts(deb: &[u8]) -> Result<Vec<(String, String)>, String> {
    let control = member(deb, "control.tar")?;
    let mut scripts = Vec::new();
    let mut archive = tar::Archive::new(control.as_slice());
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        if SCRIPTS.contains(&name.as_str()) {
            let mut bytes = Vec::new();
            let read = entry.read_to_end(&mut bytes);
            read.map_err(|error| format!("{name}: {error}"))?;
            scripts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// Unpacks the member whose name is `start` and a compression.
fn member(deb: &[u8], start: &str) -> Result<Vec<u8>, String> {
    let mut archive = ar::Archive::new(deb);
    while let Some(member) = archive.next_entry() {
        let mut member = member.map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let Some(compression) = name.trim_end_matches('/').strip_prefix(start) else {
            continue;
        };
        let mut packed = Vec::new();
        member
            .read_to_end(&mut packed)
            .map_err(|error| error.to_string())?;
        return decompress(compression, packed).map_err(|error| format!("{name}: {error}"));
    }
    Err(format!("it has no member {start}"))
}

fn decompress(compression: &str, packed: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match compression {
        "" => return Ok(packed),
        ".gz" => flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut plain)?,
        ".xz" => liblzma::read::XzDecoder::new(packed.as_slice()).read_to_end(&mut plain)?,
        ".zst" => zstd::stream::read::Decoder::new(packed.as_slice())?.read_to_end(&mut plain)?,
        other => {
            return Err(std::io::Error::other(format!(
                "the compression {other} is not known; gz, xz and zst are"
            )));
        }
    };
    Ok(plain)
}
