//! HTTP: headers, redirects, answers.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use acl_host::Who;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::CONSOLE;
use super::intake::{Order, Spool};
use super::notice::Notice;
use super::proxy::Proxy;
use super::source::short;
use super::tls::{self, Authority, Trust};
use super::tries::{Limits, Patience, Tries, within};
use crate::config::spec::Resource;
use crate::{Error, Result};

/// How often an address is redirected at most. Ignition knows no end.
const REDIRECTS: usize = 10;

/// What every server is told to be wanted, as Ignition tells it for files too: some answer with the version of a config that
/// the client names, and anything else is as good.
const ACCEPTED: &str = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";

/// The headers of a request: ours to every server, and the resource's to the one that it names.
#[derive(Debug)]
pub(super) struct Headers {
    ours: HeaderMap,
    first: HeaderMap,
}

/// The headers that a resource is asked for with; its own replace ours.
pub(super) fn headers(resource: &Resource, url: &str) -> Result<Headers> {
    let mut ours = HeaderMap::new();
    let agent = concat!("acl-provision/", env!("CARGO_PKG_VERSION"));
    ours.insert(USER_AGENT, HeaderValue::from_static(agent));
    // What a server compresses on its own account would not have the hash that the config says.
    ours.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    ours.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    let mut first = ours.clone();
    for item in resource.http_headers.iter().flatten() {
        let refuse = |problem| Error::Header {
            url: url.to_owned(),
            name: item.name.clone(),
            problem,
        };
        let value = item.value.as_deref().unwrap_or_default();
        if value.is_empty() {
            return Err(refuse("has no value"));
        }
        let name: HeaderName = item
            .name
            .parse()
            .map_err(|_invalid| refuse("is not the name of a header"))?;
        let mut value: HeaderValue = value
            .parse()
            .map_err(|_invalid| refuse("has a value that no header can have"))?;
        value.set_sensitive(true);
        first.insert(name, value);
    }
    Ok(Headers { ours, first })
}

/// Asks servers. The client is made when the first address is asked for: reading the system's authorities takes
/// longer than most first boots fetch, and an initrd may have none.
#[derive(Debug, Clone)]
pub(super) struct Http {
    patience: Patience,
    limits: Limits,
    proxy: Proxy,
    authorities: Arc<[Authority]>,
    client: Arc<OnceLock<(Client, Trust)>>,
}

impl Http {
    pub(super) fn new(
        patience: &Patience,
        limits: Limits,
        proxy: Proxy,
        authorities: &[Authority],
    ) -> Self {
        Self {
            patience: patience.clone(),
            limits,
            proxy,
            authorities: authorities.into(),
            client: Arc::default(),
        }
    }

    /// The same with these authorities beside the system's.
    pub(super) fn trusting(&self, authorities: &[Authority]) -> Self {
        Self::new(&self.patience, self.limits, self.proxy.clone(), authorities)
    }

