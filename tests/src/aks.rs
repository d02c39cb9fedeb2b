//! The config that a node of AKS is sent, in shape and size: some sixty files in a compressed tar, in a `data:` URL of
//! an Ignition 3.4 config; a unit that unpacks them early in the boot, and one that then runs a script of theirs.
//!
//! The shape is that of AKS's AgentBaker (`parts/linux/cloud-init/acl.yml` and `cloudInitToButane`); the files are our
//! own. The links beside `enabled` are AKS's, too: there not every image follows presets.

use std::fmt::Write;

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Where the tar goes.
pub const TAR: &str = "/var/lib/ignition/ignition-files.tar";
/// What [`BOOTCMDS`] writes: how many scripts it found.
pub const BOOTCMDS_RAN: &str = "/var/log/azure/bootcmds";

const SCRIPTS: usize = 56;
const LINES: usize = 48;
const BOOTCMDS: &str = "\
#!/bin/bash
set -eu
mkdir -p /var/log/azure /etc/kubernetes/manifests
ls /opt/azure/containers/*.sh | wc -l > /var/log/azure/bootcmds
";
const EXTRACT_UNIT: &str = "\
[Unit]
Description=Unpack the node's files
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target ignition-bootcmds.service
ConditionPathExists=/var/lib/ignition/ignition-files.tar

[Service]
Type=oneshot
ExecStart=tar -xvf /var/lib/ignition/ignition-files.tar -C /
ExecStart=rm -f /var/lib/ignition/ignition-files.tar
ExecStart=systemctl daemon-reload
RemainAfterExit=yes

[Install]
WantedBy=sysinit.target
";
const BOOTCMDS_UNIT: &str = "\
[Unit]
Description=Early commands of the node
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
ConditionPathExists=/etc/ignition-bootcmds.sh

[Service]
Type=oneshot
ExecStart=-/etc/ignition-bootcmds.sh

[Install]
WantedBy=sysinit.target
";

/// A file of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub content: String,
}

/// The files of the node, by path. The same every time.
pub fn files() -> Vec<File> {
    let file = |path: &str, mode, content: &str| File {
        path: path.to_owned(),
        mode,
        content: content.to_owned(),
    };
    let mut files = vec![
        file(
            "/etc/default/kubelet",
            0o644,
            "KUBELET_FLAGS=--max-pods=110\nKUBELET_REGISTER_SCHEDULABLE=true\n",
        ),
        file("/etc/ignition-bootcmds.sh", 0o755, BOOTCMDS),
        file(
            "/etc/systemd/system/kubelet.service.d/10-tlsbootstrap.conf",
            0o644,
            "[Service]\nEnvironment=TLS=1\n",
        ),
        file(
            "/var/lib/kubelet/bootstrap-kubeconfig",
            0o600,
            "apiVersion: v1\nkind: Config\n",
        ),
    ];
    files.extend((0..SCRIPTS).map(|number| File {
        path: format!("/opt/azure/containers/step-{number:02}.sh"),
        mode: 0o744,
        content: script(number),
    }));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The config with the files of [`files`].
///
/// # Errors
/// When the tar cannot be made.
pub fn config() -> Result<Value> {
    let payload = compress(&tar(&files())?)?;
    let enabled =
        |name: &str, contents: &str| json!({"name": name, "enabled": true, "contents": contents});
    let link = |name: &str| {
        let target = format!("/etc/systemd/system/{name}");
        let path = format!("/etc/systemd/system/sysinit.target.wants/{name}");
        json!({"path": path, "target": target, "overwrite": true})
    };
    Ok(json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "files": [{
                "path": TAR,
                "mode": 0o644,
                "contents": {"compression": "gzip", "source": format!("data:;base64,{}", STANDARD.encode(payload))},
            }],
            "links": [link("ignition-bootcmds.service"), link("ignition-file-extract.service")],
        },
        "systemd": {"units": [
            enabled("ignition-bootcmds.service", BOOTCMDS_UNIT),
            enabled("ignition-file-extract.service", EXTRACT_UNIT),
        ]},
    }))
}

/// `files` as a tar.
///
/// # Errors
/// When a path does not fit.
pub fn tar(files: &[File]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_size(file.content.len() as u64);
        // Not in the future of any machine, and not so old that tar remarks on it.
        header.set_mtime(1_700_000_000);
        tar.append_data(
            &mut header,
            file.path.trim_start_matches('/'),
            file.content.as_bytes(),
        )?;
    }
    Ok(tar.into_inner()?)
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, bytes)?;
    Ok(encoder.finish()?)
}

/// A script that does nothing, as long and as varied as a real one.
fn script(number: usize) -> String {
    let mut script = format!(
        "#!/bin/bash\n# Step {number} of the node's way into its cluster.\nset -euo pipefail\n"
    );
    for line in 0..LINES {
        let digest = hex::encode(digest(&SHA256, format!("{number} {line}").as_bytes()));
        let (name, code) = (&digest[..14], line % 90 + 10);
        // Writing to a string does not fail.
        let _ = writeln!(
            script,
            "retry 10 5 fetch \"https://packages.example/node/{name}/v1.{line}/{name}.tar\" || exit {code}"
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use super::{SCRIPTS, compress, config, files, tar};

    /// What AKS sends: 60 files; a tar of some 200 to 400 KB; custom data that Azure takes (64 KiB).
    #[test]
    fn its_size_is_that_of_a_node() {
        let files = files();
        assert_eq!(files.len(), SCRIPTS + 4);
        let tar = tar(&files).unwrap();
        assert!((200_000..400_000).contains(&tar.len()), "{}", tar.len());
        let compressed = compress(&tar).unwrap();
        assert!(
            (20_000..60_000).contains(&compressed.len()),
            "{}",
            compressed.len()
        );
        let config = config().unwrap().to_string();
        assert!((45_000..65_536).contains(&config.len()), "{}", config.len());
    }
}
