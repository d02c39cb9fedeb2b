//! Azure: a config from user data or custom data, the administrator and the host name, reports to the fabric.
//!
//! The order is Ignition's (internal/providers/azure): user data of the instance metadata service (IMDS) first; custom
//! data of the provisioning medium when there is no user data, or when IMDS cannot be asked. AKS uses custom data. The
//! differences, all towards failing loudly: user data that is there but is not base64 is an error and not passed over;
//! when IMDS cannot be asked and the medium has no custom data either, that is IMDS's error and not "no config"; the
//! medium is waited for 30 s and not for ever.

mod crypt;
pub mod custom_data;
mod http;
pub mod imds;
pub mod lease;
mod medium;
pub mod ovf;
pub mod profile;
pub mod wire;
mod xml;

use acl_host::error::chain;

use self::ovf::Provisioning;
use super::{Found, Machine};
use crate::config::spec;
use crate::{Error, Result};

/// The operator's config: user data, else custom data.
///
/// # Errors
/// [`Error::Base64`], [`Error::TooLarge`]; of IMDS, when there is no custom data, [`Error::AzureConnect`],
/// [`Error::AzureStatus`], [`Error::AzureAnswer`]; of the medium, when there is no user data, [`Error::NoMedium`],
/// [`Error::ReadMedium`], [`Error::MountMedium`], [`Error::OvfEnv`], [`Error::Host`].
pub async fn config(machine: &Machine) -> Result<Found> {
    let user_data = imds::user_data(machine).await;
    let unanswered = match user_data {
        Ok(found) if found.config.is_some() => return Ok(found),
        Ok(_) => None,
        Err(error) if is_of_the_service(&error) => Some(error),
        Err(error) => return Err(error),
    };
    if let Some(error) = &unanswered {
        tracing::warn!(
            error = chain(error),
            "IMDS gives no user data: custom data of the provisioning medium is tried"
        );
    }
    let custom_data = medium::with(machine, custom_data::read).await;
    match (custom_data, unanswered) {
        (Ok(Some(found)), _) if found.config.is_some() => Ok(found),
        (Ok(_), Some(error)) => Err(error),
        (Ok(found), None) => found.ok_or_else(|| no_medium(machine)),
        (Err(error), _) => Err(error),
    }
}

/// What Azure says about the machine: host name, administrator, keys. From IMDS and `ovf-env.xml`, of which one may
/// be missing.
///
/// # Errors
/// That of IMDS when neither can be had; [`Error::AzureProfile`] for names and keys that cannot be set.
pub async fn defaults(machine: &Machine) -> Result<spec::Config> {
    let instance = imds::instance(machine).await;
    let provisioning = medium::with(machine, Provisioning::read).await;
    if let Err(error) = &provisioning {
        tracing::warn!(
            error = chain(error),
            "the provisioning medium cannot be read: accounts and keys come from IMDS alone"
        );
    }
    let provisioning = provisioning.unwrap_or_default();
    let instance = match instance {
        Ok(instance) => Some(instance),
        Err(error) if provisioning.is_none() => return Err(error),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "IMDS does not answer: accounts and keys come from ovf-env.xml alone"
            );
            None
        }
    };
    profile::config(
        instance.as_ref(),
        provisioning.as_ref(),
        &crypt::random_salt()?,
    )
}

/// Whether it is IMDS that failed, and not what the operator put into it.
const fn is_of_the_service(error: &Error) -> bool {
    matches!(
        error,
        Error::AzureConnect { .. } | Error::AzureStatus { .. } | Error::AzureAnswer { .. }
    )
}

fn no_medium(machine: &Machine) -> Error {
    Error::NoMedium {
        dev: machine.dev.clone(),
        waited: machine.patience.medium,
    }
}
