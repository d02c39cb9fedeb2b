//! The documents of the wire server, without the wire.

use quick_xml::escape::escape;
use serde_json::json;

use crate::platform::Outcome;
use crate::platform::azure::xml::Element;

/// The longest description, in characters; cloud-init's limit, and the portal's.
pub const DESCRIPTION: usize = 512;

/// The fabric's word for a first boot that will not succeed by waiting.
const SUBSTATUS: &str = "ProvisioningFailed";

/// The parts of a goal state that a report repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoalState {
    /// `Incarnation`.
    pub incarnation: String,
    /// `Container/ContainerId`.
    pub container: String,
    /// `Container/RoleInstanceList/RoleInstance/InstanceId`, of the first instance: this machine.
    pub instance: String,
}

impl GoalState {
    /// Reads `/machine/?comp=goalstate`.
    ///
    /// # Errors
    /// Says what is wrong or missing.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        let state = Element::parse(document)?;
        let instance = ["Container", "RoleInstanceList", "RoleInstance"];
        Ok(Self {
            incarnation: at(&state, &[], "Incarnation")?,
            container: at(&state, &["Container"], "ContainerId")?,
            instance: at(&state, &instance, "InstanceId")?,
        })
    }
}

/// Reads `/?comp=versions`: the versions that are supported.
///
/// # Errors
/// Says what is wrong.
pub fn parse_versions(document: &[u8]) -> Result<Vec<String>, String> {
    let versions = Element::parse(document)?;
    let supported = versions
        .child("", "Supported")
        .ok_or("it has no Supported")?;
    let texts = supported.children("", "Version").map(Element::text);
    Ok(texts.map(str::to_owned).collect())
}

/// How the first boot ended, as the fabric hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Why not; `None` for ready.
    description: Option<String>,
}

impl Health {
    /// Cleans the reason of what neither XML nor a portal can show, and cuts it to [`DESCRIPTION`] characters.
    pub fn new(outcome: &Outcome) -> Self {
        let description = match outcome {
            Outcome::Ready => None,
            Outcome::Failed { reason } => Some(cut(&clean(reason))),
        };
        Self { description }
    }

    /// For `/machine/?comp=health`.
    pub fn to_xml(&self, state: &GoalState) -> String {
        let details = match &self.description {
            None => "<State>Ready</State>".to_owned(),
            Some(description) => format!(
                "<State>NotReady</State><Details><SubStatus>{SUBSTATUS}</SubStatus>\
                 <Description>{}</Description></Details>",
                escape(description.as_str())
            ),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <Health xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
             <GoalStateIncarnation>{}</GoalStateIncarnation>\
             <Container><ContainerId>{}</ContainerId>\
             <RoleInstanceList><Role><InstanceId>{}</InstanceId>\
             <Health>{details}</Health>\
             </Role></RoleInstanceList></Container></Health>\n",
            escape(state.incarnation.as_str()),
            escape(state.container.as_str()),
            escape(state.instance.as_str()),
        )
    }

    /// For `/provisioning/health`.
    pub fn to_json(&self) -> String {
        let health = match &self.description {
            None => json!({"state": "Ready"}),
            Some(description) => json!({
                "state": "NotReady",
                "details": {"subStatus": SUBSTATUS, "description": description},
            }),
        };
        health.to_string()
    }
}

/// One line, without control characters and without what XML 1.0 cannot hold at all.
fn clean(reason: &str) -> String {
    let shown = reason.replace(
        |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'),
        " ",
    );
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= DESCRIPTION {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(DESCRIPTION - 1).collect();
    cut.push('…');
    cut
}

/// The text of the element `name` below `path`.
fn at(element: &Element, path: &[&str], name: &str) -> Result<String, String> {
    let mut parent = Some(element);
    for step in path {
        parent = parent.and_then(|element| element.child("", step));
    }
    let text = parent.and_then(|element| element.text_of("", name));
    text.map(str::to_owned)
        .ok_or_else(|| format!("it has no {}", [path, &[name]].concat().join("/")))
}
