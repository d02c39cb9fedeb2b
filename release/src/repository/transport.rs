//! TUF metadata over our HTTP client, remembering what was fetched last, so that an error can name it.

use std::sync::{Arc, Mutex, PoisonError};

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
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        self.record(&url, None);
        match self.http.document(&url, LARGEST).await {
            Ok(bytes) => Ok(Box::pin(futures_util::stream::once(std::future::ready(
                Ok(bytes),
            )))),
            Err(error) => {
                let missing = matches!(&error, Error::Status { status, .. } if status.as_u16() == 404 || status.as_u16() == 403);
                let kind = if missing {
                    TransportErrorKind::FileNotFound
                } else {
                    TransportErrorKind::Other
                };
                let failure =
                    TransportError::new_with_cause(kind, &url, acl_host::error::chain(&error));
                self.record(&url, Some(error));
                Err(failure)
            }
        }
    }
}
