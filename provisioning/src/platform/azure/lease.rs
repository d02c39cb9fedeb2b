//! The address of the wire server, as DHCP says it.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::platform::bounded;

/// Where the wire server is when DHCP does not say it: the same address in every region of Azure.
pub const DEFAULT: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Leases are a few hundred bytes.
const LIMIT: u64 = 64 << 10;

/// The address of the wire server: option 245 of the first lease of systemd-networkd below `run` that has one, in the
/// order of interface numbers; else [`DEFAULT`].
pub fn address(run: &Path) -> Ipv4Addr {
    let directory = run.join("systemd/netif/leases");
    let entries = std::fs::read_dir(directory)
        .map(|entries| entries.flatten().collect::<Vec<_>>())
        .unwrap_or_default();
    let mut numbered: Vec<(u32, std::path::PathBuf)> = entries
        .iter()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    numbered.sort();
    numbered
        .iter()
        .find_map(|(_, path)| parse(&bounded::read(path, LIMIT).ok()??))
        .unwrap_or(DEFAULT)
}

/// Option 245 of a lease file, `OPTION_245=a83f8110`; `None` without it, and when it is no address of one machine.
pub fn parse(lease: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(lease).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("OPTION_245="))?
        .trim();
    let octets: [u8; 4] = hex::decode(value).ok()?.try_into().ok()?;
    let address = Ipv4Addr::from(octets);
    let nobody = address.is_unspecified() || address.is_broadcast() || address.is_multicast();
    (!nobody).then_some(address)
}
