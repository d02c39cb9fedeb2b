//! TUF metadata over our HTTP client, remembering what was fetched last, so that an error can name it.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use tough::{Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

use crate::error::Error;
use crate::repository::http::Http;

/// More than any metadata; the client of TUF has its own, smaller limits for each role.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The transport of one reading of the metadata.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    http: Http,
    last: Arc<Mutex<Last>>,
}

/// What was fetched last, and how it failed.
#[derive(Debug, Default)]
pub(crate) struct Last {
    pub(crate) url: Option<Url>,
    pub(crate) failure: Option<Error>,
}

impl Recorder {
    pub(crate) fn new(http: Http) -> Self {
        Self {
            http,
            last: Arc::default(),
        }
    }

    /// What was fetched last; forgets it.
    pub(crate) fn take(&self) -> Last {
        // Only whole values are ever written, so a panic elsewhere leaves nothing half done.
        std::mem::take(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, url: &Url, failure: Option<Error>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last {
            url: Some(url.clone()),
            failure,
        };
    }
}

#[async_trait]
impl Transport for Recorder {
    /// A file that is not there fails at once, any other fault as the stream is read: only so does tough tell "there is
    /// no newer root" from "the newer root cannot be read".
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        self.record(&url, None);
        let document = self.http.document(&url, LARGEST).await;
        let checked = document.and_then(|bytes| check_type(&url, bytes));
        let item = checked.map_err(|error| {
            let kind = if is_missing(&error) {
                TransportErrorKind::FileNotFound
            } else {
                TransportErrorKind::Other
            };
            let told = TransportError::new_with_cause(kind, &url, acl_host::error::chain(&error));
            self.record(&url, Some(error));
            told
        });
        match item {
            Err(error) if error.kind() == TransportErrorKind::FileNotFound => Err(error),
            item => Ok(Box::pin(stream::once(ready(item)))),
        }
    }
}

/// Whether a server says that there is no such file; object stores say 403 when they do not list.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Status { status, .. } if [403, 404, 410].contains(&status.as_u16()))
}

/// Metadata must say of which type it is. tough ignores what is written there and puts in what it expects, so that a
/// changed type would be the one change that no signature shows.
fn check_type(url: &Url, bytes: Bytes) -> Result<Bytes, Error> {
    #[derive(serde::Deserialize)]
    struct Document {
        signed: Signed,
    }
    #[derive(serde::Deserialize)]
    struct Signed {
        _type: String,
    }
    let role = role_of(url);
    let expected = if role.starts_with("channel-") {
        "targets"
    } else {
        &role
    };
    match serde_json::from_slice::<Document>(&bytes) {
        Ok(document) if document.signed._type != expected => Err(Error::MetadataType {
            role,
            url: url.clone().into(),
            found: document.signed._type,
        }),
        // What is not metadata at all is tough's to refuse.
        _ => Ok(bytes),
    }
}

/// The role whose metadata lies at an address: `7.snapshot.json` is `snapshot`.
pub(crate) fn role_of(url: &Url) -> String {
    let file = url.path().rsplit('/').next().unwrap_or_default();
    let name = file.strip_suffix(".json").unwrap_or(file);
    match name.split_once('.') {
        Some((version, role)) if version.bytes().all(|b| b.is_ascii_digit()) => role.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::role_of;

    #[test]
    fn roles_by_their_files() {
        for (file, role) in [
            ("timestamp.json", "timestamp"),
            ("12.root.json", "root"),
            ("3.channel-stable.json", "channel-stable"),
        ] {
            let url = format!("http://localhost/metadata/{file}").parse().unwrap();
            assert_eq!(role_of(&url), role);
        }
    }
}
