//! The wire server's address in DHCP leases.

use std::net::Ipv4Addr;

use acl_provision::platform::azure::lease;
use tempfile::TempDir;

use crate::platform::write;

#[test]
fn leases() {
    let azure = "# This is private data. Do not parse.\nADDRESS=10.0.0.4\nNETMASK=255.255.255.0\nROUTER=10.0.0.1\n\
                 SERVER_ADDRESS=168.63.129.16\nLIFETIME=infinity\nOPTION_245=a83f8110\nCLIENTID=ff\n";
    let cases: &[(&str, Option<[u8; 4]>)] = &[
        (azure, Some([168, 63, 129, 16])),
        ("OPTION_245=647AB003", Some([100, 122, 176, 3])),
        ("OPTION_245=a83f8110\r\n", Some([168, 63, 129, 16])),
        ("", None),
        ("ADDRESS=10.0.0.4\n", None),
        ("# OPTION_245=a83f8110\n", None),
        ("XOPTION_245=a83f8110\n", None),
        ("OPTION_2450=a83f8110\n", None),
        ("OPTION_245=\n", None),
        ("OPTION_245=a83f81\n", None),
        ("OPTION_245=a83f811000\n", None),
        ("OPTION_245=a83f811\n", None),
        ("OPTION_245=168.63.129.16\n", None),
        ("OPTION_245=a8:3f:81:10\n", None),
        ("OPTION_245=zzzzzzzz\n", None),
        ("OPTION_245=00000000\n", None),
        ("OPTION_245=ffffffff\n", None),
        ("OPTION_245=e0000001\n", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(Ipv4Addr::from);
        assert_eq!(lease::parse(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(lease::parse(b"OPTION_245=a83f8110\n\xff"), None);
}

#[test]
fn the_first_good_lease_counts() {
    let dir = TempDir::new().unwrap();
    let leases = dir.path().join("systemd/netif/leases");
    assert_eq!(lease::address(dir.path()), Ipv4Addr::new(168, 63, 129, 16));
    write(leases.join("10"), "OPTION_245=0a0a0a0a\n");
    write(leases.join("9"), "OPTION_245=09090909\n");
    write(leases.join("3"), "OPTION_245=wrong\n");
    write(leases.join("2"), "ADDRESS=10.0.0.2\n");
    write(leases.join(".#1"), "OPTION_245=01010101\n");
    assert_eq!(lease::address(dir.path()), Ipv4Addr::new(9, 9, 9, 9));
    std::fs::remove_file(leases.join("9")).unwrap();
    assert_eq!(lease::address(dir.path()), Ipv4Addr::new(10, 10, 10, 10));
    std::fs::remove_file(leases.join("10")).unwrap();
    assert_eq!(lease::address(dir.path()), lease::DEFAULT);
}
