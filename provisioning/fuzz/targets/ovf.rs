//! Any bytes as `ovf-env.xml`.

#![no_main]

use acl_provision::platform::azure::ovf::Provisioning;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    match Provisioning::parse(document) {
        Ok(read) => assert_eq!(Provisioning::parse(document), Ok(read)),
        Err(what) => assert!(!what.is_empty()),
    }
});
