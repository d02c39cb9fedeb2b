//! What a test brings into an unmodified image: credentials of the hypervisor, in SMBIOS strings of type 11, and an
//! Ignition config for its first boot, in fw_cfg.
//!
//! systemd imports credentials at boot (systemd.system-credentials(7)): an extra unit for the root shell, and lines for
//! systemd-tmpfiles that write configuration files. They are there again after every reboot of the same machine.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::shell;

const SHELL_UNIT: &str = "\
[Unit]
Description=Root shell of the test on ttyS1
DefaultDependencies=no
After=sysinit.target
Conflicts=shutdown.target
Before=shutdown.target
[Service]
LoadCredential=acl-test-shell
ExecStart=/bin/bash %d/acl-test-shell
Environment=TERM=dumb HOME=/root
StandardInput=tty
StandardOutput=tty
StandardError=journal
TTYPath=/dev/ttyS1
IgnoreSIGPIPE=no
Restart=on-failure
";

/// Wanted, not required, and without an order: the shell comes up whatever else fails.
const SHELL_DROP_IN: &str = "[Unit]\nWants=acl-test-shell.service\n";

/// Credentials, by name.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    tmpfiles: String,
    units: Vec<(String, String)>,
    kernel: Option<String>,
    config: Option<String>,
}

impl Credentials {
    /// Has the machine write `content` to `path` at every boot, with the permissions `mode`.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        let content = STANDARD.encode(content);
        self.tmpfiles
            .push_str(&format!("f+~ {path} {mode:04o} root root - {content}\n"));
        self
    }

    /// Gives the machine the unit `name`.
    #[must_use]
    pub fn unit(self, name: &str, text: &str) -> Self {
        self.with(format!("systemd.extra-unit.{name}"), text)
    }

    /// Gives the machine's unit `name` further settings.
    #[must_use]
    pub fn drop_in(self, name: &str, text: &str) -> Self {
        self.with(format!("systemd.unit-dropin.{name}"), text)
    }

    /// Appends `arguments` to the kernel's command line, behind what is signed (systemd-stub(7)).
    #[must_use]
    pub fn kernel_arguments(mut self, arguments: &str) -> Self {
        self.kernel = Some(arguments.to_owned());
        self
    }

    /// Gives the machine's first boot an Ignition config.
    #[must_use]
    pub fn config(mut self, config: &str) -> Self {
        self.config = Some(config.to_owned());
        self
    }

    fn with(mut self, credential: String, text: &str) -> Self {
        self.units.push((credential, text.to_owned()));
        self
    }

    /// The arguments of QEMU that hand them over.
    pub fn arguments(&self) -> Vec<String> {
        let mut all = vec![
            ("systemd.extra-unit.acl-test-shell.service", SHELL_UNIT),
            ("systemd.unit-dropin.multi-user.target", SHELL_DROP_IN),
            ("acl-test-shell", shell::SCRIPT),
        ];
        let units = self.units.iter();
        all.extend(units.map(|(name, text)| (name.as_str(), text.as_str())));
        if !self.tmpfiles.is_empty() {
            all.push(("tmpfiles.extra", &self.tmpfiles));
        }
        let kernel = self.kernel.iter().map(|arguments| {
            let arguments = arguments.replace(',', ",,");
            format!("type=11,value=io.systemd.stub.kernel-cmdline-extra={arguments}")
        });
        let config = self.config.iter().flat_map(|config| {
            let config = config.replace(',', ",,");
            let entry = format!("name=opt/com.coreos/config,string={config}");
            ["-fw_cfg".to_owned(), entry]
        });
        all.iter()
            .map(|(name, value)| smbios(name, value))
            .chain(kernel)
            .flat_map(|value| ["-smbios".to_owned(), value])
            .chain(config)
            .collect()
    }
}

/// Base64 has no comma, which QEMU would want doubled.
fn smbios(name: &str, value: &str) -> String {
    let value = STANDARD.encode(value);
    format!("type=11,value=io.systemd.credential.binary:{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::{Credentials, smbios};

    #[test]
    fn files_become_tmpfiles_lines() {
        let credentials = Credentials::default()
            .file("/run/a", 0o644, "one\n")
            .file("/etc/b", 0o755, "two");
        let lines = "f+~ /run/a 0644 root root - b25lCg==\nf+~ /etc/b 0755 root root - dHdv\n";
        assert_eq!(credentials.tmpfiles, lines);
        let arguments = credentials.arguments();
        assert_eq!(arguments.last().unwrap(), &smbios("tmpfiles.extra", lines));
    }
}
