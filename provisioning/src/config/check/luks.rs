//! Encrypted volumes and what unlocks them.

use serde_json::Value;

use super::{all, each, path, resource, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, clevis, spec};
use crate::fetch::address;

/// LUKS 2, header: the bytes of a label.
const MOST_LABEL_BYTES: usize = 47;
/// The kernel's device mapper (`DM_NAME_LEN`), less the NUL at the end.
const MOST_NAME_BYTES: usize = 127;

pub(super) fn check(storage: &spec::Storage, at: &Path, findings: &mut Findings) {
    for (at, luks) in each(storage.luks.as_ref(), at) {
        check_volume(luks, &at, findings);
        if let Some(key) = &luks.key_file {
            resource::check(key, &at.field("keyFile"), findings);
        }
        if let Some(clevis) = &luks.clevis {
            check_clevis(clevis, &at.field("clevis"), findings);
        }
        if luks.cex.as_ref().and_then(|cex| cex.enabled) == Some(true) {
            let message =
                "CEX is a device of s390x, which ACL does not run on; use clevis with tpm2 or tang";
            findings.error(at.field("cex"), message);
        }
    }
    let names = each(storage.luks.as_ref(), at).map(|(at, luks)| (at, &luks.name));
    twice::check("the volume", names, findings);
}

fn check_volume(luks: &spec::Luks, at: &Path, findings: &mut Findings) {
    if !is_name(&luks.name) {
        let message = "the name of a volume is that of its device in /dev/mapper: 1 to 127 bytes without slash and \
                       white space, and not . - or # first";
        findings.error(at.field("name"), message);
    }
    match &luks.device {
        Some(device) => path::check(device, &at.field("device"), findings),
        None => findings.error(
            at.field("device"),
            "an encrypted volume has a device; name it",
        ),
    }
    if said(luks.label.as_ref()).is_some_and(|label| label.len() > MOST_LABEL_BYTES) {
        findings.error(
            at.field("label"),
            "the label of an encrypted volume has at most 47 bytes",
        );
    }
    if said(luks.uuid.as_ref()).is_some_and(|uuid| uuid.parse::<acl_host::guid::Guid>().is_err()) {
        findings.error(
            at.field("uuid"),
            "not a UUID; its form is 01234567-89ab-cdef-edcb-a98765432101",
        );
    }
}

/// A name that is a file's, in /dev/mapper and /etc/luks, an argument, and the first word of a line of /etc/crypttab.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MOST_NAME_BYTES
        && !name.starts_with(['.', '-', '#'])
        && !name
            .contains(|letter: char| letter == '/' || letter.is_whitespace() || letter.is_control())
}

fn check_clevis(clevis: &spec::Clevis, at: &Path, findings: &mut Findings) {
    let tang = all(clevis.tang.as_ref());
    let pins = tang.len() + usize::from(clevis.tpm2 == Some(true));
    let custom = clevis
        .custom
        .as_ref()
        .and_then(|custom| said(custom.pin.as_ref()));
    if clevis::is_present(clevis) && pins == 0 && custom.is_none() {
        let message = "clevis has neither tang servers nor tpm2 to bind the volume to; give one, or leave it out";
        findings.error(at.clone(), message);
    }
    if let Some(custom) = &clevis.custom {
        check_custom(
            custom,
            &at.field("custom"),
            pins > 0 || clevis.threshold.is_some_and(|threshold| threshold != 0),
            findings,
        );
    }
    let threshold = clevis.threshold.unwrap_or_default();
    if threshold < 0 || usize::try_from(threshold).is_ok_and(|threshold| threshold > pins.max(1)) {
        let message = format!(
            "the threshold is {threshold}, and there are {pins} tang servers and TPMs to unlock with; lower it"
        );
        findings.error(at.field("threshold"), message);
    }
    for (at, tang) in each(clevis.tang.as_ref(), &at.field("tang")) {
        check_tang(tang, &at, findings);
    }
    let urls = each(clevis.tang.as_ref(), &at.field("tang"))
        .filter_map(|(at, tang)| Some((at, twice::Address(tang.url.as_deref()?))));
    twice::check("the server", urls, findings);
}

fn check_custom(custom: &spec::ClevisCustom, at: &Path, others: bool, findings: &mut Findings) {
    let pin = said(custom.pin.as_ref());
    let config = said(custom.config.as_ref());
    if pin.is_none() && config.is_none() && custom.needs_network != Some(true) {
        return;
    }
    if others {
        findings.error(
            at.clone(),
            "clevis takes either a custom pin or tang, tpm2 and threshold; leave one out",
        );
    }
    match pin {
        None => findings.error(
            at.field("pin"),
            "a custom pin has a name: tpm2, tang or sss",
        ),
        Some("tpm2" | "tang" | "sss") => {}
        Some(pin) => findings.error(
            at.field("pin"),
            format!("the pin {pin:?} is not known; use tpm2, tang or sss"),
        ),
    }
    match config {
        None => findings.error(
            at.field("config"),
            "a custom pin has a configuration, such as {}",
        ),
        Some(text) if serde_json::from_str::<Value>(text).is_err() => {
            findings.error(at.field("config"), "the configuration of a pin is JSON");
        }
        Some(_) => {}
    }
}

fn check_tang(tang: &spec::Tang, at: &Path, findings: &mut Findings) {
    let url = said(tang.url.as_ref()).map(address);
    if !url.is_some_and(|url| url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))) {
        findings.error(
            at.field("url"),
            "a tang server has an http: or https: address; give it",
        );
    }
    if said(tang.thumbprint.as_ref()).is_none() {
        let message =
            "without its thumbprint any server could pass for this one; give it (tang-show-keys)";
        findings.error(at.field("thumbprint"), message);
    }
    let advertisement = said(tang.advertisement.as_ref());
    if advertisement.is_some_and(|text| serde_json::from_str::<Value>(text).is_err()) {
        findings.error(
            at.field("advertisement"),
            "the advertisement of a tang server is JSON",
        );
    }
}
