//! Reports to the wire server.

use acl_host::error::chain;
use acl_provision::platform::azure::wire::health::{self, DESCRIPTION, GoalState, Health};
use acl_provision::platform::{Machine, Outcome, Platform};
use tempfile::TempDir;

use super::fake::{Asked, Fake, Reply, ok, patient};
use crate::platform::{machine, write};

const VERSIONS: &str = "GET /?comp=versions";
const GOAL_STATE: &str = "GET /machine/?comp=goalstate";
const HEALTH: &str = "POST /machine/?comp=health";
const NEWER: &str = "POST /provisioning/health";

fn versions(supported: &[&str]) -> String {
    let supported: String = supported
        .iter()
        .map(|version| format!("    <Version>{version}</Version>\n"))
        .collect();
    format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Versions>\n  <Preferred>\n    \
         <Version>2015-04-05</Version>\n  </Preferred>\n  <Supported>\n{supported}  </Supported>\n</Versions>"
    )
}

fn goal_state(incarnation: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="goalstate10.xsd">
  <Version>2012-11-30</Version>
  <Incarnation>{incarnation}</Incarnation>
  <Machine>
    <ExpectedState>Started</ExpectedState>
    <LBProbePorts><Port>16001</Port></LBProbePorts>
    <ExpectHealthReport>FALSE</ExpectHealthReport>
  </Machine>
  <Container>
    <ContainerId>a511aa6d-29e7-4f53-8788-55655dfe848f</ContainerId>
    <RoleInstanceList>
      <RoleInstance>
        <InstanceId>f6cd1d7e.lars&amp;test-1</InstanceId>
        <State>Started</State>
        <Configuration>
          <SharedConfig>http://100.115.176.3:80/machine/a?comp=config&amp;type=sharedConfig</SharedConfig>
        </Configuration>
      </RoleInstance>
      <RoleInstance><InstanceId>another</InstanceId></RoleInstance>
    </RoleInstanceList>
  </Container>
</GoalState>
"#
    )
}

/// A wire server that does all right, except for what `lie` says.
async fn wire(lie: impl Fn(&str, usize) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    Fake::new(move |line, before| {
        lie(line, before).unwrap_or_else(|| match line {
            VERSIONS => ok(versions(&["2015-04-05", "2012-11-30", "2011-12-31"])),
            GOAL_STATE => ok(goal_state("42")),
            HEALTH => ok(""),
            NEWER => Reply::Text(201, String::new()),
            _ => Reply::Text(404, String::new()),
        })
    })
    .await
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed {
        reason: reason.to_owned(),
    }
}

/// Reports with as much patience as the script needs, or with none; the server's address is written `WIRE`.
async fn report(fake: &Fake, is_patient: bool, outcome: &Outcome) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    let machine = machine(dir.path());
    let machine = if is_patient {
        patient(machine)
    } else {
        machine
    };
    let machine = Machine {
        wire_server: Some(fake.base.clone()),
        ..machine
    };
    let reported = Platform::Azure.report(&machine, outcome).await;
    reported.map_err(|error| chain(&error).replace(fake.base.as_str(), "WIRE/"))
}

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

const READY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <Health xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
    <GoalStateIncarnation>42</GoalStateIncarnation>\
    <Container><ContainerId>a511aa6d-29e7-4f53-8788-55655dfe848f</ContainerId>\
    <RoleInstanceList><Role><InstanceId>f6cd1d7e.lars&amp;test-1</InstanceId>\
    <Health><State>Ready</State></Health>\
    </Role></RoleInstanceList></Container></Health>\n";

#[tokio::test]
async fn ready() {
    let fake = wire(|_, _| None).await;
    assert_eq!(report(&fake, false, &Outcome::Ready).await, Ok(()));
    assert_eq!(fake.lines(), [VERSIONS, GOAL_STATE, HEALTH]);
    for asked in fake.asked() {
        assert_eq!(header(&asked, "x-ms-version"), "2012-11-30", "{asked:?}");
        assert_eq!(header(&asked, "x-ms-agent-name"), "acl-provision");
    }
    let posted = &fake.asked()[2];
    assert_eq!(header(posted, "content-type"), "text/xml; charset=utf-8");
    assert_eq!(posted.body, READY);
}

