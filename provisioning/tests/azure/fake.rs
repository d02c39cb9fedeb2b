//! A service of Azure that answers what a test tells it to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acl_provision::platform::{Machine, Patience};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use url::Url;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The method, and the path with its query: `GET /?comp=versions`.
    pub(crate) line: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Text(u16, String),
    /// With `Retry-After`.
    Later(u16, u32),
    /// To another address.
    Redirect(String),
    /// Less than announced, then the connection ends.
    Cut(String),
    Never,
}

/// What to answer to a request whose line came so often before.
type Script = dyn Fn(&str, usize) -> Reply + Send + Sync;

pub(crate) struct Fake {
    pub(crate) base: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) async fn new(script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        let app = Router::new()
            .fallback(move |request| answer(Arc::clone(&log), script.clone(), request));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let base = base.parse().unwrap();
        Self { base, asked }
    }

    /// Answers one request after the other; the last answer for ever.
    pub(crate) async fn in_turn(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        Self::new(move |_, before| replies[before.min(replies.len() - 1)].clone()).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of the requests that came.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(log: Arc<Mutex<Vec<Asked>>>, script: Arc<Script>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|asked| asked.line == line).count();
        log.push(Asked {
            line: line.clone(),
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        before
    };
    match script(&line, before) {
        Reply::Text(status, text) => plain(status).body(Body::from(text)),
        Reply::Later(status, seconds) => plain(status)
            .header("retry-after", seconds)
            .body(Body::empty()),
        Reply::Redirect(to) => plain(302).header("location", to).body(Body::empty()),
        Reply::Cut(text) => {
            let pieces = [Ok(Bytes::from(text.clone())), Err("the connection ends")];
            plain(200)
                .header("content-length", text.len() + 10)
                .body(Body::from_stream(futures_util::stream::iter(pieces)))
        }
        Reply::Never => std::future::pending().await,
    }
    .unwrap()
}

fn plain(status: u16) -> axum::http::response::Builder {
    Response::builder().status(status)
}

pub(crate) fn ok(text: impl Into<String>) -> Reply {
    Reply::Text(200, text.into())
}

/// Patience for as many repetitions as a script has, without a pause.
pub(crate) fn patient(machine: Machine) -> Machine {
    let patience = Patience {
        total: Duration::from_secs(60),
        ..machine.patience
    };
    Machine {
        patience,
        ..machine
    }
}
