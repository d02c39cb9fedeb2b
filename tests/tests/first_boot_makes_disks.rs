//! The first boot partitions a blank disk, makes an array, an encrypted volume and every file system on it, and fills
//! them; the system finds them again by itself.

use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::machine::BOOT;
use acl_tests::node::TRIAL;
use serde_json::{Value, json};

const DISK: &str = "/dev/disk/by-id/virtio-extra0";

/// Two partitions of an array, one of a volume, and one of each other file system; a file in each that is mounted.
fn config() -> Value {
    let sizes = [
        ("r1", 128),
        ("r2", 128),
        ("v", 128),
        ("xfs", 400),
        ("btrfs", 256),
        ("vfat", 64),
        ("swap", 64),
    ];
    let partitions: Vec<_> = (1..)
        .zip(sizes)
        .map(|(number, (label, size))| json!({"number": number, "label": label, "sizeMiB": size}))
        .collect();
    let part = |label: &str| format!("/dev/disk/by-partlabel/{label}");
    let mounted = [
        ("/dev/md/data".to_owned(), "ext4", "raid"),
        ("/dev/mapper/secret".to_owned(), "ext4", "luks"),
        (part("xfs"), "xfs", "xfs"),
        (part("btrfs"), "btrfs", "btrfs"),
        (part("vfat"), "vfat", "vfat"),
    ];
    let mut filesystems: Vec<_> = mounted
        .iter()
        .map(|(device, format, name)| {
            json!({"device": device, "format": format, "label": name, "path": format!("/var/{name}"), "wipeFilesystem": true})
        })
        .collect();
    filesystems.push(json!({"device": part("swap"), "format": "swap", "label": "swap"}));
    let files: Vec<_> = mounted
        .iter()
        .map(|(_, _, name)| json!({"path": format!("/var/{name}/hello"), "contents": {"source": format!("data:,{name}")}}))
        .collect();
    let mut units: Vec<_> = mounted
        .iter()
        .map(|(_, format, name)| {
            unit(&format!("var-{name}.mount"), &format!("Before=local-fs.target\n[Mount]\nWhat=/dev/disk/by-label/{name}\nWhere=/var/{name}\nType={format}"))
        })
        .collect();
    units.push(unit(
        "dev-disk-by\\x2dlabel-swap.swap",
        "[Swap]\nWhat=/dev/disk/by-label/swap",
    ));
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": [{"device": DISK, "wipeTable": true, "partitions": partitions}],
            "raid": [{"name": "data", "level": "raid1", "devices": [part("r1"), part("r2")]}],
            "luks": [{"name": "secret", "device": part("v"), "keyFile": {"source": "data:,open%20sesame"},
                      "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]}],
            "filesystems": filesystems,
            "files": files,
        },
        "systemd": {"units": units},
    })
}

fn unit(name: &str, rest: &str) -> Value {
    json!({"name": name, "enabled": true, "contents": format!("[Unit]\n{rest}\n[Install]\nWantedBy=multi-user.target\n")})
}

#[test]
fn the_disk_is_what_the_config_says() -> anyhow::Result<()> {
    let fresh = Fresh::copy("first-boot-disks")?.with_blank_disk(1500)?;
    let mut node = fresh.boot(Handover::default().config(&config().to_string()))?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    let look = "cd /var; for at in raid luks xfs btrfs vfat; do findmnt -rno TARGET,FSTYPE /var/$at; cat $at/hello; echo; done; \
                swapon --show=SIZE --noheadings --bytes; cat /sys/block/md*/md/level; \
                cryptsetup status secret | grep -o 'type: *LUKS2'; stat -c '%a %n' /etc/luks/secret /etc/crypttab; \
                systemctl --failed --no-legend --plain | cut -d' ' -f1";
    let expected = "\
        /var/raid ext4\nraid\n\
        /var/luks ext4\nluks\n\
        /var/xfs xfs\nxfs\n\
        /var/btrfs btrfs\nbtrfs\n\
        /var/vfat vfat\nvfat\n\
        67104768\n\
        raid1\n\
        type:    LUKS2\n\
        600 /etc/luks/secret\n\
        600 /etc/crypttab";
    assert_eq!(machine.ask(look)?, expected);
    let table = format!(
        "lsblk -rno PARTLABEL,SIZE {DISK} | grep '[a-z0-9] [0-9]' | cut -d' ' -f1,2 | grep -v '^ '"
    );
    let written = "r1 128M\nr2 128M\nv 128M\nxfs 400M\nbtrfs 256M\nvfat 64M\nswap 64M";
    assert_eq!(machine.ask(&table)?, written);
    // A boot without the initrd's help finds all of it again.
    machine.reboot(BOOT)?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    assert_eq!(machine.ask(look)?, expected);
    Ok(())
}
