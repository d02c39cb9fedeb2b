//! The verbs with the real agent and a real repository: what is typed leads to what is on the disk.

use acl_updated::machine::Machine;
use serde_json::{Value, json};

use crate::node::Node;
use crate::private_bus::Bus;
use crate::real::serve;
use crate::site::Site;
use crate::{Typed, said, typed};

/// Let the real agent serve a machine that runs release 1 and follows `site`.
async fn with_site<F: AsyncFnOnce(&Bus, &Node)>(site: &Site, test: F) {
    let node = Node::new(site);
    let machine = Machine {
        root: node.root(),
        disk: Some(node.disk()),
        ..Machine::default()
    };
    serve(true, machine, async |bus, _| test(bus, &node).await).await;
}

/// The document that was printed.
fn document((code, out, err): Typed) -> Value {
    assert_eq!((code, err.as_str()), (Some(0), ""));
    serde_json::from_str(&out).unwrap()
}

/// Whether each line is in what was printed.
#[track_caller]
fn tells((code, out, err): &Typed, lines: &[&str]) {
    assert_eq!((*code, err.as_str()), (Some(0), ""), "{out}");
    for line in lines {
        assert!(
            out.lines().any(|printed| printed == *line),
            "{line}:\n{out}"
        );
    }
}

#[tokio::test]
async fn a_release_is_found_staged_and_applied() {
    let site = Site::new();
    site.publish("2");
    with_site(&site, async |bus, node| {
        let decision = "Decision  2 is the newest release that this node may take\n";
        assert_eq!(typed(bus, "check").await, said(0, decision, ""));
        assert_eq!(node.entries(), ["acl_1.efi"]);
        tells(&typed(bus, "status").await, &["State     2 is available"]);

        let staged = typed(bus, "stage").await;
        let lines = [
            "Running   1",
            "State     2 is armed: the next reboot takes it",
            "Boots     1 (good), 2 (3 tries left)",
            "Update    1 → 2",
            "  Changed 1 of the packages: linux 1 → 2",
        ];
        tells(&staged, &lines);
        assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
        assert_eq!(node.would_boot(), "2");

        let text = "rebooting into 2\n";
        assert_eq!(typed(bus, "apply").await, said(0, text, ""));
        let shown = document(typed(bus, "status --json").await);
        assert_eq!(shown["update"]["reboots"], 1);
        assert_eq!(shown["decided"]["release"], "1");
    })
    .await;
}

#[tokio::test]
async fn apply_stages_what_is_not_staged() {
    let site = Site::new();
    site.publish("2");
    with_site(&site, async |bus, node| {
        let shown = document(typed(bus, "apply --json").await);
        assert_eq!(shown["state"], json!({"name": "armed", "version": "2"}));
        assert_eq!(shown["update"]["reboots"], 1);
        assert_eq!(node.would_boot(), "2");
    })
    .await;
}

#[tokio::test]
async fn without_a_newer_release_nothing_is_done_and_nothing_is_wrong() {
    let site = Site::new();
    site.publish("1");
    with_site(&site, async |bus, node| {
        for line in ["stage", "apply", "retry"] {
            let lines = ["State     idle", "Decision  1 runs already"];
            tells(&typed(bus, line).await, &lines);
        }
        assert_eq!(node.entries(), ["acl_1.efi"]);
    })
    .await;
}

#[tokio::test]
async fn a_damaged_release_is_passed_over_for_an_older_one_or_fails_the_verb() {
    let site = Site::new();
    site.publish("2");
    site.publish("3");
    let uki = serde_json::to_value(site.manifest("2").artifacts.uki).unwrap();
    site.forge_manifest("3", |manifest| manifest["artifacts"]["uki"] = uki);
    with_site(&site, async |bus, node| {
        let staged = typed(bus, "stage").await;
        let lines = [
            "State     2 is armed: the next reboot takes it",
            "Decision  2 is the newest release that this node may take",
            "Unfit     3: the kernel image of release 3 is refused: it boots the root hash",
        ];
        tells(&staged, &lines);
        assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
        let (code, out, _) = typed(bus, "check --explain").await;
        assert_eq!(code, Some(0));
        let verdict = "  Release 3 is passed over: the kernel image of release 3 is refused:";
        assert!(out.contains(verdict), "{out}");

        site.withdraw("2", "eats data");
        for line in ["check", "stage", "apply", "retry"] {
            let (code, out, err) = typed(bus, line).await;
            assert_eq!((code, out.as_str()), (Some(5), ""), "{line}");
            let start = "aclctl: 3 is passed over: the kernel image of release 3 is refused:";
            assert!(err.starts_with(start), "{line}: {err}");
        }
        assert_eq!(node.entries(), ["acl_1.efi"]);
    })
    .await;
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_exit_code_4() {
    let site = Site::new();
    let server = site.freeze();
    with_site(&site, async |bus, node| {
        // Nobody listens there any more.
        node.follow(&server.url());
        drop(server);
        for line in ["check", "stage", "apply"] {
            let (code, out, err) = typed(bus, line).await;
            assert_eq!((code, out.as_str()), (Some(4), ""), "{line}");
            let start = "aclctl: cannot read the release repository: cannot reach";
            assert!(err.starts_with(start), "{line}: {err}");
        }
    })
    .await;
}
