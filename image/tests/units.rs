//! What our own services may do: no more than each needs, as `systemd-analyze security` counts it (0 to 10, systemd 252 or
//! newer).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};

/// The trees that are laid over the image.
const TREES: [&str; 2] = ["image/tree", "updater/daemon/dist"];
/// Where units are in them.
const UNITS: &str = "usr/lib/systemd/system";

/// The most that each service may be exposed. A new one has to be added here.
const MOST: [(&str, f64); 6] = [
    ("acl-containers.service", 1.0),
    ("acl-go-back.service", 1.0),
    // Runs the operator's checks, which may look at the network and at /var.
    ("acl-health.service", 2.7),
    ("acl-network-clocks.service", 1.5),
    // Writes disks and speaks to servers.
    ("acl-updated.service", 2.5),
    ("ssh-host-keys.service", 1.0),
];

#[test]
fn each_service_is_confined() {
    let most = BTreeMap::from(MOST);
    let services = services();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, most.keys().copied().collect::<Vec<_>>());
    for (name, path) in &services {
        let exposure = exposure(path);
        assert!(exposure <= most[name.as_str()], "{name}: {exposure}");
    }
}

/// Each service of ours with its file.
fn services() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for tree in TREES {
        for entry in std::fs::read_dir(root.join(tree).join(UNITS)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".service") {
                found.insert(name, entry.path());
            }
        }
    }
    found
}

/// Its last line is `→ Overall exposure level for NAME: 2.5 OK 🙂`.
fn exposure(unit: &Path) -> f64 {
    let analyze = Tools::host().command(Tool::SystemdAnalyze);
    let ran = analyze
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .run();
    let text = String::from_utf8(ran.unwrap()).unwrap();
    let overall = text.lines().last().unwrap().split_once("level for ");
    let (_, number) = overall.unwrap().1.split_once(": ").unwrap();
    number.split(' ').next().unwrap().parse().unwrap()
}
