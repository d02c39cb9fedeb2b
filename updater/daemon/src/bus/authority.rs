//! Who may ask for what.

use std::collections::HashMap;

use zbus::{Connection, fdo::DBusProxy, message::Header, names::BusName};
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

use super::{Error, NAME_LOWER};

/// Who decides whether a caller may.
#[derive(Clone, Debug)]
pub enum Authority {
    /// polkit, on the bus of this connection; root may without asking it.
    Polkit(Connection),
    /// Whoever holds the other end of the connection may do all: a socket pair.
    Peer,
}

impl Authority {
    /// Whether the sender of `header` may do `verb`.
    pub(super) async fn allows(&self, header: &Header<'_>, verb: &str) -> Result<bool, Error> {
        match self {
            Self::Peer => Ok(true),
            Self::Polkit(connection) => {
                if is_root(connection, header).await? {
                    return Ok(true);
                }
                ask(connection, header, verb).await
            }
        }
    }
}

/// A small image may have no polkit; root has the right anyway.
async fn is_root(connection: &Connection, header: &Header<'_>) -> Result<bool, Error> {
    let Some(sender) = header.sender() else {
        return Ok(false);
    };
    let bus = DBusProxy::new(connection).await?;
    let user = bus
        .get_connection_unix_user(BusName::from(sender.to_owned()))
        .await;
    Ok(user.map_err(zbus::Error::from)? == 0)
}

async fn ask(connection: &Connection, header: &Header<'_>, verb: &str) -> Result<bool, Error> {
    let refused = |error: &dyn std::error::Error| {
        Error::Environment(format!(
            "polkit cannot be asked whether you may: {}",
            acl_host::error::chain(error)
        ))
    };
    let authority = AuthorityProxy::new(connection)
        .await
        .map_err(|error| refused(&error))?;
    let subject = Subject::new_for_message_header(header).map_err(|error| refused(&error))?;
    let flags = CheckAuthorizationFlags::AllowUserInteraction.into();
    let action = format!("{NAME_LOWER}.{verb}");
    let answer = authority
        .check_authorization(&subject, &action, &HashMap::new(), flags, "")
        .await
        .map_err(|error| refused(&error))?;
    Ok(answer.is_authorized)
}
