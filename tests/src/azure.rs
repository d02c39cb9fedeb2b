//! Azure around a machine: the asset tag, the provisioning medium, and the two services at their real addresses.
//!
//! Both services answer on the loopback of this host. QEMU's user network holds their addresses and starts a relay for
//! each connection: nothing in the machine is told where they are.

pub mod documents;
pub mod medium;
pub mod service;

use std::path::Path;

use crate::journey::Fresh;
use service::Service;

/// The chassis asset tag of every machine of Azure.
const ASSET_TAG: &str = "type=3,asset=7783-7084-3265-9085-8269-3286-77";
/// The smallest network that holds both services: 168.0.0.0 to 169.255.255.255. The host is 168.0.2.2, the machine
/// 168.0.2.15.
const NETWORK: &str = "net=168.0.0.0/7";
const IMDS: &str = "169.254.169.254";
const WIRE_SERVER: &str = "168.63.129.16";

/// Azure's two services.
#[derive(Debug)]
pub struct Azure {
    /// The instance metadata service.
    pub imds: Service,
    /// The wire server.
    pub wire: Service,
}

impl Azure {
    /// Makes a machine one of Azure, with `medium` (an image of a disc) in its drive.
    #[must_use]
    pub fn host(&self, fresh: Fresh, medium: &Path) -> Fresh {
        // QEMU wants commas doubled.
        let disc = medium.display().to_string().replace(',', ",,");
        let drive = format!("if=none,id=medium,media=cdrom,format=raw,readonly=on,file={disc}");
        fresh
            .with_network(NETWORK)
            .with_network(forward(IMDS, &self.imds))
            .with_network(forward(WIRE_SERVER, &self.wire))
            .with_hardware(["-smbios", ASSET_TAG])
            .with_hardware(["-device", "virtio-scsi-pci,id=scsi"])
            .with_hardware(["-drive", &drive, "-device", "scsi-cd,drive=medium"])
    }
}

/// A rule of QEMU's user network: whoever connects to port 80 of `address` talks to `service`.
///
/// QEMU can hand a rule's connections to a socket, but then only one in the whole life of the machine.
fn forward(address: &str, service: &Service) -> String {
    let port = service.port();
    // When the service hangs up, the machine has to see it, though it may have more to say.
    let relay = format!(
        "exec 2>/dev/null 3<>/dev/tcp/127.0.0.1/{port} 4<&0; cat <&4 >&3 & cat <&3; kill $!"
    );
    format!("guestfwd=tcp:{address}:80-cmd:bash -c '{relay}'")
}
