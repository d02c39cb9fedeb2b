//! The way to the socket of a machine's container runtime: QEMU forwards a port of the host into the machine, where
//! systemd hands the connection to the socket.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};

use super::Cri;
use crate::machine::Machine;

/// The port in the machine.
const INSIDE: u16 = 8901;
const SOCKET: &str = "/run/containerd/containerd.sock";

/// A port of the host that leads into a machine.
#[derive(Debug)]
pub struct Proxy(u16);

impl Proxy {
    /// On a port that is free.
    ///
    /// # Errors
    /// When none is.
    pub fn choose() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        Ok(Self(listener.local_addr()?.port()))
    }

    /// What QEMU's user network has to be told.
    #[must_use]
    pub fn forward(&self) -> String {
        format!("hostfwd=tcp:127.0.0.1:{}-:{INSIDE}", self.0)
    }

    /// Opens the machine's end of the way.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn open(&self, machine: &mut Machine) -> Result<Cri> {
        let program = "/usr/lib/systemd/systemd-socket-proxyd";
        machine.ask(&format!(
            "systemd-run --quiet --unit=cri-proxy --socket-property=ListenStream=0.0.0.0:{INSIDE} {program} {SOCKET}"
        ))?;
        Cri::at(SocketAddr::from((Ipv4Addr::LOCALHOST, self.0)))
    }
}
