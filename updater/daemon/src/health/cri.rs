//! One call of the Container Runtime Interface: `runtime.v1.RuntimeService/Version`, gRPC over a Unix socket.
//!
//! A gRPC message is a byte that says whether it is compressed, its length in four bytes, and the message in protobuf;
//! the call's outcome is in the trailer `grpc-status` (gRPC over HTTP2).

use std::path::Path;

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client};
use tokio::net::UnixStream;

const METHOD: &str = "http://localhost/runtime.v1.RuntimeService/Version";

/// A VersionRequest without its one optional field: no compression, no bytes.
const REQUEST: [u8; 5] = [0; 5];

/// Longer than any answer.
const LARGEST: usize = 64 * 1024;

/// Field 2 of VersionResponse, `runtime_name`, as a protobuf key: number 2, length-delimited.
const RUNTIME_NAME: u8 = 2 << 3 | 2;

/// Why the runtime did not tell its version.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot connect")]
    Connect { source: std::io::Error },
    #[error("cannot make the request")]
    Request { source: http::Error },
    #[error("it does not speak HTTP/2")]
    Call { source: h2::Error },
    #[error("it refuses the call with gRPC status {status}: {message}")]
    Refused { status: String, message: String },
    #[error("its answer is no VersionResponse")]
    Answer,
}

/// The name of the runtime.
pub(super) async fn version(socket: &Path) -> Result<String, Error> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| Error::Connect { source })?;
    let (sender, connection) = client::handshake(stream)
        .await
        .map_err(|source| Error::Call { source })?;
    // The connection moves the frames; it ends when the call is over and dropped.
    tokio::select! {
        answer = call(sender) => answer,
        ended = connection => Err(ended.err().map_or(Error::Answer, |source| Error::Call { source })),
    }
}

async fn call(sender: client::SendRequest<Bytes>) -> Result<String, Error> {
    let failed = |source| Error::Call { source };
    let mut sender = sender.ready().await.map_err(failed)?;
    let request = http::Request::post(METHOD)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|source| Error::Request { source })?;
    let (response, mut body) = sender.send_request(request, false).map_err(failed)?;
    body.send_data(Bytes::from_static(&REQUEST), true)
        .map_err(failed)?;
    let (head, mut stream) = response.await.map_err(failed)?.into_parts();
    let message = read(&mut stream).await?;
    let trailers = stream.trailers().await.map_err(failed)?;
    // A call that fails at once has its status in the head.
    accepted(trailers.as_ref().unwrap_or(&head.headers))?;
    runtime_name(&message).ok_or(Error::Answer)
}

async fn read(stream: &mut RecvStream) -> Result<BytesMut, Error> {
    let mut message = BytesMut::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(|source| Error::Call { source })?;
        if message.len() + piece.len() > LARGEST {
            return Err(Error::Answer);
        }
        let taken = stream.flow_control().release_capacity(piece.len());
        taken.map_err(|source| Error::Call { source })?;
        message.extend_from_slice(&piece);
    }
    Ok(message)
}

fn accepted(headers: &http::HeaderMap) -> Result<(), Error> {
    let text = |name| {
        let value = headers.get(name).map(http::HeaderValue::as_bytes);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    match text("grpc-status") {
        status if status == "0" => Ok(()),
        status => Err(Error::Refused {
            status,
            message: text("grpc-message"),
        }),
    }
}

/// `runtime_name` of a framed VersionResponse, whose four fields are short strings.
fn runtime_name(framed: &[u8]) -> Option<String> {
    let mut rest = framed.get(REQUEST.len()..)?;
    while let [key, length, tail @ ..] = rest {
        // Lengths from 128 on take two bytes; no field is that long.
        let (value, next) = tail.split_at_checked(usize::from(*length))?;
        if *key == RUNTIME_NAME {
            return String::from_utf8(value.to_vec()).ok();
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use h2::server;
    use tokio::net::UnixListener;

    const ANSWER: &[u8] =
        b"\0\0\0\0\x23\x0a\x050.1.0\x12\x0acontainerd\x1a\x061.7.24\x22\x06v1.7.2";

    /// A runtime that answers one call.
    async fn serve(listener: UnixListener, status: &'static str) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(request.uri().path(), "/runtime.v1.RuntimeService/Version");
        let mut body = respond
            .send_response(http::Response::new(()), false)
            .unwrap();
        body.send_data(Bytes::from_static(ANSWER), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        body.send_trailers(trailers).unwrap();
        while connection.accept().await.is_some() {}
    }

    #[tokio::test]
    async fn a_runtime_tells_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (answer, ()) = tokio::join!(version(&socket), serve(listener, "0"));
        assert_eq!(answer.unwrap(), "containerd");
    }

    #[tokio::test]
    async fn a_refused_call_is_told_with_its_status() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (answer, ()) = tokio::join!(version(&socket), serve(listener, "12"));
        let told = answer.unwrap_err().to_string();
        assert_eq!(told, "it refuses the call with gRPC status 12: ");
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there() {
        let told = version(Path::new("/nowhere/socket")).await.unwrap_err();
        assert_eq!(told.to_string(), "cannot connect");
    }

    #[test]
    fn answers_that_are_cut_off() {
        for length in 0..ANSWER.len() - 16 {
            assert_eq!(runtime_name(&ANSWER[..length]), None, "{length}");
        }
    }
}
