//! The first boot makes the machine what its Ignition config says, once; or the machine does not come up.

use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::machine::BOOT;
use acl_tests::node::TRIAL;
use acl_tests::pages::{Page, Pages};
use serde_json::{Value, json};

/// A user with a key, a file of that user, a directory, a link; a unit that runs, and one of the image that does not.
fn config() -> Value {
    json!({
        "ignition": {"version": "3.4.0", "config": {"merge": [{
            "source": "data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.0.0%22%7D%2C%22storage%22%3A%7B%22files%22%3A\
                       %5B%7B%22path%22%3A%22%2Fetc%2Fmerged%22%7D%5D%7D%7D",
        }]}},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA core@test"]}]},
        "storage": {
            "directories": [{"path": "/var/lib/site", "mode": 0o750, "user": {"name": "core"}}],
            "files": [{"path": "/etc/site.conf", "mode": 0o640, "contents": {"source": "data:;base64,c2l0ZQo="},
                       "group": {"name": "core"}}],
            "links": [{"path": "/etc/site.link", "target": "site.conf"}],
        },
        "systemd": {"units": [
            {"name": "site.service", "enabled": true, "contents":
                "[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/site-ran\n[Install]\nWantedBy=multi-user.target\n"},
            {"name": "acl-containers.service", "enabled": false},
        ]},
    })
}

#[test]
fn the_machine_is_what_the_config_says() -> anyhow::Result<()> {
    let handover = Handover::default().config(&config().to_string());
    let mut node = Fresh::copy("first-boot")?.boot(handover)?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    let look = "cd /; stat -c '%n %A %U %G' var/lib/site etc/site.conf etc/site.link etc/merged \
                home/core/.ssh/authorized_keys.d/ignition; readlink etc/site.link; cat etc/site.conf \
                home/core/.ssh/authorized_keys.d/ignition; id core; systemctl is-enabled site acl-containers; \
                systemctl is-active site acl-containers; ls run/site-ran; sshd -T | grep -i authorizedkeysfile";
    let expected = "\
        var/lib/site drwxr-x--- core root\n\
        etc/site.conf -rw-r----- root core\n\
        etc/site.link lrwxrwxrwx root root\n\
        etc/merged -rw-r--r-- root root\n\
        home/core/.ssh/authorized_keys.d/ignition -rw------- core core\n\
        site.conf\n\
        site\n\
        ssh-ed25519 AAAA core@test\n\
        uid=1000(core) gid=1000(core) groups=1000(core)\n\
        enabled\n\
        disabled\n\
        inactive\n\
        inactive\n\
        run/site-ran\n\
        authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys.d/ignition";
    assert_eq!(machine.ask(look)?, expected);

    // Written once: what the machine changes stays, though the config is still there.
    let record = "cat /var/lib/acl/provision/provisioned.json";
    let first: Value = serde_json::from_str(&machine.ask(record)?)?;
    let place = |number: usize| first["origins"][number]["place"].clone();
    // The last word first: what is merged into the merged one, that one, the operator's.
    assert!(place(0).to_string().starts_with("\"data:,…"));
    assert!(place(1).to_string().starts_with("\"data:;base64,…"));
    assert_eq!(place(2), "fw_cfg opt/com.coreos/config");
    machine.run("echo changed > /etc/site.conf; sync")?;
    machine.reboot(BOOT)?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    assert_eq!(
        machine.ask("cat /etc/site.conf; ls /run/site-ran")?,
        "changed\n/run/site-ran"
    );
    assert_eq!(serde_json::from_str::<Value>(&machine.ask(record)?)?, first);
    Ok(())
}

#[test]
fn a_config_is_fetched_over_http() -> anyhow::Result<()> {
    let fetched = json!({
        "ignition": {"version": "3.6.0"},
        "storage": {"files": [{"path": "/etc/fetched", "contents": {"source": "data:,fetched"}}]},
    });
    let page = Page::Bytes(fetched.to_string().into_bytes());
    let pages = Pages::serve(vec![
        ("/moved", Page::Moved("/config")),
        ("/config", Page::Once(503, Box::new(page))),
    ])?;
    let config = json!({
        "ignition": {"version": "3.4.0", "config": {"merge": [{"source": pages.url("/moved")}]}},
    });
    let handover = Handover::default().config(&config.to_string());
    let mut node = Fresh::copy("first-boot-http")?.boot(handover)?;
    // The network of the system itself comes up after the initrd's.
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    assert_eq!(machine.ask("cat /etc/fetched")?, "fetched");
    assert_eq!(pages.asked(), ["/moved", "/config", "/moved", "/config"]);
    let online = "/usr/lib/systemd/systemd-networkd-wait-online --any --operational-state=routable --timeout=60";
    assert_eq!(machine.ask(&format!("{online} && echo online"))?, "online");
    Ok(())
}

#[test]
fn a_config_that_cannot_be_followed_keeps_the_machine_down() -> anyhow::Result<()> {
    let wrong =
        r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "relative"}]}}"#;
    let fresh = Fresh::copy("first-boot-fails")?;
    let machine = fresh.switch_on(Handover::default().config(wrong))?;
    let told = machine.wait_for(0, "the first boot failed at its stage fetch", BOOT)?;
    machine.wait_for(
        told,
        "the path \"relative\" is relative; begin it with / ($.storage.files.0.path)",
        BOOT,
    )?;
    let console = machine.console().tail(400);
    assert!(!console.contains("Multi-User System"), "{console}");
    Ok(())
}
