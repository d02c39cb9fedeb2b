//! A web server for a repository: static files with ranges, and a log of requests.
//!
//! What else lies in the repository's directory is nobody's business: only regular files of [`PUBLISHED`] are served, and no
//! symbolic link below them is followed, since it may lead to a private key.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path as Named, Request, State};
use axum::http::header::{CONTENT_TYPE, RANGE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tokio::net::TcpListener;
use tower_http::services::ServeFile;

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
    let nothing = async || StatusCode::NOT_FOUND;
    let app = Router::new()
        .route("/{directory}/{*name}", get(answer))
        .with_state(Arc::new(dir.to_owned()))
        .fallback(nothing)
        .layer(from_fn(log));
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

/// What a request for a file of [`PUBLISHED`] gets.
async fn answer(
    State(dir): State<Arc<PathBuf>>,
    Named((directory, name)): Named<(String, String)>,
    request: Request,
) -> Response {
    if !PUBLISHED.contains(&directory.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let is_json = name.ends_with(".json");
    let opened = tokio::task::spawn_blocking(move || open(&dir.join(directory), &name));
    match opened.await.map_err(io::Error::from).flatten() {
        Ok(Some(file)) => content(&file, is_json, request).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => broken(&error),
    }
}

/// The open file, or the range of it that is asked for.
async fn content(file: &File, is_json: bool, request: Request) -> Response {
    // Leads to what is open, whatever its name leads to by now (proc_pid_fd(5)).
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    match ServeFile::new(path).try_call(request).await {
        Ok(mut response) => {
            // The path that was opened has no ending.
            if let Some(kind) = response
                .headers_mut()
                .get_mut(CONTENT_TYPE)
                .filter(|_| is_json)
            {
                *kind = HeaderValue::from_static("application/json");
            }
            response.map(Body::new)
        }
        Err(error) => broken(&error),
    }
}

fn broken(error: &io::Error) -> Response {
    tracing::warn!(%error, "what is asked for cannot be read");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Opens a regular file below a directory; nothing where there is none.
fn open(dir: &Path, name: &str) -> io::Result<Option<File>> {
    // A FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let opened = File::open(dir).and_then(|dir| {
        Ok(rustix::fs::openat2(
            dir,
            name,
            flags,
            Mode::empty(),
            inside,
        )?)
    });
    let file = match opened {
        Ok(file) => File::from(file),
        Err(error) if is_nothing(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Whether an error says that nothing that is served has the name.
fn is_nothing(error: &io::Error) -> bool {
    let nothing = [
        Errno::NOENT,
        Errno::NOTDIR,
        // A symbolic link, and a way out of the directory.
        Errno::LOOP,
        Errno::XDEV,
        Errno::NAMETOOLONG,
        // A byte that no name can have.
        Errno::INVAL,
    ];
    Errno::from_io_error(error).is_some_and(|error| nothing.contains(&error))
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
