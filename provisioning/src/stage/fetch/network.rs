//! Whether a config can be had, and done, without the network.

use serde_json::Value;
use url::Url;

use crate::config::spec;

/// Whether the address is on the network.
pub(super) fn needs(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether the configs and authorities that it names are on the network.
pub(super) fn is_needed_to_resolve(config: &spec::Config) -> bool {
    serde_json::to_value(&config.ignition).is_ok_and(|section| names_address(&section))
}

/// Whether anything that it names is: files, keys, and the servers that unlock its volumes.
pub(super) fn is_needed(config: &spec::Config) -> bool {
    let volumes = config
        .storage
        .iter()
        .flat_map(|storage| storage.luks.iter().flatten());
    let unlocked = volumes
        .filter_map(|volume| volume.clevis.as_ref())
        .any(|clevis| {
            let custom = clevis
                .custom
                .as_ref()
                .and_then(|custom| custom.needs_network);
            clevis.tang.iter().flatten().next().is_some() || custom == Some(true)
        });
    unlocked || serde_json::to_value(config).is_ok_and(|config| names_address(&config))
}

/// Whether a `source` in it is on the network.
fn names_address(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| match value {
            Value::String(text) if key == "source" => Url::parse(text).is_ok_and(|url| needs(&url)),
            value => names_address(value),
        }),
        Value::Array(list) => list.iter().any(names_address),
        _ => false,
    }
}
