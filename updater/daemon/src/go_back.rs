//! `acl-updated go-back`: leaves a release on trial that is not healthy. Started when health checks fail.

use acl_host::{clock::SystemClock, efi::Efi};
use tracing::{error, info, warn};

use crate::{effect, facts, machine::Machine};

/// If the running release is on trial, mark its boot entry bad and reboot; otherwise do nothing: a release that proved
/// itself once is not left without the operator's word.
///
/// # Errors
/// When the reboot cannot be asked for.
pub async fn go_back(machine: &Machine) -> Result<(), effect::Error> {
    match facts::read(machine, &SystemClock) {
        Ok(facts) if !facts.on_trial() => {
            info!(running = %facts.running, "{} is not on trial; the machine stays as it is", facts.running);
            return Ok(());
        }
        Ok(facts) => {
            warn!(running = %facts.running, "going back from {} to the older release", facts.running);
            let marked = machine.esp().map_err(effect::Error::from).and_then(|esp| {
                esp.mark_bad(facts.running.as_str())
                    .map_err(|source| effect::Error::MarkBad { source })
            });
            if let Err(error) = marked {
                // Rebooting is still right: each boot uses up a try, and then the older release comes back.
                let chain = acl_host::error::chain(&error);
                error!(error = chain, "cannot mark the entry: {chain}");
            }
        }
        Err(error) => {
            let chain = acl_host::error::chain(&error);
            if !was_booted_on_trial(machine) {
                error!(
                    error = chain,
                    "cannot tell whether this is a trial; the machine stays as it is: {chain}"
                );
                return Err(error.into());
            }
            warn!(
                error = chain,
                "going back; the entry cannot be marked, its tries are used up instead: {chain}"
            );
        }
    }
    effect::reboot::at_any_price(machine).await
}

/// Whether the boot loader counted this boot as a try (systemd-boot(7), `LoaderBootCountPath`).
fn was_booted_on_trial(machine: &Machine) -> bool {
    let counted = Efi::new(&machine.root).boot_count_path();
    counted.is_ok_and(|path| path.is_some())
}
