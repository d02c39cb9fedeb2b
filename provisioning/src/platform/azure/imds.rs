//! The instance metadata service (IMDS).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::http::{Ask, Http};
use crate::platform::{Found, Machine};
use crate::{Error, Result};

/// Without it IMDS does not answer, so that no forged link makes a browser ask.
const HEADERS: &[(&str, &str)] = &[("Metadata", "true")];

/// What IMDS answers while it does not know the machine yet, and when it is asked too often.
const PASSING: &[StatusCode] = &[
    StatusCode::NOT_FOUND,
    StatusCode::GONE,
    StatusCode::TOO_MANY_REQUESTS,
];

/// What IMDS says about a machine (`/metadata/instance`, version 2021-02-01): the parts that make an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instance {
    /// `compute.osProfile.computerName`.
    pub host_name: Option<String>,
    /// `compute.osProfile.adminUsername`.
    pub user_name: Option<String>,
    /// `compute.osProfile.disablePasswordAuthentication`.
    pub password_disabled: Option<bool>,
    /// `compute.publicKeys[].keyData`, as they are.
    pub keys: Vec<String>,
}

/// The user data, decoded; `config` is `None` when the machine has none.
///
/// # Errors
/// [`Error::AzureConnect`], [`Error::AzureStatus`], [`Error::TooLarge`], [`Error::Base64`].
pub async fn user_data(machine: &Machine) -> Result<Found> {
    let url = address(
        machine,
        "/metadata/instance/compute/userData",
        "api-version=2021-01-01&format=text",
    );
    let place = url.to_string();
    let text = ask(machine, url, |bytes| Ok(bytes.to_vec())).await?;
    let config = decode(&place, text)?;
    Ok(Found { config, place })
}

/// What IMDS says about the machine.
///
/// # Errors
/// [`Error::AzureConnect`], [`Error::AzureStatus`], [`Error::AzureAnswer`], [`Error::TooLarge`].
pub async fn instance(machine: &Machine) -> Result<Instance> {
    let url = address(machine, "/metadata/instance", "api-version=2021-02-01");
    ask(machine, url, Instance::parse).await
}

impl Instance {
    /// Reads IMDS's JSON. What is absent or empty is `None`; a machine made from a specialized disk has no profile.
    ///
    /// # Errors
    /// Says what is wrong, and at which line and column.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let profile = document.compute.os_profile.unwrap_or_default();
        let keys = document.compute.public_keys.unwrap_or_default();
        Ok(Self {
            host_name: profile.computer_name.filter(|text| !text.is_empty()),
            user_name: profile.admin_username.filter(|text| !text.is_empty()),
            password_disabled: profile.disable_password_authentication,
            keys: keys.into_iter().map(|key| key.key_data).collect(),
        })
    }
}

fn address(machine: &Machine, path: &str, query: &str) -> Url {
    let mut url = machine.imds.clone();
    url.set_path(path);
    url.set_query(Some(query));
    url
}

async fn ask<T>(
    machine: &Machine,
    url: Url,
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T> {
    let ask = Ask {
        url,
        headers: HEADERS,
        body: None,
        passing: PASSING,
    };
    Http::new(&machine.patience)?.ask(&ask, read).await
}

/// Decodes base64 that may be broken into lines; nothing is `None`.
pub(super) fn decode(place: &str, mut text: Vec<u8>) -> Result<Option<Vec<u8>>> {
    text.retain(|byte| !byte.is_ascii_whitespace());
    let decoded = BASE64_STANDARD
        .decode(text)
        .map_err(|source| Error::Base64 {
            place: place.to_owned(),
            source,
        })?;
    Ok(Some(decoded).filter(|bytes| !bytes.is_empty()))
}

#[derive(Deserialize)]
#[serde(expecting = "the metadata of an instance")]
struct Document {
    compute: Compute,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compute {
    os_profile: Option<OsProfile>,
    public_keys: Option<Vec<PublicKey>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct OsProfile {
    computer_name: Option<String>,
    admin_username: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    disable_password_authentication: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    key_data: String,
}

/// IMDS writes truth values as text, and has them empty where it knows none.
fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Truth {
        Value(bool),
        Text(String),
    }
    match Option::<Truth>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Truth::Value(value)) => Ok(Some(value)),
        Some(Truth::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(serde::de::Error::custom(format!(
                "{text:?} is neither \"true\" nor \"false\""
            ))),
        },
    }
}
