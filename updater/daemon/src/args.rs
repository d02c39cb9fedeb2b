//! The command line.

use std::path::PathBuf;

use acl_updated::machine::Machine;
use clap::{Parser, Subcommand};

/// The update agent of ACL
///
/// Exit codes: 0 done; 1 a bug; 2 wrong usage; 3 the operator must act; 4 the machine or the network must be looked
/// after; 5 the release repository is at fault.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Root directory of the machine
    #[arg(long, global = true, default_value = "/", value_name = "DIR")]
    root: PathBuf,

    /// The machine's disk, when it is a file; such a machine is never rebooted
    #[arg(long, global = true, value_name = "FILE")]
    disk: Option<PathBuf>,

    /// The directory that is the EFI system partition [default: efi or boot below the root]
    #[arg(long, global = true, value_name = "DIR")]
    esp: Option<PathBuf>,

    /// Bytes of the EFI system partition, when its directory is no file system of its own
    #[arg(long, global = true, value_name = "BYTES")]
    esp_size: Option<u64>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep the machine up to date, until told to end (the default)
    Run {
        /// Do not serve D-Bus
        #[arg(long)]
        no_bus: bool,
    },
    /// Do once what would be done at the next check, to its end; works on machines in a file
    Once,
    /// Check the health of the running release and write the report
    Health,
    /// Leave a release on trial: mark its boot entry bad and reboot
    GoBack,
}

impl Args {
    /// The machine that the arguments describe.
    pub(crate) fn machine(&self) -> Machine {
        Machine {
            root: self.root.clone(),
            disk: self.disk.clone(),
            esp: self.esp.clone(),
            esp_size: self.esp_size,
        }
    }
}
