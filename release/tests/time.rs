//! Time that passes only when a test lets it: tokio's clock, by which the client measures every limit and pause.
//!
//! A test that uses it begins with `#[tokio::test(start_paused = true)]`, so that the clock stands at a whole millisecond.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::net::UdpSocket;

/// While this is held, only [`pass`] and `tokio::time::advance` move the clock.
///
/// By itself tokio moves a paused clock to the next timer once nothing is left to do, and bytes that are under way between
/// two sockets are nothing to it. It leaves the clock alone while a blocking task runs.
pub(crate) struct StoppedClock {
    _end: Sender<()>,
}

impl StoppedClock {
    pub(crate) fn new() -> Self {
        let (end, ended) = channel();
        tokio::task::spawn_blocking(move || ended.recv());
        Self { _end: end }
    }
}

/// Lets time pass, after a packet went over loopback and back: on a busy machine time is as slow as the network.
pub(crate) async fn pass(time: Duration) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(socket.local_addr().unwrap()).await.unwrap();
    socket.send(b"x").await.unwrap();
    socket.recv(&mut [0]).await.unwrap();
    tokio::time::advance(time).await;
}
