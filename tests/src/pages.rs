//! A web server of a few pages, for what a machine fetches that is not a release.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

/// The host, as a machine sees it (QEMU's user network).
const HOST: &str = "10.0.2.2";

/// What is answered at a path.
#[derive(Debug, Clone)]
pub enum Page {
    /// 200 with these bytes.
    Bytes(Vec<u8>),
    /// 302 to this path.
    Moved(&'static str),
    /// This status, the first time; then the page behind it.
    Once(u16, Box<Page>),
}

/// The server. It lives as long as the process.
#[derive(Debug)]
pub struct Pages {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Pages {
    /// Serves `pages`, by path, on a port of the loopback that is free.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn serve(pages: Vec<(&'static str, Page)>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut pages = pages;
            for client in listener.incoming().flatten() {
                // A client that went away is seen in what the test asserts.
                let _ = answer(&client, &mut pages, &log);
            }
        });
        Ok(Self { address, asked })
    }

    /// The address of `path`, as a machine reaches it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{HOST}:{}{path}", self.address.port())
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn answer(
    client: &TcpStream,
    pages: &mut [(&'static str, Page)],
    asked: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut lines = BufReader::new(client).lines();
    let first = lines.next().context("no request")??;
    while !lines.next().context("the request has no end")??.is_empty() {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = pages.iter_mut().find(|(known, _)| *known == path);
    let (status, location, body) = match page {
        None => (404, String::new(), Vec::new()),
        Some((_, page)) => match page.clone() {
            Page::Bytes(bytes) => (200, String::new(), bytes),
            Page::Moved(to) => (302, format!("location: {to}\r\n"), Vec::new()),
            Page::Once(status, next) => {
                *page = *next;
                (status, String::new(), Vec::new())
            }
        },
    };
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(path);
    let length = body.len();
    let mut client = client;
    client.write_all(
        format!(
            "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n{location}\r\n"
        )
        .as_bytes(),
    )?;
    client.write_all(&body)?;
    Ok(())
}
