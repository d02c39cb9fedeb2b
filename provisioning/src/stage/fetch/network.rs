//! Whether a config that was decided on can be done without the network.

use url::Url;

use crate::config::spec;
use crate::fetch::is_data;

/// Whether anything that it names is on the network: files, keys, authorities (of the image's configs; those of the
/// operator's are in it by now), and the servers that unlock its volumes.
pub(super) fn is_needed(config: &spec::Config) -> bool {
    let storage = || config.storage.iter();
    let files = storage()
        .flat_map(|storage| storage.files.iter().flatten())
        .flat_map(|file| file.contents.iter().chain(file.append.iter().flatten()));
    let volumes = || storage().flat_map(|storage| storage.luks.iter().flatten());
    let keys = volumes().filter_map(|volume| volume.key_file.as_ref());
    let tls = config.ignition.security.iter();
    let authorities = tls
        .filter_map(|security| security.tls.as_ref())
        .flat_map(|tls| tls.certificate_authorities.iter().flatten());
    let mut named = files.chain(keys).chain(authorities);
    volumes().any(is_unlocked_by_network) || named.any(is_on_network)
}

fn is_unlocked_by_network(volume: &spec::Luks) -> bool {
    volume.clevis.as_ref().is_some_and(|clevis| {
        let custom = clevis.custom.as_ref();
        let custom = custom.and_then(|custom| custom.needs_network);
        clevis.tang.iter().flatten().next().is_some() || custom == Some(true)
    })
}

fn is_on_network(resource: &spec::Resource) -> bool {
    let source = resource.source.as_deref().unwrap_or_default();
    // Not parsed, which would copy it.
    !is_data(source) && Url::parse(source).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
