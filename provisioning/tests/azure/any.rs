//! Whatever a service or a medium says, it is read or refused; nothing makes the program panic.

use acl_provision::platform::Outcome;
use acl_provision::platform::azure::imds::Instance;
use acl_provision::platform::azure::lease;
use acl_provision::platform::azure::ovf::Provisioning;
use acl_provision::platform::azure::profile;
use acl_provision::platform::azure::wire::health::{
    DESCRIPTION, GoalState, Health, parse_versions,
};
use proptest::prelude::*;

use super::ovf::ovf;

/// Bytes, and text that is close to XML and JSON.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[<>&;#/!?a-c:=\"' \\[\\]{}0-9-]{0,200}".prop_map(String::into_bytes),
        "(<[a-c]>|</[a-c]>|<[a-c]/>|&lt;|&#x?[0-9a-f]{1,9};|<!--|-->|<!\\[CDATA\\[|\\]\\]>|x){0,40}"
            .prop_map(|inner| ovf(&inner).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn documents_are_read_or_refused(document in documents()) {
        let _ = Provisioning::parse(&document);
        let _ = Instance::parse(&document);
        let _ = GoalState::parse(&document);
        let _ = parse_versions(&document);
        let _ = lease::parse(&document);
    }

    #[test]
    fn what_is_set_is_safe_to_set(host in "\\PC{0,70}", user in "\\PC{0,40}", keys in prop::collection::vec(any::<String>(), 0..3)) {
        let instance = Instance {
            host_name: Some(host),
            user_name: Some(user),
            password_disabled: None,
            keys,
        };
        if let Ok(config) = profile::config(Some(&instance), None, "salt") {
            let user = &config.passwd.unwrap().users.unwrap()[0];
            prop_assert!(!user.name.contains(['/', ':', '\n', ' ', ',']));
            for key in user.ssh_authorized_keys.iter().flatten() {
                prop_assert_eq!(key.lines().count(), 1);
            }
        }
    }

    #[test]
    fn reports_are_documents(reason in any::<String>(), id in any::<String>()) {
        let health = Health::new(&Outcome::Failed { reason });
        let json: serde_json::Value = serde_json::from_str(&health.to_json()).unwrap();
        let description = json["details"]["description"].as_str().unwrap();
        prop_assert!(description.chars().count() <= DESCRIPTION);
        prop_assert!(!description.contains(char::is_control));
        // What is read from the fabric's own documents cannot hold what XML cannot hold.
        let id: String = id.chars().filter(|c| !c.is_control()).collect();
        let state = GoalState { incarnation: "1".to_owned(), container: id.clone(), instance: id };
        let xml = health.to_xml(&state);
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut ends = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::End(_) => ends += 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(ends, 12);
    }
}
