//! Units that have failed.

use acl_host::systemd::Systemd;

/// Passes when no unit has failed but those that are exempt.
pub(super) async fn none_failed(exempt: &[String]) -> Result<(), String> {
    let asked = async { Systemd::connect().await?.failed_units().await };
    let failed = asked
        .await
        .map_err(|error| acl_host::error::chain(&error))?;
    judge(failed, exempt)
}

fn judge(mut failed: Vec<String>, exempt: &[String]) -> Result<(), String> {
    failed.retain(|unit| !exempt.contains(unit));
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", failed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn exempt_units_may_fail() {
        let units = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(judge(units(&["a.service"]), &units(&["a.service"])), Ok(()));
        assert_eq!(
            judge(
                units(&["a.service", "b.service", "c.mount"]),
                &units(&["a.service"])
            ),
            Err("failed: b.service, c.mount".to_owned())
        );
    }
}
