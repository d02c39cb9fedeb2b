//! Reboots this machine.

use acl_host::{
    systemd::Systemd,
    tool::{Tool, Tools},
};
use tracing::{info, warn};

use super::Error;
use crate::machine::Machine;

/// Ask for a reboot in order; returns once it is queued. A machine whose disk is a file is left to whoever runs it.
pub(crate) async fn reboot(machine: &Machine) -> Result<(), Error> {
    if !machine.is_this_one() {
        info!("the disk is a file: start its machine again to boot what was armed");
        return Ok(());
    }
    let asked = async { Systemd::connect().await?.reboot().await };
    match asked.await {
        Ok(()) => Ok(()),
        Err(error) => {
            warn_of(&error, "ask for the reboot over the bus");
            systemctl(&["reboot"]).await
        }
    }
}

/// Reboot a machine in trouble: in order where that works, at once where something is in the way of it.
pub(crate) async fn at_any_price(machine: &Machine) -> Result<(), Error> {
    let Err(error) = reboot(machine).await else {
        return Ok(());
    };
    warn_of(&error, "reboot in order");
    let asked = async { Systemd::connect().await?.reboot_at_once().await };
    match asked.await {
        Ok(()) => Ok(()),
        Err(error) => {
            warn_of(&error, "reboot at once over the bus");
            systemctl(&["reboot", "--force"]).await
        }
    }
}

/// A machine in trouble may have no bus; systemctl has a way of its own to systemd.
async fn systemctl(arguments: &[&str]) -> Result<(), Error> {
    let command = Tools::host().command(Tool::Systemctl).args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.run()).await?;
    ran.map(|_| ()).map_err(|source| Error::Reboot { source })
}

fn warn_of(error: &dyn std::error::Error, action: &str) {
    let chain = acl_host::error::chain(error);
    warn!(error = chain, "cannot {action}: {chain}");
}
