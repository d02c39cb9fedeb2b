//! Root may steer the agent; everybody else only as far as polkit says.

use acl_tests::journey;
use acl_tests::node::Node;
use acl_tests::releases::Release;

/// What a user who is not root runs `aclctl` by.
const AS_NOBODY: &str = "setpriv --reuid=nobody --regid=nogroup --clear-groups aclctl";

/// What an administrator allows that user.
const RULE: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id == "org.acl.updater1.check" && subject.user == "nobody") {
        return polkit.Result.YES;
    }
});
"#;

#[test]
fn a_user_may_do_what_a_rule_allows_and_nothing_else() -> anyhow::Result<()> {
    let site = journey::site("polkit")?;
    let handover = site
        .handover()?
        .file("/etc/polkit-1/rules.d/50-test.rules.off", 0o644, RULE);
    let mut node = journey::settled()?.boot("polkit", handover)?;
    let shown = node.machine().ask(&format!("{AS_NOBODY} status --json"))?;
    assert!(shown.contains("\"schema\""), "{shown}");
    for verb in ["check", "stage", "apply", "rollback", "retry"] {
        denied(&mut node, verb)?;
    }
    assert_eq!(node.status()?.state(), "idle");

    let rules = "/etc/polkit-1/rules.d/50-test.rules";
    node.machine()
        .ask(&format!("mv {rules}.off {rules}; systemctl restart polkit"))?;
    let found = node.machine().ask(&format!("{AS_NOBODY} check"))?;
    assert!(found.contains(Release::Second.version()), "{found}");
    denied(&mut node, "stage")
}

fn denied(node: &mut Node, verb: &str) -> anyhow::Result<()> {
    let output = node.machine().run(&format!("{AS_NOBODY} {verb}"))?;
    assert_eq!(output.status, 3, "{verb}: {}", output.text);
    assert!(output.text.contains("may not"), "{verb}: {}", output.text);
    Ok(())
}