#[tokio::test]
async fn not_ready() {
    let fake = wire(|_, _| None).await;
    let reason = failed("storage.files.0: <b> & \"c\"\n\tsays 'no'");
    assert_eq!(report(&fake, false, &reason).await, Ok(()));
    let expected = READY.replace(
        "<State>Ready</State>",
        "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus><Description>storage.files.0: \
         &lt;b&gt; &amp; &quot;c&quot; says &apos;no&apos;</Description></Details>",
    );
    assert_eq!(fake.asked()[2].body, expected);
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    for status in [429, 500, 503] {
        let fake = wire(move |_, before| {
            (before == 0).then_some(match status {
                429 => Reply::Later(429, 1),
                status => Reply::Text(status, String::new()),
            })
        })
        .await;
        assert_eq!(
            report(&fake, true, &Outcome::Ready).await,
            Ok(()),
            "{status}"
        );
        assert_eq!(
            fake.lines(),
            [VERSIONS, VERSIONS, GOAL_STATE, GOAL_STATE, HEALTH, HEALTH],
            "{status}"
        );
        assert_eq!(fake.asked()[5].body, READY);
    }
}

#[tokio::test]
async fn nonsense_and_broken_connections_are_asked_again() {
    for bad in [
        ok("<html>"),
        ok("garbage"),
        ok(""),
        Reply::Cut("<GoalState>".into()),
    ] {
        let reply = bad.clone();
        let fake =
            wire(move |line, before| (line == GOAL_STATE && before < 3).then(|| reply.clone()))
                .await;
        assert_eq!(
            report(&fake, true, &Outcome::Ready).await,
            Ok(()),
            "{bad:?}"
        );
        assert_eq!(fake.lines().len(), 6, "{bad:?}");
    }
}

#[tokio::test]
async fn a_goal_state_that_is_out_of_date_is_fetched_anew() {
    let fake = wire(|line, before| match (line, before) {
        (GOAL_STATE, before) => Some(ok(goal_state(&(42 + before).to_string()))),
        (HEALTH, 0 | 1) => Some(Reply::Text(410, String::new())),
        _ => None,
    })
    .await;
    assert_eq!(report(&fake, false, &Outcome::Ready).await, Ok(()));
    assert_eq!(
        fake.lines(),
        [
            VERSIONS, GOAL_STATE, HEALTH, GOAL_STATE, HEALTH, GOAL_STATE, HEALTH
        ]
    );
    let posted = |number: usize| fake.asked()[number].body.clone();
    assert_eq!(posted(2), READY);
    assert_eq!(posted(6), READY.replace(">42<", ">44<"));
}

#[tokio::test]
async fn the_newer_way_when_the_classic_one_is_declined() {
    let no_goal_state = "<GoalState><Incarnation>1</Incarnation></GoalState>";
    let cases: Vec<(&str, Vec<Reply>, &[&str])> = vec![
        (VERSIONS, vec![ok(versions(&["2015-04-05"]))], &[VERSIONS]),
        (VERSIONS, vec![Reply::Text(404, String::new())], &[VERSIONS]),
        (VERSIONS, vec![ok("no XML")], &[VERSIONS]),
        (
            GOAL_STATE,
            vec![Reply::Text(403, String::new())],
            &[VERSIONS, GOAL_STATE],
        ),
        (GOAL_STATE, vec![ok(no_goal_state)], &[VERSIONS, GOAL_STATE]),
        (
            HEALTH,
            vec![Reply::Text(400, String::new())],
            &[VERSIONS, GOAL_STATE, HEALTH],
        ),
    ];
    for (at, replies, asked) in cases {
        let lie = replies[0].clone();
        let fake = wire(move |line, _| (line == at).then(|| lie.clone())).await;
        assert_eq!(
            report(&fake, false, &Outcome::Ready).await,
            Ok(()),
            "{at} {replies:?}"
        );
        assert_eq!(fake.lines(), [asked, &[NEWER]].concat(), "{at} {replies:?}");
        let posted = fake.asked().pop().unwrap();
        assert_eq!(posted.body, "{\"state\":\"Ready\"}");
        assert_eq!(header(&posted, "content-type"), "application/json");
        assert_eq!(header(&posted, "x-ms-guest-agent-name"), "acl-provision");
    }
}

#[tokio::test]
async fn not_ready_the_newer_way() {
    let fake = wire(|line, _| (line == VERSIONS).then(|| Reply::Text(404, String::new()))).await;
    let reason = failed("line \"1\"\nline\u{0} 2 \\");
    assert_eq!(report(&fake, false, &reason).await, Ok(()));
    let body: serde_json::Value = serde_json::from_str(&fake.asked()[1].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "state": "NotReady",
            "details": {"subStatus": "ProvisioningFailed", "description": "line \"1\" line 2 \\"},
        })
    );
}

#[tokio::test]
async fn a_server_that_is_not_well_is_not_asked_the_newer_way() {
    let fake = wire(|_, _| Some(Reply::Text(500, String::new()))).await;
    assert_eq!(
        report(&fake, false, &Outcome::Ready).await,
        Err("WIRE/?comp=versions answers 500 Internal Server Error".to_owned())
    );
    assert_eq!(fake.lines(), [VERSIONS]);
}

