//! What the machine runs on, where nobody said so: a signed kernel command line cannot say it.

use super::{Machine, Platform};

/// The chassis asset tag of every machine of Azure (SMBIOS type 3).
const AZURE_TAG: &str = "7783-7084-3265-9085-8269-3286-77";
/// The maker of QEMU's machines (SMBIOS type 1).
const QEMU_VENDOR: &str = "QEMU";

impl Platform {
    /// What the machine looks like, by what its firmware says (SMBIOS); `metal` where nothing is known.
    pub fn detect(machine: &Machine) -> Self {
        let says = |name: &str| {
            let file = machine.sys.join("class/dmi/id").join(name);
            acl_host::file::read_to_string(file).unwrap_or_default()
        };
        if says("chassis_asset_tag").trim() == AZURE_TAG {
            Self::Azure
        } else if says("sys_vendor").trim() == QEMU_VENDOR {
            Self::Qemu
        } else {
            Self::Metal
        }
    }
}
