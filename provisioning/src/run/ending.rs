//! How a first boot ends: with a record on ROOT, which is the marker, or with a report of what failed.

use acl_host::file;

use super::Run;
use crate::Result;
use crate::platform::{Outcome, Platform};
use crate::root::Root;
use crate::stage::Stage;
use crate::status::{FAILED, LOG, PROVISIONED, Status};

/// Records may tell addresses and names: root's alone.
const MODE: u32 = 0o600;

impl Run {
    /// Leaves the record on ROOT; its name there is the marker, so it comes last. Then the platform hears that the
    /// machine is ready; a platform that does not listen cannot unmake it.
    pub(super) async fn finish(&self, platform: Platform, status: &Status) -> Result<()> {
        let root = Root::open(&self.root)?;
        self.keep_log(&root)?;
        remove(&root, FAILED)?;
        root.sync();
        root.write(PROVISIONED, &status.to_json(), MODE)?;
        if let Err(error) = platform.report(&self.machine, &Outcome::Ready).await {
            tracing::error!(
                "cannot report to the platform that the machine is ready: {}",
                acl_host::error::chain(&error)
            );
        }
        Ok(())
    }

    /// Says everywhere why the machine does not come up. What goes wrong with that is logged: the first error counts.
    pub(super) async fn tell_failure(&self, stage: Stage, platform: Platform, status: &Status) {
        self.show_failure(stage, status);
        if let Err(error) = self.leave_on_root(status) {
            tracing::error!(
                "cannot write the report of the failure to ROOT: {}",
                acl_host::error::chain(&error)
            );
        }
        let outcome = Outcome::Failed {
            reason: format!("stage {stage}: {}", status.error().unwrap_or_default()),
        };
        if let Err(error) = platform.report(&self.machine, &outcome).await {
            tracing::error!(
                "cannot report the failure to the platform: {}",
                acl_host::error::chain(&error)
            );
        }
    }

    /// In the log and on the console, and nowhere else: neither ROOT nor the platform may be told that a machine that is
    /// provisioned is not. Without its record on ROOT the next boot would be a first boot.
    pub(super) fn show_failure(&self, stage: Stage, status: &Status) {
        let reason = status.error().unwrap_or_default();
        tracing::error!("stage {stage} failed: {reason}");
        let text = format!("acl: the first boot failed at its stage {stage}: {reason}\n");
        let shown = file::make_parents(&self.report)
            .and_then(|()| file::write_private(&self.report, text.as_bytes()));
        if let Err(error) = shown {
            tracing::error!("{}", acl_host::error::chain(&error));
        }
    }

    /// The report first, small as it is; a marker that something else made goes.
    fn leave_on_root(&self, status: &Status) -> Result<()> {
        let root = Root::open(&self.root)?;
        remove(&root, PROVISIONED)?;
        root.write(FAILED, &status.to_json(), MODE)?;
        self.keep_log(&root)
    }

    fn keep_log(&self, root: &Root) -> Result<()> {
        if file::exists(&self.log)? {
            root.write(LOG, &file::read(&self.log)?, MODE)?;
        }
        Ok(())
    }
}

fn remove(root: &Root, path: &str) -> Result<()> {
    match root.find(path)? {
        Some(place) if place.node()?.is_some() => place.remove(),
        _ => Ok(()),
    }
}
