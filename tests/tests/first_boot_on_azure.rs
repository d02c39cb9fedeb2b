//! Azure's first boot, against a metadata service and a wire server at their real addresses that do not always answer
//! well: a node of AKS becomes what its custom data says, its administrator can log in, and Azure hears of it once; or
//! it does not come up, and Azure hears why.

use std::time::Duration;

use acl_tests::aks;
use acl_tests::azure::Azure;
use acl_tests::azure::documents::{self, Profile, line, report};
use acl_tests::azure::medium::Medium;
use acl_tests::azure::service::{Reply, Script, Service};
use acl_tests::handover::{self, Handover};
use acl_tests::journey::Fresh;
use acl_tests::machine::{BOOT, Machine};
use acl_tests::node::TRIAL;
use acl_tests::ssh::{Door, Key};
use acl_tests::workspace;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, SHA512, digest};
use serde_json::{Value, json};

const HOST_NAME: &str = "aks-nodepool1-12345678-vmss000000";
const USER: &str = "azureuser";
/// How long a service of the machine may take to come up.
const SERVICE: Duration = Duration::from_secs(240);

/// Text with status 200.
fn ok(text: impl Into<String>) -> Reply {
    Reply::Text(200, text.into())
}

/// IMDS: too many, broken, nonsense, cut off, slow; then right. There is no user data.
fn metadata(profile: &Profile) -> Script {
    let instance = profile.instance();
    let nonsense = ok("<html>starting</html>");
    let answers = vec![
        Reply::Later(429, 1),
        Reply::Text(500, "Internal Server Error".to_owned()),
        nonsense,
        Reply::Cut(instance.clone()),
        Reply::Slowly(instance),
    ];
    let none = vec![Reply::Text(404, String::new()), ok("")];
    vec![(line::INSTANCE, answers), (line::USER_DATA, none)]
}

/// The wire server: broken, nonsense and too many, once each.
fn wire() -> Script {
    let broken = Reply::Text(500, String::new());
    vec![
        (line::VERSIONS, vec![broken, ok(documents::versions())]),
        (
            line::GOAL_STATE,
            vec![ok("starting"), ok(documents::goal_state())],
        ),
        (line::HEALTH, vec![Reply::Later(429, 1), ok("")]),
    ]
}

/// `lines`, each with the statuses that were answered to it.
fn told<const N: usize>(lines: [(&str, &[u16]); N]) -> Vec<String> {
    let each = lines.iter().flat_map(|(line, statuses)| {
        statuses
            .iter()
            .map(move |status| format!("{line} -> {status}"))
    });
    each.collect()
}

/// A machine of Azure that can be switched on, and the way in.
struct Scene {
    azure: Azure,
    fresh: Fresh,
    door: Door,
    key: Key,
    stranger: Key,
}

impl Scene {
    /// `medium` makes the provisioning medium of a machine with this profile.
    fn set(name: &str, medium: impl FnOnce(&Profile) -> Medium) -> anyhow::Result<Self> {
        let tools = workspace::tools()?;
        let directory = workspace::scratch(name)?;
        let key = Key::make(&tools, &directory, "administrator")?;
        let stranger = Key::make(&tools, &directory, "stranger")?;
        let profile = Profile {
            host_name: HOST_NAME,
            user: USER,
            key: key.public.clone(),
        };
        let azure = Azure {
            imds: Service::start(metadata(&profile))?,
            wire: Service::start(wire())?,
        };
        let disc = medium(&profile).burn(&tools, &directory)?;
        let door = Door::choose(&directory)?;
        let fresh = Fresh::copy(name)?.with_network(door.network());
        let fresh = azure.host(fresh, &disc);
        Ok(Self {
            azure,
            fresh,
            door,
            key,
            stranger,
        })
    }
}

#[test]
fn a_node_of_aks_is_what_its_custom_data_says() -> anyhow::Result<()> {
    let mut config = aks::config()?;
    handover::add_shell(&mut config);
    let config = config.to_string();
    let scene = Scene::set("first-boot-azure", |profile| Medium {
        // As on Azure: the same twice.
        environment: profile.environment(Some(&STANDARD.encode(&config))),
        custom_data: Some(config.clone()),
    })?;
    let Scene {
        azure,
        fresh,
        door,
        key,
        stranger,
    } = scene;
    let mut node = fresh.boot(Handover::default())?;
    node.wait_for_state("idle", TRIAL)?;

    let record = node.aclctl_ok("provision status --json")?;
    azure_was_asked(&azure);
    recorded(&serde_json::from_str(&record)?, &config);
    let machine = node.machine();
    files_are_there(machine)?;
    // The disc holds ISO 9660, too; its file system of choice is Azure's.
    let look = "hostname; cat /etc/hostname; id azureuser; cat /var/log/azure/bootcmds; ls /var/lib/ignition; \
                for unit in ignition-file-extract ignition-bootcmds; do \
                systemctl show --property=Result --value $unit; systemctl is-enabled $unit; done; \
                findmnt --noheadings /run/acl-provision/medium; systemctl --failed --no-legend --plain; \
                dmesg | grep -o 'UDF-fs: INFO Mounting volume .*_stable' | sort -u";
    let expected = "\
        aks-nodepool1-12345678-vmss000000\n\
        aks-nodepool1-12345678-vmss000000\n\
        uid=1000(azureuser) gid=1000(azureuser) groups=1000(azureuser),27(sudo)\n\
        56\n\
        success\n\
        enabled\n\
        success\n\
        enabled\n\
        UDF-fs: INFO Mounting volume 'rd_rdfe_stable";
    assert_eq!(machine.run(look)?.text, expected);
    the_administrator_logs_in(machine, &door, &key, &stranger)
}

