//! The Container Runtime Interface of a machine, as its kubelet would speak it: gRPC over HTTP/2 (Kubernetes'
//! `cri-api`, `runtime.v1`).
//!
//! The runtime's socket is reached through a port of the host, see [`proxy`].

pub mod message;
mod proxy;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{self, SendRequest};
use h2::{RecvStream, SendStream};
use prost::Message;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

pub use proxy::Proxy;

/// How long a call may take: the first container of a machine without KVM takes some 10 s.
const LIMIT: Duration = Duration::from_secs(120);

/// A connection for each call, to the runtime behind an address of the host.
#[derive(Debug)]
pub struct Cri {
    address: SocketAddr,
    runtime: Runtime,
}

impl Cri {
    /// The runtime that is reached at `address`.
    ///
    /// # Errors
    /// When this process may have no further file descriptors.
    pub fn at(address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { address, runtime })
    }

    /// Calls `method`, such as `RuntimeService/Version`.
    ///
    /// # Errors
    /// When the runtime cannot be reached or refuses; with its message.
    pub fn call<Answer: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<Answer> {
        let call = call(self.address, method, request.encode_to_vec());
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, call).await });
        let answer = answer.with_context(|| format!("{method} was not answered"))?;
        let answer = answer.with_context(|| format!("{method} failed"))?;
        Ok(Answer::decode(answer)?)
    }
}

async fn call(address: SocketAddr, method: &str, request: Vec<u8>) -> Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    let (sender, connection) = client::handshake(stream).await?;
    // The connection moves the frames; it ends when the call is over and dropped.
    tokio::select! {
        answer = ask(sender, method, request) => answer,
        ended = connection => Err(ended.err().map_or_else(|| anyhow!("the runtime hung up"), Into::into)),
    }
}

async fn ask(sender: SendRequest<Bytes>, method: &str, request: Vec<u8>) -> Result<Bytes> {
    let mut sender = sender.ready().await?;
    let head = http::Request::post(format!("http://localhost/runtime.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut body) = sender.send_request(head, false)?;
    send(&mut body, &request)?;
    let (head, mut stream) = response.await?.into_parts();
    let answer = read(&mut stream).await?;
    let trailers = stream.trailers().await?;
    // A call that fails at once has its status in the head.
    let ending = trailers.as_ref().unwrap_or(&head.headers);
    let text = |name| {
        ending.get(name).map_or("", |value: &http::HeaderValue| {
            value.to_str().unwrap_or_default()
        })
    };
    if text("grpc-status") != "0" {
        bail!(
            "gRPC status {}: {}",
            text("grpc-status"),
            text("grpc-message")
        );
    }
    ensure!(
        answer.len() >= 5 && answer[0] == 0,
        "the answer is no plain gRPC message"
    );
    Ok(answer.slice(5..))
}

/// A message stands behind a byte that says that it is not compressed, and its length.
fn send(body: &mut SendStream<Bytes>, message: &[u8]) -> Result<()> {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len().try_into()?);
    framed.extend_from_slice(message);
    Ok(body.send_data(framed.freeze(), true)?)
}

async fn read(stream: &mut RecvStream) -> Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}