    /// Fetches what lies at an address, trying again what may pass.
    pub(super) async fn fetch<'a>(
        &self,
        url: &Url,
        headers: &Headers,
        order: &Order<'a>,
    ) -> Result<Spool<'a>> {
        let mut last = None;
        let work = async {
            let mut tries = Tries::new(&self.patience);
            let mut notice = Notice::default();
            loop {
                let error = match self.attempt(url, headers, order).await {
                    Ok(spool) => return Ok(spool),
                    Err(error) => error,
                };
                let Some(pause) = tries.next(&error) else {
                    return Err(error);
                };
                let told = acl_host::error::chain(&error);
                if let Some(waited) = notice.due(Instant::now()) {
                    self.say_waiting(&told, waited);
                }
                tracing::warn!(error = told, ?pause, "trying again");
                last = Some(Box::new(error));
                tokio::time::sleep(pause).await;
            }
        };
        let limit = self.limits.total;
        match within(limit, work).await {
            Some(result) => result,
            None => Err(Error::FetchTimeout {
                url: order.url().to_owned(),
                limit,
                source: last,
            }),
        }
    }

    /// Says what a first boot waits for, and how long it will.
    fn say_waiting(&self, error: &str, waited: Duration) {
        let limit = match self.limits.total {
            Duration::ZERO => {
                "without end, because the config sets no timeouts.httpTotal".to_owned()
            }
            limit => format!("for {} s at most", limit.as_secs()),
        };
        let waited = waited.as_secs();
        tracing::warn!(target: CONSOLE, "waiting for {waited} s now, {limit}: {error}");
    }

    /// One try, from the first byte on.
    async fn attempt<'a>(
        &self,
        url: &Url,
        headers: &Headers,
        order: &Order<'a>,
    ) -> Result<Spool<'a>> {
        let mut response = self.follow(url, headers).await?;
        let mut intake = order.open();
        let mut position = 0;
        let read = self.patience.read;
        loop {
            let broke = |source: reqwest::Error| Error::BrokenTransfer {
                url: order.url().to_owned(),
                position,
                source: source.without_url(),
            };
            // Not reqwest's own limit for reading, which would count for the headers too.
            let Some(piece) = within(read, response.chunk()).await else {
                return Err(Error::StalledTransfer {
                    url: order.url().to_owned(),
                    position,
                    limit: read,
                });
            };
            let Some(bytes) = piece.map_err(broke)? else {
                return intake.finish();
            };
            intake.take(&bytes)?;
            position += bytes.len() as u64;
        }
    }

    /// Asks, and follows redirects to the answer that brings the bytes (200, or 204 for none, as with Ignition).
    ///
    /// The resource's own headers go to no address but its own: Ignition's documentation says so, and they may be
    /// secrets.
    async fn follow(&self, url: &Url, headers: &Headers) -> Result<Response> {
        let mut response = self.ask(url, &headers.first).await?;
        let mut asked = url.clone();
        for _ in 0..REDIRECTS {
            match redirect(&asked, &response)? {
                None => return Ok(response),
                Some(next) => asked = next,
            }
            response = self.ask(&asked, &headers.ours).await?;
        }
        match redirect(&asked, &response)? {
            None => Ok(response),
            Some(_) => Err(Error::Redirects {
                url: short(url.as_str()),
                limit: REDIRECTS,
            }),
        }
    }

    async fn ask(&self, url: &Url, headers: &HeaderMap) -> Result<Response> {
        let (client, trust) = self.client()?;
        if url.scheme() == "https" && *trust == Trust::Nobody {
            return Err(Error::NoAuthorities {
                url: short(url.as_str()),
            });
        }
        let request = client.get(url.clone()).headers(headers.clone()).send();
        let limit = self.limits.headers;
        let Some(sent) = within(limit, request).await else {
            return Err(Error::HeadersTimeout {
                url: short(url.as_str()),
                limit,
            });
        };
        sent.map_err(|source| unanswered(url, source))
    }

    fn client(&self) -> Result<&(Client, Trust)> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let builder = || {
            let builder = Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .proxy(self.proxy.clone().into_reqwest());
            match self.patience.connect {
                Duration::ZERO => builder,
                limit => builder.connect_timeout(limit),
            }
        };
        let client = tls::build(builder, &self.authorities)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Where an answer sends us to, if it does; an answer that neither does nor brings bytes is an error.
fn redirect(asked: &Url, response: &Response) -> Result<Option<Url>> {
    let url = short(asked.as_str());
    match response.status() {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(None),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            let header = response.headers().get(LOCATION);
            let bytes = header.map_or(&b""[..], HeaderValue::as_bytes);
            let location = String::from_utf8_lossy(bytes);
            match asked.join(&location) {
                Ok(next) if ["http", "https"].contains(&next.scheme()) && !bytes.is_empty() => {
                    Ok(Some(next))
                }
                _ => Err(Error::RedirectAddress {
                    url,
                    location: short(&location),
                }),
            }
        }
        status => Err(Error::HttpStatus {
            url,
            status,
            wait: retry_after(response.headers()),
        }),
    }
}

/// A request that got no answer.
fn unanswered(url: &Url, source: reqwest::Error) -> Error {
    let url = short(url.as_str());
    let source = source.without_url();
    // A certificate does not become right by asking again; anything else may.
    let Some(refusal) = tls::refusal(&source) else {
        return Error::ServerUnreachable { url, source };
    };
    match tls::in_words(refusal) {
        Some((words, who)) => Error::ServerCertificate {
            url,
            problem: words.to_owned(),
            who,
            source: None,
        },
        None => Error::ServerCertificate {
            url,
            problem: "its certificate is refused".to_owned(),
            who: Who::Server,
            source: Some(source),
        },
    }
}

/// The seconds of a `Retry-After` header; its form as a date is not worth a parser.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}