#[tokio::test]
async fn when_both_ways_are_refused_the_last_refusal_is_told() {
    let fake = wire(|_, _| Some(Reply::Text(403, String::new()))).await;
    assert_eq!(
        report(&fake, false, &Outcome::Ready).await,
        Err("WIRE/provisioning/health answers 403 Forbidden".to_owned())
    );
    assert_eq!(fake.lines(), [VERSIONS, NEWER]);
}

#[tokio::test]
async fn the_address_comes_from_the_lease() {
    let dir = TempDir::new().unwrap();
    // 127.0.0.9, port 80: nobody is there, and the error says where it was looked for.
    write(
        dir.path().join("run/systemd/netif/leases/2"),
        "OPTION_245=7f000009\n",
    );
    let machine = Machine {
        wire_server: None,
        ..machine(dir.path())
    };
    let error = Platform::Azure
        .report(&machine, &Outcome::Ready)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot reach http://127.0.0.9/?comp=versions; check the machine's network and what filters it"
    );
}

#[test]
fn goal_states() {
    let good = Ok(GoalState {
        incarnation: "7".to_owned(),
        container: "a511aa6d-29e7-4f53-8788-55655dfe848f".to_owned(),
        instance: "f6cd1d7e.lars&test-1".to_owned(),
    });
    let without = |what: &str| goal_state("7").replace(what, "Nothing");
    let wrong = |what: &str| Err(format!("it has no {what}"));
    let cases = [
        (goal_state("7"), good.clone()),
        (format!("\u{feff}{}", goal_state(" 7\n")), good),
        (goal_state(""), wrong("Incarnation")),
        (without("Incarnation"), wrong("Incarnation")),
        (without("ContainerId"), wrong("Container/ContainerId")),
        (
            without("RoleInstanceList"),
            wrong("Container/RoleInstanceList/RoleInstance/InstanceId"),
        ),
        (
            without("InstanceId"),
            wrong("Container/RoleInstanceList/RoleInstance/InstanceId"),
        ),
        ("<GoalState/>".to_owned(), wrong("Incarnation")),
        (String::new(), wrong("element")),
    ];
    for (document, expected) in cases {
        assert_eq!(
            GoalState::parse(document.as_bytes()),
            expected,
            "{document}"
        );
    }
}

#[test]
fn offered_versions() {
    let some = |versions: &[&str]| {
        Ok(versions
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>())
    };
    let cases = [
        (
            versions(&["2012-11-30", "2011-12-31"]),
            some(&["2012-11-30", "2011-12-31"]),
        ),
        (versions(&[]), some(&[])),
        (
            "<Versions><Preferred><Version>2012-11-30</Version></Preferred></Versions>".to_owned(),
            Err("it has no Supported".to_owned()),
        ),
        (
            "<Versions".to_owned(),
            Err(
                "syntax error: tag not closed: `>` not found before end of input (at byte 9)"
                    .to_owned(),
            ),
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(
            health::parse_versions(document.as_bytes()),
            expected,
            "{document}"
        );
    }
}

/// The description that arrives, by both ways.
fn description(reason: &str) -> String {
    let health = Health::new(&failed(reason));
    let json: serde_json::Value = serde_json::from_str(&health.to_json()).unwrap();
    let description = json["details"]["description"].as_str().unwrap().to_owned();
    let state = GoalState {
        incarnation: "1".to_owned(),
        container: "c".to_owned(),
        instance: "i".to_owned(),
    };
    let xml = health.to_xml(&state);
    let (_, rest) = xml.split_once("<Description>").unwrap();
    let (escaped, _) = rest.split_once("</Description>").unwrap();
    assert_eq!(quick_xml::escape::unescape(escaped).unwrap(), description);
    description
}

#[test]
fn descriptions_are_cut_and_cleaned() {
    let limit = DESCRIPTION;
    let cases = [
        (String::new(), String::new()),
        ("plain".to_owned(), "plain".to_owned()),
        (
            "a\r\nb\u{1b}[31mc\u{7f}\u{85}d".to_owned(),
            "a b [31mc d".to_owned(),
        ),
        ("\u{fffe}x\u{ffff}".to_owned(), "x".to_owned()),
        (
            "]]></Description><State>Ready</State>".to_owned(),
            "]]></Description><State>Ready</State>".to_owned(),
        ),
        ("é".repeat(limit), "é".repeat(limit)),
        ("é".repeat(limit + 1), format!("{}…", "é".repeat(limit - 1))),
        ("😀".repeat(2000), format!("{}…", "😀".repeat(limit - 1))),
        ("&".repeat(limit), "&".repeat(limit)),
        (" \n".repeat(1000), String::new()),
    ];
    for (reason, expected) in cases {
        let description = description(&reason);
        assert_eq!(description, expected);
        assert!(description.chars().count() <= 512);
    }
}
