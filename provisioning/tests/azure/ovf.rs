//! `ovf-env.xml`, well and unwell.

use std::fmt::Write;

use acl_provision::platform::azure::ovf::{Password, Provisioning, PublicKey};

/// A document as Azure writes it, with `inner` in the configuration set.
pub(super) fn ovf(inner: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" xmlns:wa="http://schemas.microsoft.com/windowsazure" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <wa:ProvisioningSection>
      <wa:Version>1.0</wa:Version>
      <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
        <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
        {inner}
      </LinuxProvisioningConfigurationSet>
    </wa:ProvisioningSection>
    <wa:PlatformSettingsSection>
      <wa:Version>1.0</wa:Version>
      <wa:PlatformSettings>
        <wa:KmsServerHostname>kms.core.windows.net</wa:KmsServerHostname>
        <wa:GuestAgentPackageName xsi:nil="true"/>
        <wa:PreprovisionedVm>false</wa:PreprovisionedVm>
      </wa:PlatformSettings>
    </wa:PlatformSettingsSection>
</Environment>
"#
    )
}

/// The same with other prefixes, as cloud-init and newer hosts write it.
fn prefixed(inner: &str) -> String {
    format!(
        r#"<ns0:Environment xmlns:ns0="http://schemas.dmtf.org/ovf/environment/1"
 xmlns:ns1="http://schemas.microsoft.com/windowsazure">
  <ns1:ProvisioningSection><ns1:Version>1.0</ns1:Version>
    <ns1:LinuxProvisioningConfigurationSet>{inner}</ns1:LinuxProvisioningConfigurationSet>
  </ns1:ProvisioningSection>
</ns0:Environment>"#
    )
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const FULL: &str = "
    <HostName>my-host</HostName>
    <UserName>azureuser</UserName>
    <UserPassword>a&lt;b&amp;c&gt;&apos;&quot; &#xe9;</UserPassword>
    <DisableSshPasswordAuthentication>false</DisableSshPasswordAuthentication>
    <SSH><PublicKeys>
      <PublicKey>
        <Fingerprint>EB0C0AB4B2D5FC35F2F0658D19F44C8283E2DD62</Fingerprint>
        <Path>/home/azureuser/.ssh/authorized_keys</Path>
        <Value>ssh-rsa AAAA== foo@bar.local</Value>
      </PublicKey>
      <PublicKey><Fingerprint>AA</Fingerprint><Path/><Value></Value></PublicKey>
    </PublicKeys>
    <KeyPairs><KeyPair><Fingerprint>BB</Fingerprint><Path>/x</Path></KeyPair></KeyPairs></SSH>
    <CustomData>e30=</CustomData>";

#[test]
fn everything_under_any_prefix() {
    let full = Provisioning {
        host_name: some("my-host"),
        user_name: some("azureuser"),
        password: Some(Password("a<b&c>'\" é".to_owned())),
        password_disabled: false,
        keys: vec![
            PublicKey {
                fingerprint: some("EB0C0AB4B2D5FC35F2F0658D19F44C8283E2DD62"),
                path: some("/home/azureuser/.ssh/authorized_keys"),
                value: some("ssh-rsa AAAA== foo@bar.local"),
            },
            PublicKey {
                fingerprint: some("AA"),
                path: None,
                value: None,
            },
        ],
        custom_data: some("e30="),
    };
    let with_prefixes = FULL
        .replace("</", "\0")
        .replace('<', "<ns1:")
        .replace('\0', "</ns1:");
    for document in [
        ovf(FULL),
        prefixed(&with_prefixes),
        format!("\u{feff}{}", ovf(FULL)),
    ] {
        let read = Provisioning::parse(document.as_bytes());
        assert_eq!(read, Ok(full.clone()), "{document}");
    }
}

/// What is in the set, and what that sets.
type Case = (&'static str, fn(&mut Provisioning));

const CASES: &[Case] = &[
    ("", |_| ()),
    // Comments and instructions are not text.
    (
        "<!-- <HostName>no</HostName> --><?target data?><HostName>a<!-- b -->c</HostName>",
        |it| it.host_name = some("ac"),
    ),
    ("<UserName><![CDATA[<&>]]></UserName>", |it| {
        it.user_name = some("<&>")
    }),
    (
        "<HostName>\n  host\t</HostName><UserName> \n </UserName>",
        |it| it.host_name = some("host"),
    ),
    ("<HostName>one</HostName><HostName>two</HostName>", |it| {
        it.host_name = some("one")
    }),
    (
        "<DisableSshPasswordAuthentication>True</DisableSshPasswordAuthentication>",
        |it| it.password_disabled = true,
    ),
    (
        "<DisableSshPasswordAuthentication>yes</DisableSshPasswordAuthentication>",
        |_| (),
    ),
    (
        "<x:HostName xmlns:x=\"http://example.org\">no</x:HostName>",
        |_| (),
    ),
    ("<Other><HostName>no</HostName></Other>", |_| ()),
    ("<SSH><PublicKeys/></SSH>", |_| ()),
    ("<CustomData>e3\n 0=\n</CustomData>", |it| {
        it.custom_data = some("e3\n 0=")
    }),
];

#[test]
fn parts() {
    for (inner, set) in CASES {
        let mut expected = Provisioning::default();
        set(&mut expected);
        assert_eq!(
            Provisioning::parse(ovf(inner).as_bytes()),
            Ok(expected),
            "{inner}"
        );
    }
}

#[test]
fn passwords_are_not_shown() {
    let shown = format!("{:?}", Password("secret".to_owned()));
    assert_eq!(shown, "Password(…)");
}

fn refused(name: &str, document: &[u8], expected: &str) {
    let read = Provisioning::parse(document);
    assert_eq!(read, Err(expected.to_owned()), "{name}");
}

const END: &str =
    "syntax error: tag not closed: `>` not found before end of input (at byte 1048576)";

/// Not even XML.
const JUNK: &[(&[u8], usize, &str)] = &[
    (b"", 1, "it has no element"),
    (b" \n", 1, "it has no element"),
    (
        b"hello",
        1,
        "there is text outside of all elements (at byte 5)",
    ),
    (
        b"{\"ignition\": {}}",
        1,
        "there is text outside of all elements (at byte 16)",
    ),
    (
        b"\0",
        1 << 20,
        "there is text outside of all elements (at byte 1048576)",
    ),
    (
        b"A",
        1 << 20,
        "there is text outside of all elements (at byte 1048576)",
    ),
    (b"<", 1 << 20, END),
    (
        b"<a>",
        300_000,
        "more than 64 elements lie in each other (at byte 195)",
    ),
    (
        b"<a>\xff</a>",
        1,
        "invalid utf-8 sequence of 1 bytes from index 3",
    ),
];

#[test]
fn junk() {
    for (piece, times, expected) in JUNK {
        refused(&format!("{piece:?}"), &piece.repeat(*times), expected);
    }
}

/// What is replaced in an empty document by what, and what is wrong with it then.
const SPOILT: &[(&str, &str, &str)] = &[
    (
        "Environment",
        "Nothing",
        "its element is not Environment of http://schemas.dmtf.org/ovf/environment/1",
    ),
    (
        "dmtf.org",
        "example.org",
        "its element is not Environment of http://schemas.dmtf.org/ovf/environment/1",
    ),
    (
        "ProvisioningSection",
        "Nothing",
        "it has no ProvisioningSection of http://schemas.microsoft.com/windowsazure",
    ),
    (
        "LinuxProv",
        "WindowsProv",
        "it has no LinuxProvisioningConfigurationSet of http://schemas.microsoft.com/windowsazure",
    ),
    (
        "LinuxProvisioningConfigurationSet xmlns=\"http://schemas.microsoft.com/windowsazure\"",
        "LinuxProvisioningConfigurationSet",
        "it has no LinuxProvisioningConfigurationSet of http://schemas.microsoft.com/windowsazure",
    ),
    ("</Environment>", "", "it ends too early"),
    (
        "</Environment>",
        "</Environment><a/>",
        "<a> comes after the end (at byte 996)",
    ),
    (
        "</Environment>",
        "</Environment>more",
        "there is text outside of all elements (at byte 997)",
    ),
];

/// What is in the set, and what is wrong with it.
const WRONG: &[(&str, &str)] = &[
    (
        "<HostName></UserName>",
        "ill-formed document: expected `</HostName>`, but `</UserName>` was found (at byte 584)",
    ),
    (
        "<HostName",
        "ill-formed document: expected `</HostName>`, but `</wa:ProvisioningSection>` was found (at byte 645)",
    ),
    (
        "<HostName>&x;</HostName>",
        "the entity &x; is not defined (at byte 576)",
    ),
    (
        "<HostName>&#0;</HostName>",
        "invalid character reference: 0x0 character is not permitted in XML (at byte 577)",
    ),
    (
        "<y:HostName>x</y:HostName>",
        "the prefix y stands for no namespace (at byte 575)",
    ),
];

#[test]
fn spoilt_documents() {
    for (from, to, expected) in SPOILT {
        refused(to, ovf("").replace(from, to).as_bytes(), expected);
    }
    for (inner, expected) in WRONG {
        refused(inner, ovf(inner).as_bytes(), expected);
    }
}

/// The document with a document type that declares `entities`.
fn declaring(entities: &str, inner: &str) -> String {
    let declaration = format!("?>\n<!DOCTYPE Environment [{entities}]>\n<");
    ovf(inner).replacen("?>\n<", &declaration, 1)
}

#[test]
fn entities_are_refused_before_they_are_expanded() {
    let laughs = (1..10).fold(String::from("<!ENTITY a0 \"ha\">"), |mut text, n| {
        let before = format!("&a{};", n - 1).repeat(10);
        writeln!(text, "<!ENTITY a{n} \"{before}\">").unwrap();
        text
    });
    let refusal =
        |at: usize| format!("it declares a document type, which is refused (at byte {at})");
    let bomb = declaring(&laughs, "<HostName>&a9;</HostName>");
    refused("a bomb", bomb.as_bytes(), &refusal(585));
    let external = "<!ENTITY x SYSTEM \"file:///etc/shadow\">";
    let file = declaring(external, "<HostName>&x;</HostName>");
    refused("a file of the machine", file.as_bytes(), &refusal(103));
    let unused = declaring("", "<HostName>host</HostName>");
    refused("nothing", unused.as_bytes(), &refusal(64));
}
