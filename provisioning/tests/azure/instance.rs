//! What the instance metadata service says about a machine.

use acl_provision::platform::azure::imds::Instance;

/// As IMDS answers on AKS, shortened.
const NODE: &str = r#"{"compute": {
    "azEnvironment": "AzurePublicCloud", "customData": "", "location": "westeurope", "name": "vm",
    "osProfile": {
        "adminUsername": "azureuser", "computerName": "aks-pool1-12345678-vmss000000",
        "disablePasswordAuthentication": "true"
    },
    "publicKeys": [
        {"keyData": "ssh-rsa AAAA one\r\n", "path": "/home/azureuser/.ssh/authorized_keys"},
        {"keyData": "ssh-ed25519 AAAA two", "path": "/home/azureuser/.ssh/authorized_keys"}
    ],
    "tagsList": [], "vmSize": "Standard_D2s_v3"
}, "network": {"interface": []}}"#;

#[test]
fn a_node() {
    let some = |text: &str| Some(text.to_owned());
    let expected = Instance {
        host_name: some("aks-pool1-12345678-vmss000000"),
        user_name: some("azureuser"),
        password_disabled: Some(true),
        keys: vec![
            "ssh-rsa AAAA one\r\n".to_owned(),
            "ssh-ed25519 AAAA two".to_owned(),
        ],
    };
    assert_eq!(Instance::parse(NODE.as_bytes()), Ok(expected));
}

/// Documents that say nothing, or only whether passwords count.
const SPARSE: &[(&str, Option<bool>)] = &[
    (
        r#"{"compute": {"osProfile": {"adminUsername": "", "computerName": "", "disablePasswordAuthentication": ""},
            "publicKeys": []}}"#,
        None,
    ),
    (
        r#"{"compute": {"osProfile": null, "publicKeys": null}}"#,
        None,
    ),
    (r#"{"compute": {}}"#, None),
    (
        r#"{"compute": {"osProfile": {"disablePasswordAuthentication": null}}}"#,
        None,
    ),
    (
        r#"{"compute": {"osProfile": {"disablePasswordAuthentication": false}}}"#,
        Some(false),
    ),
    (
        r#"{"compute": {"osProfile": {"disablePasswordAuthentication": true}}}"#,
        Some(true),
    ),
    (
        r#"{"compute": {"osProfile": {"disablePasswordAuthentication": "False"}}}"#,
        Some(false),
    ),
];

#[test]
fn sparse_documents() {
    for (json, password_disabled) in SPARSE {
        let expected = Instance {
            password_disabled: *password_disabled,
            ..Instance::default()
        };
        assert_eq!(Instance::parse(json.as_bytes()), Ok(expected), "{json}");
    }
}

const WRONG: &[(&str, &str)] = &[
    (
        r#"{"compute": {"osProfile": {"disablePasswordAuthentication": "maybe"}}}"#,
        "\"maybe\" is neither \"true\" nor \"false\" at line 1 column 68",
    ),
    (
        r#"{"compute": {"publicKeys": [{"path": "/x"}]}}"#,
        "missing field `keyData` at line 1 column 42",
    ),
    ("{}", "missing field `compute` at line 1 column 2"),
    ("", "EOF while parsing a value at line 1 column 0"),
    (
        "\"error\"",
        "invalid type: string \"error\", expected the metadata of an instance at line 1 column 7",
    ),
];

#[test]
fn wrong_documents() {
    for (json, expected) in WRONG {
        assert_eq!(
            Instance::parse(json.as_bytes()),
            Err((*expected).to_owned()),
            "{json}"
        );
    }
}
