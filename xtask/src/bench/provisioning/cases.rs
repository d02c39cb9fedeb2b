//! The configs that are measured: that of an AKS node, and larger ones than any cloud hands over.

use std::io::Write;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A config, and the files that a machine has of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) config: Vec<u8>,
    /// Paths with contents.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Whether the limits of a first boot are for it.
    pub(super) limited: bool,
}

impl Case {
    pub(super) fn all() -> Result<[Self; 3]> {
        Ok([aks()?, many(), merged()])
    }
}

const EXTRACT: &str = "[Unit]
Description=Extract the files of the custom data
DefaultDependencies=no
Before=sysinit.target
RequiresMountsFor=/var
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/tar --extract --file /var/lib/ignition/ignition-files.tar --directory /
[Install]
WantedBy=sysinit.target
";

const COMMANDS: &str = "[Unit]
Description=Run the boot commands of the custom data
After=network-online.target ignition-file-extract.service
Wants=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash /etc/ignition-bootcmds.sh
[Install]
WantedBy=multi-user.target
";

/// The shape that AKS's bootstrapping sends: a tar of its scripts, compressed, and units that unpack and start them.
fn aks() -> Result<Case> {
    let tar = tar()?;
    let archive = "/var/lib/ignition/ignition-files.tar";
    let units = [
        ("ignition-file-extract.service", EXTRACT),
        ("ignition-bootcmds.service", COMMANDS),
    ];
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "files": [{
                "path": archive, "mode": 0o600, "overwrite": true,
                "contents": {"compression": "gzip", "source": data(&gzip(&tar)?)},
            }],
            "links": units.map(|(name, _)| json!({
                "path": format!("/etc/systemd/system/sysinit.target.wants/{name}"),
                "target": format!("/etc/systemd/system/{name}"),
                "overwrite": true,
            })),
        },
        "systemd": {
            "units": units.map(|(name, text)| json!({"name": name, "enabled": true, "contents": text})),
        },
    });
    let mut files = vec![(archive.to_owned(), tar)];
    files.extend(units.map(|(name, text)| (format!("/etc/systemd/system/{name}"), text.into())));
    Ok(Case {
        name: "aks",
        config: config.to_string().into_bytes(),
        files,
        limited: true,
    })
}

/// 2,000 files of 5 kB.
fn many() -> Case {
    let mut noise = Noise(1);
    let files: Vec<(String, Vec<u8>)> = (0..2000)
        .map(|number| (path(number), noise.bytes(5000)))
        .collect();
    Case {
        name: "many",
        config: config(json!({"storage": {"files": entries(&files)}})),
        files,
        limited: false,
    }
}

/// Four configs that one names, each with the same 2,500 small files: the last word is the last one's.
fn merged() -> Case {
    let files = |word: u8| -> Vec<(String, Vec<u8>)> {
        (0..2500)
            .map(|number| (path(number), vec![b'0' + word; 40]))
            .collect()
    };
    let named: Vec<Value> = (0..4)
        .map(|word| config(json!({"storage": {"files": entries(&files(word))}})))
        .map(|config| json!({"source": data(&config)}))
        .collect();
    Case {
        name: "merged",
        config: json!({"ignition": {"version": "3.4.0", "config": {"merge": named}}})
            .to_string()
            .into_bytes(),
        files: files(3),
        limited: false,
    }
}

fn config(mut sections: Value) -> Vec<u8> {
    sections["ignition"] = json!({"version": "3.4.0"});
    sections.to_string().into_bytes()
}

fn entries(files: &[(String, Vec<u8>)]) -> Vec<Value> {
    let entry = |(path, bytes): &(String, Vec<u8>)| json!({"path": path, "contents": {"source": data(bytes)}});
    files.iter().map(entry).collect()
}

fn path(number: usize) -> String {
    format!("/var/lib/site/{:02}/{number:04}", number % 50)
}

fn data(bytes: &[u8]) -> String {
    format!("data:;base64,{}", STANDARD.encode(bytes))
}

/// 40 scripts; about 160 kB, of which gzip makes some 60 kB, as much as AKS's have.
fn tar() -> Result<Vec<u8>> {
    let mut noise = Noise(2);
    let mut archive = tar::Builder::new(Vec::new());
    for number in 0..40 {
        let text = noise.text(4000);
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        let path = format!("opt/azure/containers/provision_{number:02}.sh");
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(archive.into_inner()?)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Bytes that are the same every time (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes())
            .flatten()
            .take(length)
            .collect()
    }

    /// Words as scripts have them, and some that compress badly.
    fn text(&mut self, length: usize) -> String {
        const WORDS: [&str; 12] = [
            "kubelet",
            "containerd",
            "export",
            "if [ -f",
            "systemctl",
            "AZURE_",
            "config",
            "retrycmd",
            "=",
            "\n",
            "fi\n",
            "/etc/kubernetes/",
        ];
        let mut text = String::new();
        while text.len() < length {
            let number = self.next();
            let word = usize::try_from(number % 12).unwrap_or_default();
            text.push_str(WORDS.get(word).copied().unwrap_or_default());
            if number & 0x100 == 0 {
                text.push_str(&format!("{:010x}", number >> 24));
            }
            text.push(' ');
        }
        text.truncate(length);
        text
    }
}
