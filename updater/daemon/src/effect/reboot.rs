//! Reboots this machine.

use acl_host::{
    systemd::Systemd,
    tool::{Tool, Tools},
};
use tracing::{info, warn};

use super::Error;
use crate::machine::Machine;

/// Ask for a reboot; returns once it is queued. A machine whose disk is a file is left to whoever runs it.
pub(crate) async fn reboot(machine: &Machine) -> Result<(), Error> {
    if !machine.is_this_one() {
        info!("the disk is a file: start its machine again to boot what was armed");
        return Ok(());
    }
    let asked = async { Systemd::connect().await?.reboot().await };
    if let Err(error) = asked.await {
        // A machine in trouble may have no bus; systemctl has a way of its own to systemd.
        let chain = acl_host::error::chain(&error);
        warn!(
            error = chain,
            "cannot ask for the reboot over the bus: {chain}"
        );
        let command = Tools::host().command(Tool::Systemctl).arg("reboot");
        tokio::task::spawn_blocking(move || command.run())
            .await?
            .map_err(|source| Error::Reboot { source })?;
    }
    Ok(())
}
