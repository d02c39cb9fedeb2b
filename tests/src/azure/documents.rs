//! What Azure says about a machine, and what it wants to hear.

use serde_json::json;

/// The request lines of the services.
pub mod line {
    /// IMDS: about the machine.
    pub const INSTANCE: &str = "GET /metadata/instance?api-version=2021-02-01";
    /// IMDS: user data.
    pub const USER_DATA: &str =
        "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text";
    /// The wire server: the versions of its protocol.
    pub const VERSIONS: &str = "GET /?comp=versions";
    /// The wire server: what the machine is to be.
    pub const GOAL_STATE: &str = "GET /machine/?comp=goalstate";
    /// The wire server: how the machine is.
    pub const HEALTH: &str = "POST /machine/?comp=health";
}

const CONTAINER: &str = "a511aa6d-29e7-4f53-8788-55655dfe848f";
const INSTANCE_ID: &str = "f6cd1d7e.lars&amp;test-1";

/// What the operator told Azure.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The machine's name.
    pub host_name: &'static str,
    /// The administrator.
    pub user: &'static str,
    /// The administrator's key.
    pub key: String,
}

impl Profile {
    /// IMDS's document about the machine, shortened.
    pub fn instance(&self) -> String {
        let Self {
            host_name,
            user,
            key,
        } = self;
        json!({
            "compute": {
                "azEnvironment": "AzurePublicCloud",
                "location": "westeurope",
                "name": "aks-nodepool1-12345678-vmss_0",
                "osProfile": {
                    "adminUsername": user,
                    "computerName": host_name,
                    "disablePasswordAuthentication": "true",
                },
                "publicKeys": [{"keyData": format!("{key}\r\n"), "path": format!("/home/{user}/.ssh/authorized_keys")}],
                "userData": "",
                "vmScaleSetName": "aks-nodepool1-12345678-vmss",
            },
            "network": {"interface": []},
        })
        .to_string()
    }

    /// `ovf-env.xml`, which knows no keys; `custom_data` is base64.
    pub fn environment(&self, custom_data: Option<&str>) -> String {
        let Self { user, .. } = self;
        let custom_data = custom_data.map_or_else(String::new, |text| {
            format!("<CustomData>{text}</CustomData>")
        });
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:wa="http://schemas.microsoft.com/windowsazure" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <wa:ProvisioningSection>
    <wa:Version>1.0</wa:Version>
    <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure">
      <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
      <HostName>of-the-medium</HostName>
      <UserName>{user}</UserName>
      <DisableSshPasswordAuthentication>true</DisableSshPasswordAuthentication>
      {custom_data}
    </LinuxProvisioningConfigurationSet>
  </wa:ProvisioningSection>
  <wa:PlatformSettingsSection>
    <wa:Version>1.0</wa:Version>
    <wa:PlatformSettings><wa:GuestAgentPackageName xsi:nil="true"/></wa:PlatformSettings>
  </wa:PlatformSettingsSection>
</Environment>
"#
        )
    }
}

/// The wire server's versions, with the mark at their begin that it sends.
pub fn versions() -> String {
    let mut text = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_owned();
    text += "<Versions><Preferred><Version>2015-04-05</Version></Preferred><Supported>";
    for version in ["2015-04-05", "2012-11-30", "2011-12-31"] {
        text += &format!("<Version>{version}</Version>");
    }
    text + "</Supported></Versions>"
}

/// The wire server's goal state.
pub fn goal_state() -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="goalstate10.xsd">
  <Version>2012-11-30</Version>
  <Incarnation>1</Incarnation>
  <Machine><ExpectedState>Started</ExpectedState><ExpectHealthReport>FALSE</ExpectHealthReport></Machine>
  <Container>
    <ContainerId>{CONTAINER}</ContainerId>
    <RoleInstanceList>
      <RoleInstance><InstanceId>{INSTANCE_ID}</InstanceId><State>Started</State></RoleInstance>
    </RoleInstanceList>
  </Container>
</GoalState>
"#
    )
}

/// The report that the machine of [`goal_state`] sends; `health` is the inside of its element `Health`.
pub fn report(health: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Health xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
         <GoalStateIncarnation>1</GoalStateIncarnation>\
         <Container><ContainerId>{CONTAINER}</ContainerId>\
         <RoleInstanceList><Role><InstanceId>{INSTANCE_ID}</InstanceId>\
         <Health>{health}</Health>\
         </Role></RoleInstanceList></Container></Health>\n"
    )
}
