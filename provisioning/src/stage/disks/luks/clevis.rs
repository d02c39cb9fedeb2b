//! Volumes that a TPM, tang servers or another pin unlock: `clevis luks bind`.

use acl_host::Tool;
use serde::Serialize;
use serde_json::Value;

use super::keys::KeyFile;
use super::present;
use super::volume::refused;
use crate::config::spec::{Clevis, Luks, Tang};
use crate::stage::disks::device::Device;
use crate::stage::disks::machine::Line;
use crate::{Error, Result};

/// How a volume is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The pin.
    pub pin: String,
    /// Its configuration, JSON.
    pub config: String,
    /// Whether enough servers and devices can be asked now to see that it unlocks: a server whose advertisement is in the
    /// config may not be there yet.
    pub can_be_tried: bool,
}

/// The configuration of the pin `sss`.
#[derive(Serialize)]
struct Shares<'a> {
    pins: Pins<'a>,
    t: i64,
}

#[derive(Serialize)]
struct Pins<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tang: Vec<Server<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm2: Option<Nothing>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Server<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adv: Option<Value>,
}

/// How the volume is bound; `None` for one that has a key file only.
///
/// # Errors
/// [`Error::Luks`] for an advertisement that is not JSON, a custom pin without a configuration, and nothing to bind to.
pub fn bound(wanted: &Luks) -> Result<Option<Bound>> {
    let Some(clevis) = present(wanted) else {
        return Ok(None);
    };
    if let Some(custom) = &clevis.custom {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(pin) = given(&custom.pin) {
            let config = given(&custom.config);
            let config =
                config.ok_or_else(|| refused(wanted, "its custom clevis pin has no config"))?;
            // A pin that we do not know may not be ready; Ignition tries none of them.
            return Ok(Some(Bound {
                pin,
                config,
                can_be_tried: false,
            }));
        }
    }
    shares(wanted, clevis).map(Some)
}

fn shares(wanted: &Luks, clevis: &Clevis) -> Result<Bound> {
    let tang = clevis.tang.as_deref().unwrap_or_default();
    let tpm2 = clevis.tpm2 == Some(true);
    if tang.is_empty() && !tpm2 {
        return Err(refused(
            wanted,
            "clevis has neither tang servers nor tpm2 to bind it to",
        ));
    }
    // 0 is as if not given (Ignition's `Clevis.IsPresent`); clevis would refuse it when the volume is made already.
    let threshold = clevis.threshold.filter(|threshold| *threshold != 0);
    let threshold = threshold.unwrap_or(1);
    let servers = tang.iter().map(|tang| server(wanted, tang));
    let shares = Shares {
        pins: Pins {
            tang: servers.collect::<Result<_>>()?,
            tpm2: tpm2.then_some(Nothing {}),
        },
        t: threshold,
    };
    let config = serde_json::to_string(&shares);
    let config = config.map_err(|error| refused(wanted, &error.to_string()))?;
    let answering = tang.iter().filter(|tang| !has_advertisement(tang)).count() + usize::from(tpm2);
    Ok(Bound {
        pin: "sss".to_owned(),
        config,
        can_be_tried: i64::try_from(answering).is_ok_and(|answering| answering >= threshold),
    })
}

fn server<'a>(wanted: &Luks, tang: &'a Tang) -> Result<Server<'a>> {
    let url = tang.url.as_deref().unwrap_or_default();
    let read = |text: &String| {
        serde_json::from_str(text).map_err(|error| -> Error {
            refused(
                wanted,
                &format!("the advertisement of {url} is not JSON: {error}"),
            )
        })
    };
    let adv = tang
        .advertisement
        .as_ref()
        .filter(|_| has_advertisement(tang));
    Ok(Server {
        url,
        thp: tang.thumbprint.as_deref().filter(|thp| !thp.is_empty()),
        adv: adv.map(read).transpose()?,
    })
}

/// Whether the config has the server's advertisement, so that the server need not answer now.
pub(super) fn has_advertisement(tang: &Tang) -> bool {
    tang.advertisement
        .as_deref()
        .is_some_and(|text| !text.is_empty())
}

/// The programs that bind an open volume, see that it unlocks, and remove the key that only they needed.
pub(super) fn lines(wanted: &Luks, bound: &Bound, device: &Device, key: &KeyFile) -> Vec<Line> {
    let (device, name, key_file) = (device.arg(), wanted.name.as_str(), key.arg());
    let bind = [
        "luks",
        "bind",
        "-f",
        "-k",
        &key_file,
        "-d",
        &device,
        &bound.pin,
        &bound.config,
    ];
    let mut lines = vec![Line::new(Tool::Clevis, bind)];
    if bound.can_be_tried {
        lines.push(Line::new(Tool::Cryptsetup, ["luksClose", name]));
        lines.push(Line::new(
            Tool::Clevis,
            ["luks", "unlock", "-d", &device, "-n", name],
        ));
    }
    if key.generated {
        lines.push(Line::new(
            Tool::Cryptsetup,
            ["luksRemoveKey", &device, &key_file],
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn a_threshold_of_0_is_that_of_none() {
        for threshold in ["", r#", "threshold": 0"#, r#", "threshold": 1"#] {
            let text = format!(r#"{{"name": "a", "clevis": {{"tpm2": true{threshold}}}}}"#);
            let bound = bound(&serde_json::from_str(&text).unwrap()).unwrap();
            let bound = bound.unwrap();
            let config = r#"{"pins":{"tpm2":{}},"t":1}"#;
            assert_eq!((bound.config.as_str(), bound.can_be_tried), (config, true));
        }
    }
}
