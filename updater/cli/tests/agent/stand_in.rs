//! The verbs with a stand-in for the agent, for states that take long to come to: each as text and as JSON, with its exit
//! code.

use std::io::pipe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use acl_updated::bus::{NAME, PATH};
use serde_json::{Value, json};
use zbus::{Connection, DBusError, interface};

use crate::private_bus::Bus;
use crate::{JSON, VERBS, command, said, typed};

/// What the stand-in answers to every request.
#[derive(Clone, Debug, DBusError)]
#[zbus(prefix = "org.acl.Updater1.Error")]
enum Refusal {
    Operator(String),
    Environment(String),
    Server(String),
    Bug(String),
    /// Of an agent of another release.
    Unknown(String),
    #[zbus(error)]
    Bus(zbus::Error),
}

type Asked = Arc<Mutex<Vec<&'static str>>>;

/// An agent that is always in the same state, for states that take a repository to come to.
struct StandIn {
    state: Value,
    /// How often it says that it is at work before it is at rest.
    works: AtomicU32,
    /// What it was asked for.
    asked: Asked,
    refusal: Option<Refusal>,
}

impl StandIn {
    fn answer(&self, method: &'static str) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(method);
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

#[interface(name = "org.acl.Updater1")]
impl StandIn {
    fn check(&self) -> Result<(), Refusal> {
        self.answer("check")
    }

    fn stage(&self) -> Result<(), Refusal> {
        self.answer("stage")
    }

    fn apply(&self) -> Result<(), Refusal> {
        self.answer("apply")
    }

    fn rollback(&self) -> Result<(), Refusal> {
        self.answer("rollback")
    }

    fn retry(&self) -> Result<(), Refusal> {
        self.answer("retry")
    }

    #[zbus(property)]
    fn state(&self) -> String {
        let works = self.works.load(Ordering::SeqCst);
        if works == 0 {
            return self.state.to_string();
        }
        self.works.store(works - 1, Ordering::SeqCst);
        let mut state = self.state.clone();
        state["busy"] = json!(true);
        state["state"] = json!({"name": "checking"});
        state.to_string()
    }

    #[zbus(property)]
    fn progress(&self) -> (u64, u64) {
        (0, 0)
    }
}

async fn stand_in(state: Value, refusal: Option<Refusal>) -> (Bus, Connection) {
    stand_in_at_work(state, refusal, 0).await
}

async fn stand_in_at_work(state: Value, refusal: Option<Refusal>, works: u32) -> (Bus, Connection) {
    let bus = Bus::start();
    let stand_in = StandIn {
        state,
        works: works.into(),
        asked: Asked::default(),
        refusal,
    };
    let connection = stand_in_on(&bus, stand_in).await;
    (bus, connection)
}

async fn stand_in_on(bus: &Bus, stand_in: StandIn) -> Connection {
    let connection = bus.connect().await;
    let server = connection.object_server();
    server.at(PATH, stand_in).await.unwrap();
    connection.request_name(NAME).await.unwrap();
    connection
}

/// Release 1 runs, release 2 is in this state.
fn document(state: &Value) -> Value {
    json!({
        "schema": 1, "running": "1", "health": null, "busy": false, "goal": "arm", "state": state,
        "entries": [{"version": "1", "tries": null}, {"version": "2", "tries": {"left": 3, "done": 0}}],
        "decision": {"version": "2", "reason": "2 is the newest release that this node may take",
                     "verdicts": ["2 is the newest release that this node may take", "1 runs already"]},
        "decided": {"release": "1", "at": 1_796_139_611_999_u64},
        "update": null, "refused": [], "history": [],
    })
}

#[tokio::test]
async fn what_leads_to_an_armed_release() {
    let state = document(&json!({"name": "armed", "version": "2"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "Decision  2 is the newest release that this node may take\n";
    assert_eq!(typed(&bus, "check").await, said(0, text, ""));
    let verdicts =
        "  Release 2 is the newest release that this node may take\n  Release 1 runs already\n";
    let explained = format!("{text}{verdicts}");
    let check = typed(&bus, "check --explain").await;
    assert_eq!(check, said(0, &explained, ""));
    let text = "rebooting into 2\n";
    assert_eq!(typed(&bus, "apply").await, said(0, text, ""));
    let text = "\
Running   1
State     2 is armed: the next reboot takes it
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    assert_eq!(typed(&bus, "stage").await, said(0, text, ""));
    for line in JSON.iter().chain(&["status --json"]) {
        let json = format!("{state}\n");
        assert_eq!(typed(&bus, line).await, said(0, &json, ""), "{line}");
    }
}

#[tokio::test]
async fn a_retry_shows_what_came_of_it() {
    let state = document(&json!({"name": "available", "version": "2"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "\
Running   1
State     2 is available
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    assert_eq!(typed(&bus, "retry").await, said(0, text, ""));
    let json = format!("{state}\n");
    assert_eq!(typed(&bus, "retry --json").await, said(0, &json, ""));
}

#[tokio::test]
async fn a_reboot_that_waits_is_told_and_says_who_must_act() {
    let codes = [
        ("operator", 3),
        ("environment", 4),
        ("server", 5),
        ("bug", 1),
    ];
    for (who, code) in codes {
        let waiting =
            json!({"name": "waiting", "version": "2", "since": 0, "reason": "why", "who": who});
        let state = document(&waiting);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let told = "aclctl: the machine is not rebooted into 2 before the repository says that it\n        \
                    may be: why\n";
        assert_eq!(typed(&bus, "apply").await, said(code, "", told), "{who}");
        let json = format!("{state}\n");
        assert_eq!(typed(&bus, "apply --json").await, said(code, &json, told));
        assert_eq!(typed(&bus, "status --json").await, said(0, &json, ""));
        let (code, out, err) = typed(&bus, "status").await;
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let shown = out.lines().skip(1).take(2).collect::<Vec<_>>().join(" ");
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = format!(
            "State waiting with the reboot into 2 for the repository ({who} must act): why"
        );
        assert!(shown.starts_with(&expected), "{out}");
    }
}

#[tokio::test]
async fn a_disarmed_release_is_told() {
    let state = document(&json!({"name": "disarmed", "version": "2", "reason": "why"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "\
Running   1
State     2 was disarmed and is not booted, because why
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    let json = format!("{state}\n");
    for verb in ["status", "stage", "apply"] {
        assert_eq!(typed(&bus, verb).await, said(0, text, ""), "{verb}");
    }
    for line in ["status --json", "apply --json"] {
        assert_eq!(typed(&bus, line).await, said(0, &json, ""), "{line}");
    }
}

#[tokio::test]
async fn each_verb_asks_for_what_it_says() {
    let bus = Bus::start();
    let asked = Asked::default();
    let stand_in = StandIn {
        state: document(&json!({"name": "idle"})),
        works: 0.into(),
        asked: asked.clone(),
        refusal: None,
    };
    let _agent = stand_in_on(&bus, stand_in).await;
    for verb in VERBS {
        let (code, ..) = typed(&bus, verb).await;
        assert_eq!(code, Some(0), "{verb}");
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [verb]);
    }
    let (code, ..) = typed(&bus, "status").await;
    assert_eq!(code, Some(0));
    assert_eq!(*asked.lock().unwrap(), [""; 0]);
}

/// What comes of it is told, and not what is under way.
#[tokio::test]
async fn a_verb_waits_until_the_work_has_ended() {
    let state = document(&json!({"name": "armed", "version": "2"}));
    for (line, text) in [
        ("apply", "rebooting into 2\n".to_owned()),
        ("stage --json", format!("{state}\n")),
    ] {
        let (bus, _agent) = stand_in_at_work(state.clone(), None, 2).await;
        assert_eq!(typed(&bus, line).await, said(0, &text, ""), "{line}");
    }
    // `status` tells what is now.
    let (bus, _agent) = stand_in_at_work(state, None, 1).await;
    let (_, out, _) = typed(&bus, "status").await;
    assert!(out.contains("State     checking\n"), "{out}");
}

#[tokio::test]
async fn the_exit_code_says_who_must_act() {
    let state = document(&json!({"name": "idle"}));
    let table = [
        (Refusal::Operator("why".into()), 3),
        (Refusal::Environment("why".into()), 4),
        (Refusal::Server("why".into()), 5),
        (Refusal::Bug("why".into()), 1),
    ];
    for (refusal, code) in table {
        let (bus, _agent) = stand_in(state.clone(), Some(refusal)).await;
        let said = said(code, "", "aclctl: why\n");
        for line in VERBS {
            assert_eq!(typed(&bus, line).await, said, "{line}");
        }
        // Nothing was begun of which a document could tell.
        assert_eq!(typed(&bus, "check --json").await, said);
    }
    for (who, code) in [
        ("operator", 3),
        ("environment", 4),
        ("server", 5),
        ("bug", 1),
    ] {
        let failed = json!({"name": "failed", "reason": "why", "who": who});
        let state = document(&failed);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let expected = said(code, "", "aclctl: why\n");
        for line in VERBS {
            assert_eq!(typed(&bus, line).await, expected, "{line}, {who}");
        }
        // The document, also of what failed.
        let expected = said(code, &format!("{state}\n"), "aclctl: why\n");
        for line in JSON {
            assert_eq!(typed(&bus, line).await, expected, "{line}, {who}");
        }
        // To be shown it is no failure.
        let (code, out, err) = typed(&bus, "status").await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{who}");
        let told = format!("State     failed ({who} must act): why\n");
        assert!(out.contains(&told), "{out}");
    }
}

#[tokio::test]
async fn what_the_bus_itself_refuses() {
    let bus = Bus::start_with("<deny send_interface=\"org.acl.Updater1\"/>");
    let state = document(&json!({"name": "idle"}));
    let stand_in = StandIn {
        state,
        works: 0.into(),
        asked: Asked::default(),
        refusal: None,
    };
    let _agent = stand_in_on(&bus, stand_in).await;
    for line in VERBS {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, out.as_str()), (Some(3), ""), "{line}");
        let start = "aclctl: the bus does not let you ask the agent: ";
        assert!(err.starts_with(start), "{line}: {err}");
    }
    let (code, ..) = typed(&bus, "status").await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn an_error_that_this_program_does_not_know() {
    let state = document(&json!({"name": "idle"}));
    let (bus, _agent) = stand_in(state, Some(Refusal::Unknown("what".into()))).await;
    for line in VERBS {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, out.as_str()), (Some(4), ""), "{line}");
        let told = err.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected =
            "aclctl: cannot talk to the update agent: org.acl.Updater1.Error.Unknown: what";
        assert_eq!(told, expected, "{line}");
    }
}

/// Release 1 runs, and this is wrong with the newer ones.
fn at_fault(who: &str) -> Value {
    let mut state = document(&json!({"name": "committed", "from": "0", "to": "1"}));
    state["entries"] = json!([{"version": "1", "tries": null}]);
    state["decision"] = json!({
        "version": null, "reason": "3 is passed over: it is damaged", "at_fault": who,
        "verdicts": ["3 is passed over: it is damaged", "2 is paused by its publisher", "1 runs already"],
    });
    let unfit = json!({"version": "3", "manifest": "7", "reason": "it is damaged", "who": who});
    state["unfit"] = json!([unfit]);
    state
}

#[tokio::test]
async fn nothing_to_take_because_of_a_damaged_release_is_a_failure() {
    for (who, code) in [("server", 5), ("environment", 4)] {
        let state = at_fault(who);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let told = "aclctl: 3 is passed over: it is damaged\n";
        for line in ["check", "stage", "apply", "retry"] {
            assert_eq!(typed(&bus, line).await, said(code, "", told), "{line}");
        }
        let explained = "\
Decision  3 is passed over: it is damaged
  Release 3 is passed over: it is damaged
  Release 2 is paused by its publisher
  Release 1 runs already
";
        let check = typed(&bus, "check --explain").await;
        assert_eq!(check, said(code, explained, told));
        let expected = said(code, &format!("{state}\n"), told);
        for line in JSON.iter().chain(&["check --json --explain"]) {
            if !line.starts_with("rollback") {
                assert_eq!(typed(&bus, line).await, expected, "{line}");
            }
        }
        let text = "\
Running   1
State     1 is committed; it came after 0
Decision  3 is passed over: it is damaged
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good)
Unfit     3: it is damaged
";
        assert_eq!(typed(&bus, "status").await, said(0, text, ""));
        // It asks for no release.
        let (code, ..) = typed(&bus, "rollback").await;
        assert_eq!(code, Some(0));
    }
}

#[tokio::test]
async fn while_another_release_is_there_a_damaged_one_is_only_told() {
    let mut state = document(&json!({"name": "armed", "version": "2"}));
    state["unfit"] = at_fault("server")["unfit"].clone();
    let (bus, _agent) = stand_in(state.clone(), None).await;
    for line in ["stage", "retry", "status"] {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
        assert!(
            out.ends_with("Unfit     3: it is damaged\n"),
            "{line}: {out}"
        );
    }
    for line in ["check", "apply"] {
        let (code, _, err) = typed(&bus, line).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
    }
}

/// A document of an agent that knows neither `decided` nor `unfit` nor `at_fault`.
#[tokio::test]
async fn an_older_agent_is_understood() {
    let mut state = document(&json!({"name": "idle"}));
    state.as_object_mut().unwrap().remove("decided");
    let (bus, _agent) = stand_in(state, None).await;
    let text = "\
Running   1
State     idle
Decision  2 is the newest release that this node may take
Boots     1 (good), 2 (3 tries left)
";
    for line in ["status", "retry"] {
        assert_eq!(typed(&bus, line).await, said(0, text, ""), "{line}");
    }
}

#[tokio::test]
async fn going_back_in_words_and_as_json() {
    let state = document(&json!({"name": "going-back", "from": "1", "to": "0"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "rebooting into 0\n";
    assert_eq!(typed(&bus, "rollback").await, said(0, text, ""));
    let json = format!("{state}\n");
    assert_eq!(typed(&bus, "rollback --json").await, said(0, &json, ""));
}

#[tokio::test]
async fn a_document_that_cannot_be_understood_is_a_bug() {
    let (bus, _agent) = stand_in(json!({"schema": 1}), None).await;
    let (code, out, err) = typed(&bus, "status").await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.starts_with("aclctl: the agent says what this program does not understand;"),
        "{err}"
    );
}

/// As `aclctl status | head` has it, once `head` has ended.
#[tokio::test]
async fn a_reader_that_has_gone_is_no_error() {
    let state = document(&json!({"name": "idle"}));
    let (bus, _agent) = stand_in(state, None).await;
    let address = bus.address.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        command(&address, "status").stdout(writer).run()
    });
    assert_eq!(ran.await.unwrap().unwrap(), b"");
}
