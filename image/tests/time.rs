//! Where a node's time comes from, as the image's scripts decide on it at each start of chronyd.

use std::fs;
use std::path::{Path, PathBuf};

use acl_host::file::scratch;
use acl_host::tool::{Tool, Tools};

/// A directory with what the scripts look at.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::create_dir_all(place.at(name).parent().unwrap()).unwrap();
            scratch(place.at(name), text.as_bytes()).unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a script of the image; gives the file `made` that it wrote, without this place's path.
    fn run(&self, script: &str, arguments: &[&str], made: &str) -> String {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tree/usr/lib/acl");
        let command = Tools::host().command(Tool::Shell);
        let command = command.arg(scripts.join(script));
        let arguments = arguments.iter().map(|name| self.at(name));
        command.args(arguments).arg(self.at("out")).run().unwrap();
        let text = fs::read_to_string(self.at("out").join(made)).unwrap();
        text.replace(self.0.path().to_str().unwrap(), "")
    }

    fn clock(&self) -> String {
        self.run("choose-clock", &["ptp", "sources.d"], "clock.conf")
    }
}

#[test]
fn the_hosts_clock_goes_before_servers_and_servers_before_the_pool() {
    let pool = "pool 2.debian.pool.ntp.org iburst\n";
    let device = "refclock PHC /ptp poll 3 dpoll -2 offset 0 stratum 2\n";
    assert_eq!(Place::new(&[]).clock(), pool);
    assert_eq!(Place::new(&[("sources.d/README", "")]).clock(), pool);
    let servers = ("sources.d/site.sources", "server time.example\n");
    let place = Place::new(&[servers]);
    assert_eq!(place.clock(), "# /sources.d names servers\n");
    // A device that appears is taken at the next start.
    scratch(place.at("ptp"), b"").unwrap();
    assert_eq!(place.clock(), device);
    assert_eq!(Place::new(&[("ptp", "")]).clock(), device);
}

#[test]
fn servers_of_the_network_are_addresses_and_names_only() {
    let servers = |state: &str| {
        let place = Place::new(&[("state", state)]);
        place.run("network-clocks", &["state"], "network.sources")
    };
    let state = "OPER_STATE=routable\nDNS=10.0.0.53\nNTP=10.0.0.1 time.example fd00::1\n";
    let expected = "server 10.0.0.1 iburst\nserver time.example iburst\nserver fd00::1 iburst\n";
    assert_eq!(servers(state), expected);
    assert_eq!(servers("NTP=\n"), "");
    assert_eq!(servers("NTP=a;b -x $(x) * ../x x\\ny\n"), "");
}
