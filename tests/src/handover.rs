//! What a machine is handed over by its hypervisor: above all the Ignition config of its first boot, in fw_cfg. By this
//! door all tests come in, as users do; the root shell on the second serial port is a unit of the config, too.
//!
//! Next to it, for the few that need it: units by systemd's credentials, which are there in the initrd as well
//! (systemd.system-credentials(7)), and a longer kernel command line; both in SMBIOS strings of type 11.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::shell;

const SHELL: &str = "/etc/acl-test-shell";
const SHELL_UNIT: &str = "\
[Unit]
Description=Root shell of the test on ttyS1
DefaultDependencies=no
After=sysinit.target
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=/bin/bash /etc/acl-test-shell
Environment=TERM=dumb HOME=/root
StandardInput=tty
StandardOutput=tty
StandardError=journal
TTYPath=/dev/ttyS1
IgnoreSIGPIPE=no
Restart=on-failure
[Install]
WantedBy=multi-user.target
";

/// What is handed over.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    files: Vec<Value>,
    units: Vec<Value>,
    merged: Vec<String>,
    credentials: Vec<(String, String)>,
    kernel: Option<String>,
}

impl Handover {
    /// Writes `content` to `path`, with the permissions `mode`.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        self.files.push(json!({
            "path": path, "mode": mode, "overwrite": true, "contents": {"source": data(content.as_ref())},
        }));
        self
    }

    /// Adds the unit `name`; it is enabled if it says by whom it is wanted.
    #[must_use]
    pub fn unit(mut self, name: &str, text: &str) -> Self {
        let unit = match text.contains("[Install]") {
            true => json!({"name": name, "contents": text, "enabled": true}),
            false => json!({"name": name, "contents": text}),
        };
        self.units.push(unit);
        self
    }

    /// Gives the unit `name` further settings.
    #[must_use]
    pub fn drop_in(mut self, name: &str, text: &str) -> Self {
        let drop_in = json!({"name": "50-test.conf", "contents": text});
        self.units.push(json!({"name": name, "dropins": [drop_in]}));
        self
    }

    /// Merges a whole config into it.
    #[must_use]
    pub fn config(mut self, config: &str) -> Self {
        self.merged.push(data(config.as_bytes()));
        self
    }

    /// Gives the unit `name` to the initrd and to the system, at every boot, without the config.
    #[must_use]
    pub fn credential_unit(self, name: &str, text: &str) -> Self {
        self.credential(format!("systemd.extra-unit.{name}"), text)
    }

    /// Gives the unit `name` further settings in the initrd and in the system, at every boot, without the config.
    #[must_use]
    pub fn credential_drop_in(self, name: &str, text: &str) -> Self {
        self.credential(format!("systemd.unit-dropin.{name}"), text)
    }

    fn credential(mut self, name: String, text: &str) -> Self {
        self.credentials.push((name, text.to_owned()));
        self
    }

    /// Appends `arguments` to the kernel's command line, behind what is signed (systemd-stub(7)).
    #[must_use]
    pub fn kernel_arguments(mut self, arguments: &str) -> Self {
        self.kernel = Some(arguments.to_owned());
        self
    }

    /// The config, of Ignition 3.4: the root shell and what was added.
    #[must_use]
    pub fn ignition(&self) -> Value {
        let all = self.clone().with_shell();
        let merged: Vec<_> = all
            .merged
            .iter()
            .map(|url| json!({"source": url}))
            .collect();
        json!({
            "ignition": {"version": "3.4.0", "config": {"merge": merged}},
            "storage": {"files": all.files},
            "systemd": {"units": all.units},
        })
    }

    fn with_shell(self) -> Self {
        self.file(SHELL, 0o600, shell::SCRIPT)
            .unit("acl-test-shell.service", SHELL_UNIT)
    }

    /// The arguments of QEMU that hand it over.
    pub fn arguments(&self) -> Vec<String> {
        let credentials = self.credentials.iter().map(|(name, text)| {
            let text = STANDARD.encode(text);
            format!("type=11,value=io.systemd.credential.binary:{name}={text}")
        });
        let kernel = self.kernel.iter().map(|arguments| {
            let arguments = doubled(arguments);
            format!("type=11,value=io.systemd.stub.kernel-cmdline-extra={arguments}")
        });
        let config = doubled(&self.ignition().to_string());
        let config = format!("name=opt/com.coreos/config,string={config}");
        credentials
            .chain(kernel)
            .flat_map(|value| ["-smbios".to_owned(), value])
            .chain(["-fw_cfg".to_owned(), config])
            .collect()
    }
}

/// Adds the root shell to a config that comes by another way than fw_cfg.
pub fn add_shell(config: &mut Value) {
    let shell = Handover::default().with_shell();
    for (pointer, added) in [
        ("/storage/files", shell.files),
        ("/systemd/units", shell.units),
    ] {
        if let Some(Value::Array(list)) = config.pointer_mut(pointer) {
            list.extend(added);
        }
    }
}

fn data(content: &[u8]) -> String {
    format!("data:;base64,{}", STANDARD.encode(content))
}

/// QEMU wants the commas of a value doubled.
fn doubled(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::{Handover, json};

    #[test]
    fn everything_is_in_the_config() {
        let handover = Handover::default()
            .file("/etc/a", 0o644, "one\n")
            .unit("b.service", "[Service]\n[Install]\nWantedBy=c.target\n")
            .unit("d.mount", "[Mount]\n")
            .drop_in("e.service", "[Unit]\n")
            .config("{}");
        let mut config = handover.ignition();
        assert_eq!(
            config["ignition"]["config"]["merge"],
            json!([{"source": "data:;base64,e30="}])
        );
        let files = config["storage"]["files"].as_array_mut().unwrap();
        assert_eq!(files.pop().unwrap()["path"], "/etc/acl-test-shell");
        let a = json!({"path": "/etc/a", "mode": 420, "overwrite": true, "contents": {"source": "data:;base64,b25lCg=="}});
        assert_eq!(files, &[a]);
        let units = config["systemd"]["units"].as_array_mut().unwrap();
        assert_eq!(units.pop().unwrap()["name"], "acl-test-shell.service");
        let wanted = [
            json!({"name": "b.service", "enabled": true, "contents": "[Service]\n[Install]\nWantedBy=c.target\n"}),
            json!({"name": "d.mount", "contents": "[Mount]\n"}),
            json!({"name": "e.service", "dropins": [{"name": "50-test.conf", "contents": "[Unit]\n"}]}),
        ];
        assert_eq!(units, &wanted);
        assert_eq!(handover.arguments().len(), 2);
    }
}
