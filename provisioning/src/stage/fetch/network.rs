//! What a config that was decided on still names: whether it is on the network, and whether it can be fetched at all.

use url::Url;

use crate::config::spec;
use crate::fetch::{check_scheme, is_data};
use crate::{Error, Result};

/// Whether anything that it names is on the network: files, keys, authorities (of the image's configs; those of the
/// operator's are in it by now), and the servers that unlock its volumes.
pub(super) fn is_needed(config: &spec::Config) -> bool {
    let mut volumes = config
        .storage
        .iter()
        .flat_map(|storage| storage.luks.iter().flatten());
    let mut named = named(config);
    volumes.any(is_unlocked_by_network) || named.any(|(_, resource)| is_on_network(resource))
}

/// Refuses what nothing here can fetch, while no disk is touched yet.
///
/// # Errors
/// [`Error::Named`] around [`Error::Scheme`].
pub(super) fn check_schemes(config: &spec::Config) -> Result<()> {
    for (place, resource) in named(config) {
        let source = resource.source.as_deref().unwrap_or_default();
        check_scheme(source).map_err(|source| Error::Named {
            place: place(),
            source: Box::new(source),
        })?;
    }
    Ok(())
}

/// A place in the config, written only for whom it is shown to.
type Place = Box<dyn Fn() -> String>;

/// Everything that the stages after this one fetch, with its place.
fn named(config: &spec::Config) -> impl Iterator<Item = (Place, &spec::Resource)> {
    let storage = || config.storage.iter();
    let files = storage().flat_map(|storage| storage.files.iter().flatten().enumerate());
    let files = files.flat_map(|(file, described)| {
        let contents = described.contents.iter().map(move |contents| {
            let place: Place = Box::new(move || format!("$.storage.files.{file}.contents"));
            (place, contents)
        });
        let append = described.append.iter().flatten().enumerate();
        contents.chain(append.map(move |(number, part)| {
            let place: Place = Box::new(move || format!("$.storage.files.{file}.append.{number}"));
            (place, part)
        }))
    });
    let volumes = storage().flat_map(|storage| storage.luks.iter().flatten().enumerate());
    let keys = volumes.filter_map(|(number, volume)| {
        let place: Place = Box::new(move || format!("$.storage.luks.{number}.keyFile"));
        Some((place, volume.key_file.as_ref()?))
    });
    let tls = config.ignition.security.iter();
    let authorities = tls
        .filter_map(|security| security.tls.as_ref())
        .flat_map(|tls| tls.certificate_authorities.iter().flatten().enumerate());
    let authorities = authorities.map(|(number, authority)| {
        let place: Place =
            Box::new(move || format!("$.ignition.security.tls.certificateAuthorities.{number}"));
        (place, authority)
    });
    files.chain(keys).chain(authorities)
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
