//! A web server for a repository: static files with ranges, and a log of requests.
//!
//! What else lies in the repository's directory is nobody's business: only [`PUBLISHED`] is served.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::http::header::RANGE;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

/// The directories of a repository that readers ask for.
pub(crate) const PUBLISHED: [&str; 3] = ["metadata", "targets", "blobs"];

/// Serves the repository until `stop` is ready; then running answers are finished.
///
/// # Errors
/// Those of the listening socket.
pub async fn serve(
    listener: TcpListener,
    dir: &Path,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = PUBLISHED.into_iter().fold(Router::new(), |app, name| {
        let files = ServeDir::new(dir.join(name)).append_index_html_on_directories(false);
        app.nest_service(&format!("/{name}"), files)
    });
    // A layer is around the routes that were there before it.
    let nothing = async || StatusCode::NOT_FOUND;
    let app = app.fallback(nothing).layer(from_fn(log));
    // An answer is written as head and body; with Nagle's algorithm the body of a small one waits 40 ms for the peer's
    // delayed acknowledgement of the head.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers to this peer may be slow");
        }
    });
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stop)
    .await
}

/// One line for each answer, when its head is sent.
async fn log(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let range = request
        .headers()
        .get(RANGE)
        .and_then(|range| range.to_str().ok())
        .unwrap_or("-")
        .to_owned();
    let response = next.run(request).await;
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%peer, %method, path, range, status = response.status().as_u16(), millis, "answered");
    response
}