/// Exactly so often, with what IMDS wants to see; one report, and it says ready.
fn azure_was_asked(azure: &Azure) {
    let imds = told([
        (line::INSTANCE, &[429, 500, 200, 200, 200]),
        (line::USER_DATA, &[404, 200]),
    ]);
    assert_eq!(azure.imds.told(), imds);
    for asked in azure.imds.asked() {
        assert_eq!(asked.headers["metadata"], "true", "{asked:?}");
        assert_eq!(asked.headers["host"], "169.254.169.254", "{asked:?}");
    }
    azure_heard(azure, &report("<State>Ready</State>"));
}

/// The wire server took one report, this one; and had declined it once before.
fn azure_heard(azure: &Azure, report: &str) {
    let wire = told([
        (line::VERSIONS, &[500, 200]),
        (line::GOAL_STATE, &[200, 200]),
        (line::HEALTH, &[429, 200]),
    ]);
    assert_eq!(azure.wire.told(), wire);
    for asked in azure.wire.asked() {
        let body = if asked.line == line::HEALTH {
            report
        } else {
            ""
        };
        assert_eq!(asked.body, body);
        assert_eq!(asked.headers["host"], "168.63.129.16");
        assert_eq!(asked.headers["x-ms-version"], "2012-11-30");
    }
}

/// `aclctl provision status` tells the platform and the one document.
fn recorded(record: &Value, config: &str) {
    let expected = json!([{
        "kind": "user",
        "place": "CustomData in ovf-env.xml of /dev/sr0",
        "sha512": hex::encode(digest(&SHA512, config.as_bytes())),
    }]);
    let record = &record["provisioned"];
    assert_eq!(record["platform"], "azure", "{record}");
    assert_eq!(record["origins"], expected, "{record}");
}

/// Every file of the tar is there, and below `/opt/azure` nothing else is.
fn files_are_there(machine: &mut Machine) -> anyhow::Result<()> {
    let files = aks::files();
    let elsewhere = files
        .iter()
        .filter(|file| !file.path.starts_with("/opt/azure/"));
    let paths: Vec<_> = elsewhere.map(|file| file.path.as_str()).collect();
    let look = format!(
        "find /opt/azure {} -type f | LC_ALL=C sort | while read -r file; do \
         echo $(stat -c '%a %U %G' $file) $(sha256sum $file); done",
        paths.join(" ")
    );
    let expected: Vec<_> = files
        .iter()
        .map(
            |aks::File {
                 path,
                 mode,
                 content,
             }| {
                let digest = hex::encode(digest(&SHA256, content.as_bytes()));
                format!("{mode:o} root root {digest} {path}")
            },
        )
        .collect();
    assert_eq!(machine.ask(&look)?, expected.join("\n"));
    Ok(())
}

/// With the administrator's key and no other.
fn the_administrator_logs_in(
    machine: &mut Machine,
    door: &Door,
    key: &Key,
    stranger: &Key,
) -> anyhow::Result<()> {
    machine.run_long("until systemctl is-active ssh; do sleep 1; done", SERVICE)?;
    door.trust(&machine.ask("cat /etc/ssh/ssh_host_ed25519_key.pub")?)?;
    let tools = workspace::tools()?;
    let who = "id --user --name; pwd; echo $SHELL; hostname";
    let expected = format!("{USER}\n/home/{USER}\n/bin/bash\n{HOST_NAME}");
    assert_eq!(door.run(&tools, USER, key, who)?, expected);
    let refused = match door.run(&tools, USER, stranger, who) {
        Ok(text) => format!("it let a stranger in: {text}"),
        Err(error) => format!("{error:#}"),
    };
    assert!(
        refused.contains("Permission denied (publickey)"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_node_whose_custom_data_is_damaged_stays_down() -> anyhow::Result<()> {
    let mut config = aks::config()?;
    let (right, wrong) = (aks::tar(&aks::files())?, "0".repeat(64));
    config["storage"]["files"][0]["contents"]["verification"] =
        json!({"hash": format!("sha256-{wrong}")});
    let found = hex::encode(digest(&SHA256, &right));
    let config = config.to_string();
    let column = config.find("\"sha256-000").context("no digest")? + 1;
    let reason = format!(
        "CustomData.bin of /dev/sr0:1:{column}: error: the content of the data: URL has another digest; \
         its SHA-256 is {found} ($.storage.files.0.contents.verification.hash)"
    );
    let Scene { azure, fresh, .. } = Scene::set("first-boot-azure-fails", |profile| Medium {
        environment: profile.environment(None),
        custom_data: Some(config.clone()),
    })?;
    let machine = fresh.switch_on(Handover::default())?;

    let told = machine.wait_for(0, "acl: the first boot failed at its stage fetch: ", BOOT)?;
    machine.wait_for(told, &reason, BOOT)?;
    let console = machine.console().tail(usize::MAX);
    for up in ["Welcome to ACL", "Multi-User System", " login: "] {
        assert!(!console.contains(up), "{console}");
    }
    // Before that, Azure has heard of it: once.
    let report = report(&format!(
        "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus>\
         <Description>stage fetch: the config is not valid: {reason}</Description></Details>"
    ));
    azure_heard(&azure, &report);
    Ok(())
}
