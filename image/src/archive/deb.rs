//! The format of a `.deb`: an `ar` archive whose member `data.tar.*` holds the files.
//!
//! Source: deb(5). The control member, and with it the maintainer scripts, is not read.

use std::io::Read;

/// Unpacks the tar archive of a package's files.
///
/// The error says what is wrong with the bytes.
pub(crate) fn data(deb: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = ar::Archive::new(deb);
    while let Some(member) = archive.next_entry() {
        let mut member = member.map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let Some(compression) = name.trim_end_matches('/').strip_prefix("data.tar") else {
            continue;
        };
        let mut packed = Vec::new();
        member
            .read_to_end(&mut packed)
            .map_err(|error| error.to_string())?;
        return decompress(compression, packed).map_err(|error| format!("{name}: {error}"));
    }
    Err("it has no member data.tar".to_owned())
}

fn decompress(compression: &str, packed: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match compression {
        "" => return Ok(packed),
        ".xz" => liblzma::read::XzDecoder::new(packed.as_slice()).read_to_end(&mut plain)?,
        ".zst" => zstd::stream::read::Decoder::new(packed.as_slice())?.read_to_end(&mut plain)?,
        other => {
            return Err(std::io::Error::other(format!(
                "the compression {other} is not known; xz and zst are"
            )));
        }
    };
    Ok(plain)
}
