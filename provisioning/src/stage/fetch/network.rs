//! Whether a config that was decided on can be done without the network.

use url::Url;

use crate::config::spec;
use crate::fetch::is_data;

/// Whether anything that it names is on the network: files, keys, and the servers that unlock its volumes.
pub(super) fn is_needed(config: &spec::Config) -> bool {
    let storage = || config.storage.iter();
    let files = storage()
        .flat_map(|storage| storage.files.iter().flatten())
        .flat_map(|file| file.contents.iter().chain(file.append.iter().flatten()));
    let volumes = || storage().flat_map(|storage| storage.luks.iter().flatten());
    let keys = volumes().filter_map(|volume| volume.key_file.as_ref());
    volumes().any(is_unlocked_by_network) || files.chain(keys).any(is_on_network)
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
