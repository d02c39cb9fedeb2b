//! What went over a machine's wire, as QEMU's `filter-dump` wrote it down (pcap, Ethernet).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A record of everything that a machine sends and receives.
#[derive(Debug)]
pub struct Wire(PathBuf);

/// The first four bytes of a pcap file of a little-endian host.
const MAGIC: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];

impl Wire {
    /// A record in the file `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The arguments that have QEMU keep it.
    #[must_use]
    pub fn arguments(&self) -> [String; 2] {
        let path = self.0.display();
        [
            "-object".to_owned(),
            format!("filter-dump,id=wire,netdev=network,file={path}"),
        ]
    }

    /// What the machine asked of others: `tcp ADDRESS:PORT` for a connection that it opened, `dns NAME` for a name that
    /// it wanted to know.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn asked(&self) -> Result<Vec<String>> {
        Ok(packets(&self.0)?
            .iter()
            .filter_map(|packet| asked(packet))
            .collect())
    }
}

fn packets(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path)?;
    ensure!(
        bytes.starts_with(&MAGIC),
        "{} is no record of a wire",
        path.display()
    );
    let mut rest = bytes.get(24..).context("the record has no head")?;
    let mut packets = Vec::new();
    // The last one may be cut off: the machine is still running.
    while let Some((head, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let Some((packet, next)) = tail.split_at_checked(usize::try_from(length)?) else {
            break;
        };
        packets.push(packet.to_vec());
        rest = next;
    }
    Ok(packets)
}

/// IPv4 over Ethernet; the network of QEMU that tests have is one of IPv4.
fn asked(packet: &[u8]) -> Option<String> {
    let ip = packet
        .get(14..)
        .filter(|_| packet[12..14] == [0x08, 0x00])?;
    let length = usize::from(ip.first()? & 0x0f) * 4;
    let (protocol, payload) = (*ip.get(9)?, ip.get(length..)?);
    let port = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
    let to = ip.get(16..20)?;
    match protocol {
        // SYN without ACK: the beginning of a connection.
        6 if payload.get(13)? & 0x12 == 0x02 && ip.get(12..16)? == [10, 0, 2, 15] => Some(format!(
            "tcp {}.{}.{}.{}:{port}",
            to[0], to[1], to[2], to[3]
        )),
        17 if port == 53 => Some(format!("dns {}", name(payload.get(20..)?)?)),
        _ => None,
    }
}

/// The name in a question (RFC 1035, 4.1.2).
fn name(question: &[u8]) -> Option<String> {
    let mut labels = Vec::new();
    let mut rest = question;
    loop {
        let (length, tail) = rest.split_first()?;
        if *length == 0 {
            return Some(labels.join("."));
        }
        let (label, next) = tail.split_at_checked(usize::from(*length))?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::{MAGIC, Wire};

    fn record(packets: &[&[u8]]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(24, 0);
        for packet in packets {
            let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
            bytes.extend([[0; 4], [0; 4], length, length].concat());
            bytes.extend_from_slice(packet);
        }
        bytes
    }

    /// An IPv4 packet of `protocol` from the machine to 192.0.2.7.
    fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes.extend([0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
        bytes.extend([10, 0, 2, 15, 192, 0, 2, 7]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn connections_and_questions_are_seen() {
        let tcp = |flags| {
            packet(
                6,
                &[0x80, 0, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags],
            )
        };
        let mut question = vec![0x80, 0, 0, 53, 0, 0, 0, 0];
        question.extend([0; 12]);
        question.extend(b"\x08registry\x07example\0\0\x01\0\x01");
        let packets = [
            tcp(0x02),
            tcp(0x12),
            tcp(0x10),
            packet(17, &question),
            vec![0xff; 60],
        ];
        let mut bytes = record(&packets.each_ref().map(Vec::as_slice));
        bytes.extend([0; 20]);
        let file = tempfile::NamedTempFile::new().unwrap();
        acl_host::file::scratch(file.path(), &bytes).unwrap();
        let asked = Wire::at(file.path()).asked().unwrap();
        assert_eq!(asked, ["tcp 192.0.2.7:443", "dns registry.example"]);
    }
}
