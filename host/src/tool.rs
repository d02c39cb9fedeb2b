//! The only register of external programs: what a machine must have is this list.

mod command;
mod place;
mod running;

use std::path::PathBuf;

pub use command::ToolCommand;
pub use place::Tools;
pub use running::Running;

/// An external program, named for what it is called on Debian.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is named for its program")]
pub enum Tool {
    AptGet,
    AptHelper,
    Blkid,
    Blockdev,
    Cargo,
    Casync,
    Clevis,
    Cryptsetup,
    Curl,
    DbusDaemon,
    Depmod,
    FsckErofs,
    FsckExt4,
    FsckVfat,
    Genisoimage,
    Id,
    Jose,
    Mdadm,
    MkfsBtrfs,
    MkfsErofs,
    MkfsExt4,
    MkfsVfat,
    MkfsXfs,
    Mksquashfs,
    Mkswap,
    Modinfo,
    Mount,
    Modprobe,
    Openssl,
    Partx,
    Python3,
    QemuImg,
    QemuSystem,
    Rauc,
    Sbverify,
    Setpriv,
    Sfdisk,
    Sgdisk,
    Shell,
    Ssh,
    SshKeygen,
    Strace,
    Strip,
    Sudo,
    Swtpm,
    Systemctl,
    SystemdAnalyze,
    SystemdSysusers,
    Tangd,
    Udevadm,
    Umount,
    Unshare,
    Veritysetup,
    VirtFwVars,
    Wipefs,
    Xdelta3,
    Zstd,
    /// A program of this workspace, by its path.
    Own(PathBuf),
    /// A program that the operator named, by its path: a health check, a signing command.
    Operator(PathBuf),
}

impl Tool {
    /// The name of the program's file, or its path.
    #[expect(clippy::too_many_lines, reason = "a table, a line a program")]
    pub fn program(&self) -> PathBuf {
        let name = match self {
            Self::AptGet => "apt-get",
            Self::AptHelper => "apt-helper",
            Self::Blkid => "blkid",
            Self::Blockdev => "blockdev",
            Self::Cargo => "cargo",
            Self::Casync => "casync",
            Self::Clevis => "clevis",
            Self::Cryptsetup => "cryptsetup",
            Self::Curl => "curl",
            Self::DbusDaemon => "dbus-daemon",
            Self::Depmod => "depmod",
            Self::FsckErofs => "fsck.erofs",
            Self::FsckExt4 => "fsck.ext4",
            Self::FsckVfat => "fsck.vfat",
            Self::Genisoimage => "genisoimage",
            Self::Id => "id",
            Self::Jose => "jose",
            Self::Mdadm => "mdadm",
            Self::MkfsBtrfs => "mkfs.btrfs",
            Self::MkfsErofs => "mkfs.erofs",
            Self::MkfsExt4 => "mkfs.ext4",
            Self::MkfsVfat => "mkfs.vfat",
            Self::MkfsXfs => "mkfs.xfs",
            Self::Mksquashfs => "mksquashfs",
            Self::Mkswap => "mkswap",
            Self::Modinfo => "modinfo",
            Self::Mount => "mount",
            Self::Modprobe => "modprobe",
            Self::Openssl => "openssl",
            Self::Partx => "partx",
            Self::Python3 => "python3",
            Self::QemuImg => "qemu-img",
            Self::QemuSystem => "qemu-system-x86_64",
            Self::Rauc => "rauc",
            Self::Sbverify => "sbverify",
            Self::Setpriv => "setpriv",
            Self::Sfdisk => "sfdisk",
            Self::Sgdisk => "sgdisk",
            Self::Shell => "sh",
            Self::Ssh => "ssh",
            Self::SshKeygen => "ssh-keygen",
            Self::Strace => "strace",
            Self::Strip => "strip",
            Self::Sudo => "sudo",
            Self::Swtpm => "swtpm",
            Self::Systemctl => "systemctl",
            Self::SystemdAnalyze => "systemd-analyze",
            Self::SystemdSysusers => "systemd-sysusers",
            Self::Tangd => "tangd",
            Self::Udevadm => "udevadm",
            Self::Umount => "umount",
            Self::Unshare => "unshare",
            Self::Veritysetup => "veritysetup",
            Self::VirtFwVars => "virt-fw-vars",
            Self::Wipefs => "wipefs",
            Self::Xdelta3 => "xdelta3",
            Self::Zstd => "zstd",
            Self::Own(path) | Self::Operator(path) => return path.clone(),
        };
        PathBuf::from(name)
    }

    /// The package of Debian trixie that the program comes from; empty for a program given by its path.
    pub const fn package(&self) -> &'static str {
        match self {
            Self::AptGet | Self::AptHelper => "apt",
            Self::Cargo => "cargo (or https://rustup.rs)",
            Self::Casync => "casync",
            Self::Curl => "curl",
            Self::DbusDaemon => "dbus-daemon",
            Self::FsckExt4 | Self::MkfsExt4 => "e2fsprogs",
            Self::Depmod | Self::Modinfo | Self::Modprobe => "kmod",
            Self::FsckErofs | Self::MkfsErofs => "erofs-utils",
            Self::FsckVfat | Self::MkfsVfat => "dosfstools",
            Self::Genisoimage => "genisoimage",
            Self::Id => "coreutils",
            Self::Clevis => "clevis-luks",
            Self::Jose => "jose",
            Self::Mdadm => "mdadm",
            Self::MkfsBtrfs => "btrfs-progs",
            Self::MkfsXfs => "xfsprogs",
            Self::Mount | Self::Umount => "mount",
            Self::Sgdisk => "gdisk",
            Self::Udevadm => "udev",
            Self::Openssl => "openssl",
            Self::Python3 => "python3",
            Self::QemuImg => "qemu-utils",
            Self::QemuSystem => "qemu-system-x86",
            Self::Mksquashfs => "squashfs-tools",
            Self::Rauc => "rauc",
            Self::Sbverify => "sbsigntool",
            Self::Blkid
            | Self::Blockdev
            | Self::Mkswap
            | Self::Partx
            | Self::Setpriv
            | Self::Unshare
            | Self::Wipefs => "util-linux",
            Self::Sfdisk => "fdisk",
            Self::Shell => "dash",
            Self::Ssh | Self::SshKeygen => "openssh-client",
            Self::Strace => "strace",
            Self::Strip => "binutils",
            Self::Sudo => "sudo",
            Self::Swtpm => "swtpm",
            Self::Tangd => "tang-common",
            Self::SystemdAnalyze | Self::SystemdSysusers | Self::Systemctl => "systemd",
            Self::Cryptsetup | Self::Veritysetup => "cryptsetup-bin",
            Self::VirtFwVars => "python3-virt-firmware",
            Self::Xdelta3 => "xdelta3",
            Self::Zstd => "zstd",
            // Told by errors of their own.
            Self::Own(_) | Self::Operator(_) => "",
        }
    }

    /// Whether the program acts on the machine itself and so is never taken from a tools tree.
    const fn of_the_host(&self) -> bool {
        matches!(
            self,
            Self::Cargo
                | Self::Id
                | Self::Setpriv
                | Self::Shell
                | Self::Sudo
                | Self::Unshare
                | Self::Own(_)
                | Self::Operator(_)
        )
    }
}
