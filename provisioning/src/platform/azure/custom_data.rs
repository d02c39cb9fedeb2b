//! Custom data, from the provisioning medium.

use std::path::Path;

use acl_host::error::chain;

use super::imds::decode;
use super::ovf::{self, Provisioning};
use crate::Result;
use crate::platform::{Found, bounded};

/// Custom data as a file of its own, decoded by Azure already.
const FILE: &str = "CustomData.bin";

/// The largest `CustomData.bin` that is read: 4 MiB; Azure takes 64 KiB.
const LIMIT: u64 = 4 << 20;

/// The custom data of the medium that is mounted at `directory`; `place` is the medium, for people.
///
/// As Ignition does: `CustomData` of `ovf-env.xml` (base64) counts before `CustomData.bin` (the bytes themselves); one
/// that cannot be read is passed over when there is the other. Unlike Ignition it is an error when there is not.
///
/// # Errors
/// [`crate::Error::OvfEnv`], [`crate::Error::Base64`], [`crate::Error::Host`], [`crate::Error::TooLarge`].
pub fn read(directory: &Path, place: &str) -> Result<Found> {
    let unusable = match in_document(directory, place) {
        Ok(Some(config)) => {
            let place = format!("CustomData in {} of {place}", ovf::FILE);
            return Ok(found(Some(config), place));
        }
        Ok(None) => None,
        Err(error) => Some(error),
    };
    let bytes = bounded::read(&directory.join(FILE), LIMIT)?.filter(|bytes| !bytes.is_empty());
    match (bytes, unusable) {
        (Some(bytes), unusable) => {
            if let Some(error) = unusable {
                tracing::warn!(
                    error = chain(&error),
                    "CustomData in ovf-env.xml cannot be used: {FILE} is used instead"
                );
            }
            Ok(found(Some(bytes), format!("{FILE} of {place}")))
        }
        (None, Some(error)) => Err(error),
        (None, None) => Ok(found(None, format!("custom data of {place}"))),
    }
}

const fn found(config: Option<Vec<u8>>, place: String) -> Found {
    Found { config, place }
}

fn in_document(directory: &Path, place: &str) -> Result<Option<Vec<u8>>> {
    let text = Provisioning::read(directory, place)?.custom_data;
    let place = format!("CustomData in {} of {place}", ovf::FILE);
    decode(&place, text.unwrap_or_default().into_bytes())
}
