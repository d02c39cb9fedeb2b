//! Whether a volume is bound with clevis at all.

use super::spec;

/// Whether there is something to bind to. Translators write `"clevis": {}` and `{"tpm2": false}` for nothing, and
/// Ignition takes them so; a threshold counts there too (`Clevis.IsPresent`).
pub(crate) fn is_present(clevis: &spec::Clevis) -> bool {
    let custom = clevis
        .custom
        .as_ref()
        .and_then(|custom| custom.pin.as_deref());
    custom.is_some_and(|pin| !pin.is_empty())
        || clevis.tang.as_ref().is_some_and(|tang| !tang.is_empty())
        || clevis.tpm2 == Some(true)
        || clevis.threshold.is_some_and(|threshold| threshold != 0)
}

#[cfg(test)]
mod tests {
    use super::is_present;

    #[test]
    fn what_says_nothing_is_not_there() {
        for (text, present) in [
            ("{}", false),
            (r#"{"tpm2": false}"#, false),
            (r#"{"tpm2": true}"#, true),
            (r#"{"tang": [], "threshold": 0}"#, false),
            (
                r#"{"tang": [{"url": "http://t", "thumbprint": "x"}]}"#,
                true,
            ),
            (r#"{"threshold": 1}"#, true),
            (r#"{"custom": {}}"#, false),
            (r#"{"custom": {"pin": "", "needsNetwork": true}}"#, false),
            (r#"{"custom": {"pin": "tpm2"}}"#, true),
        ] {
            let clevis = serde_json::from_str(text).unwrap();
            assert_eq!(is_present(&clevis), present, "{text}");
        }
    }
}
