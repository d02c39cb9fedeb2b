//! Volumes without a key on the machine: one that its TPM unlocks, one that a tang server of its network unlocks.

use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::machine::BOOT;
use acl_tests::node::TRIAL;
use acl_tests::tang::Tang;
use acl_tests::tpm::Tpm;
use acl_tests::workspace;
use serde_json::{Value, json};

fn config(tang: &Tang) -> anyhow::Result<Value> {
    let volumes = [
        ("local", json!({"tpm2": true}), "local-fs"),
        (
            "remote",
            json!({"tang": [{"url": tang.url(), "thumbprint": tang.thumbprint()?}]}),
            "remote-fs",
        ),
    ];
    let part = |name: &str| format!("/dev/disk/by-partlabel/{name}");
    let each = |make: &dyn Fn(&str, &Value, &str) -> Value| -> Vec<Value> {
        let volumes = volumes.iter();
        volumes
            .map(|(name, clevis, target)| make(name, clevis, target))
            .collect()
    };
    Ok(json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": [{"device": "/dev/disk/by-id/virtio-extra0", "wipeTable": true,
                       "partitions": each(&|name, _, _| json!({"label": name, "sizeMiB": 64}))}],
            // Few iterations: the key is long and random, and an emulated processor slow.
            "luks": each(&|name, clevis, _| json!({"name": name, "device": part(name), "clevis": clevis,
                         "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]})),
            "filesystems": each(&|name, _, _| json!({"device": format!("/dev/mapper/{name}"), "format": "ext4",
                                "path": format!("/var/{name}")})),
            "files": each(&|name, _, _| json!({"path": format!("/var/{name}/hello"),
                          "contents": {"source": format!("data:,{name}")}})),
        },
        "systemd": {"units": each(&|name, _, target| json!({"name": format!("var-{name}.mount"), "enabled": true,
            "contents": format!("[Unit]\nBefore={target}.target\n[Mount]\nWhat=/dev/mapper/{name}\nWhere=/var/{name}\n\
                                 Type=ext4\nOptions={}\n[Install]\nWantedBy={target}.target\n",
                                if target == "remote-fs" { "_netdev" } else { "defaults" })}))},
    }))
}

#[test]
fn at_the_first_boot_and_at_the_next() -> anyhow::Result<()> {
    let tools = workspace::tools()?;
    let scratch = workspace::scratch("unlocks")?;
    let tang = Tang::serve(&tools, &scratch.join("tang"))?;
    let tpm = Tpm::start(&tools, &scratch.join("tpm"))?;
    let fresh = Fresh::copy("unlocks")?
        .with_blank_disk(200)?
        .with_hardware(tpm.hardware());
    let mut node = fresh.boot(Handover::default().config(&config(&tang)?.to_string()))?;
    let look = "cd /var; until findmnt -rno SOURCE,FSTYPE /var/remote; do sleep 1; done; cat remote/hello; echo; \
                findmnt -rno SOURCE,FSTYPE /var/local; cat local/hello; echo; ls /etc/luks 2>/dev/null; \
                for at in local remote; do cryptsetup luksDump /dev/disk/by-partlabel/$at | grep -cE '^  [0-9]: luks2'; done; \
                sed 's/UUID=[^ ]*/UUID/' /etc/crypttab; systemctl --failed --no-legend --plain | cut -d' ' -f1";
    let expected = "\
        /dev/mapper/remote ext4\nremote\n\
        /dev/mapper/local ext4\nlocal\n\
        1\n1\n\
        local UUID none luks\n\
        remote UUID none luks,_netdev";
    node.wait_for_state("idle", TRIAL)?;
    assert_eq!(node.machine().ask(look)?, expected);
    // The server is needed to unlock, each time.
    let asked = tang.asked();
    assert!(asked > 0);
    node.machine().reboot(BOOT)?;
    node.wait_for_state("idle", TRIAL)?;
    assert_eq!(node.machine().ask(look)?, expected);
    assert!(tang.asked() > asked);
    Ok(())
}
