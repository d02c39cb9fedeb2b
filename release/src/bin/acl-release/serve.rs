//! `acl-release serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use acl_release::repository::serve::serve;
use acl_release::repository::store::Store;
use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::say;

/// Serves a repository over HTTP until SIGTERM or SIGINT; any other web server for static files does as well
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The repository's directory
    repository: PathBuf,
    /// Address and port; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if !Store::new(&self.repository).exists()? {
            return Err(acl_release::Error::NotARepository {
                path: self.repository,
            }
            .into());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.listen())
    }

    async fn listen(self) -> anyhow::Result<()> {
        // The signals are caught before the address is told: whoever reads it may send one at once.
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        say(format_args!(
            "serving {} at http://{}",
            self.repository.display(),
            listener.local_addr()?
        ))?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(listener, &self.repository, stop)
            .await
            .context("the server stopped")
    }
}
