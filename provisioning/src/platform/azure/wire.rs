//! Reports to the wire server: ready, or not and why.
//!
//! There are two ways to say it. The classic one is WALinuxAgent's, and afterburn's and cloud-init's: version, goal
//! state, and an XML document that repeats the goal state's ids. The newer one, azure-init's, is a single JSON
//! document to `/provisioning/health`. The classic one comes first, because every fabric understands it. The newer
//! one is tried when the wire server declines the classic one: version 2012-11-30 is not offered, a request is refused
//! (4xx), or the answers make no sense. It is not tried when nobody answers: it is the same server.

pub mod health;

use acl_host::error::chain;
use reqwest::StatusCode;
use url::Url;

use self::health::{GoalState, Health};
use super::http::{Ask, Http};
use super::lease;
use crate::platform::{Machine, Outcome, machine};
use crate::{Error, Result};

/// The version of the protocol that is spoken.
const VERSION: &str = "2012-11-30";
const HEADERS: &[(&str, &str)] = &[
    ("x-ms-agent-name", "acl-provision"),
    ("x-ms-version", VERSION),
];
const XML_HEADERS: &[(&str, &str)] = &[
    ("x-ms-agent-name", "acl-provision"),
    ("x-ms-version", VERSION),
    ("content-type", "text/xml; charset=utf-8"),
];
const JSON_HEADERS: &[(&str, &str)] = &[
    ("x-ms-guest-agent-name", "acl-provision"),
    ("content-type", "application/json"),
];

/// How often a report is made anew whose goal state was out of date (410) when it came.
const RENEWALS: usize = 3;

/// Reports how the first boot ended.
///
/// # Errors
/// [`Error::AzureConnect`], [`Error::AzureStatus`], [`Error::AzureAnswer`], [`Error::WireVersion`],
/// [`Error::TooLarge`]: those of the newer way when both were tried.
pub async fn report(machine: &Machine, outcome: &Outcome) -> Result<()> {
    let wire = Wire {
        http: Http::new(&machine.patience)?,
        base: match &machine.wire_server {
            Some(base) => base.clone(),
            None => machine::address(&format!("http://{}", lease::address(&machine.run)))?,
        },
    };
    let health = Health::new(outcome);
    match wire.classic(&health).await {
        Err(error) if declines(&error) => {
            tracing::warn!(
                error = chain(&error),
                "the wire server refuses the older form of the health report: the newer form is sent"
            );
            wire.newer(&health).await
        }
        reported => reported,
    }
}

/// Whether the wire server is there, but not for the classic way.
fn declines(error: &Error) -> bool {
    match error {
        Error::AzureStatus { status, .. } => status.is_client_error(),
        Error::AzureAnswer { .. } | Error::WireVersion { .. } | Error::TooLarge { .. } => true,
        _ => false,
    }
}

struct Wire<'a> {
    http: Http<'a>,
    base: Url,
}

impl Wire<'_> {
    async fn classic(&self, health: &Health) -> Result<()> {
        self.check_version().await?;
        let mut left = RENEWALS;
        loop {
            let state = self.goal_state().await?;
            let document = health.to_xml(&state);
            let posted = self
                .post("/machine/", Some("comp=health"), XML_HEADERS, &document)
                .await;
            match posted {
                Err(error) if is_stale(&error) && left > 0 => left -= 1,
                posted => return posted,
            }
        }
    }

    async fn newer(&self, health: &Health) -> Result<()> {
        self.post(
            "/provisioning/health",
            None,
            JSON_HEADERS,
            &health.to_json(),
        )
        .await
    }

    async fn check_version(&self) -> Result<()> {
        let url = self.url("/", Some("comp=versions"));
        let offered = self.fetch(url.clone(), health::parse_versions).await?;
        if offered.iter().any(|version| version == VERSION) {
            return Ok(());
        }
        Err(Error::WireVersion {
            url: url.into(),
            version: VERSION,
            offered: offered.join(", "),
        })
    }

    async fn goal_state(&self) -> Result<GoalState> {
        let url = self.url("/machine/", Some("comp=goalstate"));
        self.fetch(url, GoalState::parse).await
    }

    async fn fetch<T>(&self, url: Url, read: impl Fn(&[u8]) -> Result<T, String>) -> Result<T> {
        let ask = Ask {
            url,
            headers: HEADERS,
            body: None,
            passing: &[StatusCode::GONE, StatusCode::TOO_MANY_REQUESTS],
        };
        self.http.ask(&ask, read).await
    }

    async fn post(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &[(&'static str, &'static str)],
        document: &str,
    ) -> Result<()> {
        let ask = Ask {
            url: self.url(path, query),
            headers,
            body: Some(document),
            passing: &[StatusCode::TOO_MANY_REQUESTS],
        };
        self.http.ask(&ask, |_| Ok(())).await
    }

    fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url.set_query(query);
        url
    }
}

fn is_stale(error: &Error) -> bool {
    matches!(error, Error::AzureStatus { status, .. } if *status == StatusCode::GONE)
}
