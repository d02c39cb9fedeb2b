//! Configs that name configs.

use acl_provision::config::resolve::{Fetched, Resolved, resolve};
use acl_provision::config::spec::Config;
use acl_provision::{Error, Result};
use serde_json::{Value, json};

use crate::fetch::server::{Reply, Server, ok, reply};
use crate::fetch::{fetcher, sha512};

/// Parses, and knows no warnings. The place is told by what it cannot read.
fn parse(bytes: &[u8], place: &str) -> Result<Config> {
    serde_json::from_slice(bytes).map_err(|error| Error::SourceAddress {
        url: format!("parsing {place}"),
        problem: error.to_string(),
    })
}

/// A config that makes a user, so that one sees that it was taken in.
fn user(name: &str, ignition: Value) -> Value {
    let mut config = json!({
        "ignition": {"version": "3.6.0"},
        "passwd": {"users": [{"name": name}]},
    });
    let whole = config["ignition"].as_object_mut().unwrap();
    whole.extend(ignition.as_object().unwrap().clone());
    config
}

async fn resolved(config: Value) -> Result<Resolved> {
    let config = serde_json::from_value(config).unwrap();
    // Configs take the limit away that the fetcher starts with.
    let limit = std::time::Duration::from_secs(60);
    let fetcher = fetcher();
    let resolving = resolve(config, "user.ign", &fetcher, &parse);
    tokio::time::timeout(limit, resolving).await.unwrap()
}

fn users(resolved: &Resolved) -> Vec<&str> {
    let users = resolved.config.passwd.as_ref().unwrap().users.as_ref();
    users
        .unwrap()
        .iter()
        .map(|user| user.name.as_str())
        .collect()
}

fn error(resolved: Result<Resolved>) -> String {
    acl_host::error::chain(&resolved.unwrap_err())
}

fn merging(names: &[&str], base: &str) -> Value {
    let sources: Vec<Value> = names
        .iter()
        .map(|name| json!({"source": format!("{base}{name}")}))
        .collect();
    json!({"config": {"merge": sources}})
}

fn data(config: &Value) -> String {
    let escaped: String = config
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    format!("data:,{escaped}")
}

/// A tree: every path is a config that merges those that its name lists. `/a(b,c)` would be too clever; a table is not.
fn tree(base: &str, path: &str) -> Option<Value> {
    let merge = |names: &[&str]| user(&path[1..], merging(names, base));
    Some(match path {
        "/a" => merge(&["/a1", "/a2"]),
        "/a1" => merge(&["/leaf"]),
        "/b" => user(
            "b",
            json!({"config": {"replace": {"source": format!("{base}/new")}, "merge": [{"source": format!("{base}/never")}]}}),
        ),
        "/new" => merge(&["/leaf"]),
        "/a2" | "/leaf" | "/c" => merge(&[]),
        _ => return None,
    })
}

async fn tree_server() -> Server {
    Server::new(|asked| {
        let base = format!("http://{}", asked.header("host").unwrap());
        match tree(&base, &asked.target) {
            Some(config) => ok(config.to_string()),
            None => reply(404, "", b""),
        }
    })
    .await
}

#[tokio::test]
async fn children_are_resolved_first_and_merged_in_order() {
    let server = tree_server().await;
    let base = server.url("");
    let mut config = user("root", merging(&["/a", "/b", "/c"], &base));
    let child = user("data", json!({}));
    config["ignition"]["config"]["merge"]
        .as_array_mut()
        .unwrap()
        .push(json!({"source": data(&child)}));
    let found = resolved(config).await.unwrap();
    assert_eq!(
        users(&found),
        ["root", "a", "a1", "leaf", "a2", "new", "c", "data"]
    );
    assert_eq!(found.config.ignition.config, None);
    let paths = ["/a", "/a1", "/leaf", "/a2", "/b", "/new", "/leaf", "/c"];
    assert_eq!(server.paths(), paths);
    let mut expected: Vec<Fetched> = paths
        .iter()
        .map(|path| Fetched {
            url: server.url(path),
            sha512: sha512(tree(&base, path).unwrap().to_string().as_bytes())[7..].to_owned(),
        })
        .collect();
    expected.push(Fetched {
        url: format!("data:,… ({} characters)", data(&child).len()),
        sha512: sha512(child.to_string().as_bytes())[7..].to_owned(),
    });
    assert_eq!(found.fetched, expected);
    let accepted: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| asked.header("accept").unwrap().to_owned())
        .collect();
    assert_eq!(
        accepted,
        ["application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1"; 8]
    );
}

#[tokio::test]
async fn a_config_without_references_stays_as_it_is() {
    let config: Config =
        serde_json::from_value(user("root", json!({"timeouts": {"httpTotal": 3}}))).unwrap();
    let found = resolve(config.clone(), "user.ign", &fetcher(), &parse)
        .await
        .unwrap();
    assert_eq!((found.config, found.fetched), (config, Vec::new()));
}

#[tokio::test]
async fn what_is_replaced_leaves_nothing() {
    let server = tree_server().await;
    // An entry without a source does not replace.
    let config = user("root", json!({"config": {"replace": {"source": null}}}));
    assert_eq!(users(&resolved(config).await.unwrap()), ["root"]);
    let config = user(
        "root",
        json!({
            "timeouts": {"httpTotal": 30},
            "config": {"replace": {"source": server.url("/b")}, "merge": [{"source": server.url("/never")}]},
        }),
    );
    let found = resolved(config).await.unwrap();
    assert_eq!(users(&found), ["new", "leaf"]);
    assert_eq!(found.config.ignition.timeouts, None);
    assert_eq!(server.paths(), ["/b", "/new", "/leaf"]);
}

#[tokio::test]
async fn wrong_ones_are_told_with_the_way_to_them() {
    let server = Server::new(|asked| {
        let base = format!("http://{}", asked.header("host").unwrap());
        match asked.target.as_str() {
            "/deep" => ok(user("deep", merging(&["/missing"], &base)).to_string()),
            "/garbage" => ok("garbage"),
            "/ca" => ok(user(
                "ca",
                json!({"security": {"tls": {"certificateAuthorities": [{"source": "data:,no"}]}}}),
            )
            .to_string()),
            "/good" => ok(user("good", json!({})).to_string()),
            _ => reply(404, "", b""),
        }
    })
    .await;
    let base = server.url("");
    let good = user("good", json!({})).to_string();
    let wrong = sha512(b"other");
    let one = |name: &str| user("root", merging(&[name], &base));
    let verified = |hash: &str| {
        let mut config = one("/good");
        config["ignition"]["config"]["merge"][0]["verification"] = json!({"hash": hash});
        config
    };
    resolved(verified(&sha512(good.as_bytes()))).await.unwrap();
    for (config, expected) in [
        (
            user("root", merging(&["/good", "/deep"], &base)),
            format!("cannot include the config at ignition.config.merge.0 ({base}/missing), which user.ign → ignition.config.merge.1 ({base}/deep) names: the server answers 404 Not Found for {base}/missing"),
        ),
        (
            verified(&wrong),
            format!("cannot include the config at ignition.config.merge.0 ({base}/good), which user.ign names: {base}/good is not what the config expects: its SHA-512 is {}, not {}; correct the hash in the config, or the contents", &sha512(good.as_bytes())[7..], &wrong[7..]),
        ),
        (
            user("root", json!({"config": {"replace": {"source": format!("{base}/garbage")}}})),
            format!("cannot include the config at ignition.config.replace ({base}/garbage), which user.ign names: cannot fetch parsing ignition.config.replace ({base}/garbage): it is not an address: expected value at line 1 column 1"),
        ),
        (
            one("/ca"),
            format!("cannot include the config at ignition.config.merge.0 ({base}/ca), which user.ign names: cannot use the certificate authority that ignition.security.tls.certificateAuthorities.0 names: cannot use the certificate authorities in data:,… (8 characters): there is no certificate in PEM format"),
        ),
        (
            user("root", json!({"config": {"merge": [{"source": "data:,x"}]}})),
            "cannot include the config at ignition.config.merge.0 (data:,… (7 characters)), which user.ign names: cannot fetch parsing ignition.config.merge.0 (data:,… (7 characters)): it is not an address: expected value at line 1 column 1".to_owned(),
        ),
        (
            user("root", json!({"config": {"merge": [{"source": "s3://a/b"}]}})),
            "cannot include the config at ignition.config.merge.0 (s3://a/b), which user.ign names: cannot fetch s3://a/b: its scheme s3 is not supported; use https, http, data or file".to_owned(),
        ),
        (
            user("root", json!({"config": {"merge": [{"source": null}]}})),
            "user.ign → ignition.config.merge.0 () names no source; give one, or leave it out".to_owned(),
        ),
    ] {
        assert_eq!(error(resolved(config).await), expected);
    }
}

#[tokio::test]
async fn circles_and_depths_have_an_end() {
    let server = Server::new(|asked| {
        let base = format!("http://{}", asked.header("host").unwrap());
        let name = &asked.target[1..];
        let next = match name.split_once('-') {
            Some(("down", number)) => {
                let number: u32 = number.parse().unwrap();
                if number == 0 {
                    json!({})
                } else {
                    merging(&[&format!("/down-{}", number - 1)], &base)
                }
            }
            _ if name == "one" => merging(&["/two"], &base),
            _ if name == "two" => json!({"config": {"replace": {"source": format!("{base}/one")}}}),
            _ => json!({}),
        };
        ok(user(name, next).to_string())
    })
    .await;
    let base = server.url("");
    let root = |names: &[&str]| user("root", merging(names, &base));
    assert_eq!(
        error(resolved(root(&["/one"])).await),
        format!(
            "configs name each other in a circle: user.ign → ignition.config.merge.0 ({base}/one) → ignition.config.merge.0 ({base}/two) → ignition.config.replace ({base}/one); take one of the references out"
        )
    );
    assert_eq!(
        resolved(root(&["/down-15"])).await.unwrap().fetched.len(),
        16
    );
    let steps: Vec<String> = (0..=16)
        .rev()
        .map(|n| format!(" → ignition.config.merge.0 ({base}/down-{n})"))
        .collect();
    assert_eq!(
        error(resolved(root(&["/down-16"])).await),
        format!(
            "configs name each other over more than 16 steps: user.ign{}; merge some of them",
            steps.concat()
        )
    );
    assert_eq!(
        resolved(root(&["/leaf"; 64])).await.unwrap().fetched.len(),
        64
    );
    assert_eq!(
        error(resolved(root(&["/leaf"; 65])).await),
        format!(
            "more than 64 configs are named, the last by user.ign → ignition.config.merge.64 ({base}/leaf); merge some of them"
        )
    );
}

/// Serves `configs` through itself as a proxy, and nothing to who asks it directly.
async fn proxy(configs: fn(&str) -> Option<Value>) -> Server {
    Server::new(move |asked| match configs(&asked.target) {
        Some(config) => ok(config.to_string()),
        None => Reply::clone(&reply(403, "", b"")),
    })
    .await
}

#[tokio::test]
async fn settings_of_what_leads_there_apply() {
    let proxy = proxy(|target| {
        Some(match target.strip_prefix("http://far.example")? {
            "/a" => user("a", json!({"config": {"merge": [{"source": "http://far.example/a1"}]}})),
            "/a1" => user("a1", json!({"timeouts": {"httpTotal": 40}, "config": {"merge": [{"source": "http://far.example/a2"}]}})),
            "/r" => user("r", json!({"config": {"merge": [{"source": "http://far.example/a2"}]}})),
            path => user(&path[1..], json!({})),
        })
    })
    .await;
    let through = json!({"httpProxy": proxy.url("")});
    let merge = json!([{"source": "http://far.example/a"}, {"source": "http://far.example/b"}]);
    // The proxy is the root's, three configs deep, and for what follows.
    let config = user(
        "root",
        json!({"proxy": through, "config": {"merge": merge}}),
    );
    let found = resolved(config).await.unwrap();
    assert_eq!(users(&found), ["root", "a", "a1", "a2", "b"]);
    // A child's proxy is its own, and that of the ones that come after it.
    let child = user("child", json!({"proxy": through}));
    let merge = json!([{"source": data(&child)}, {"source": "http://far.example/b"}]);
    let config = user("root", json!({"config": {"merge": merge}}));
    let found = resolved(config).await.unwrap();
    assert_eq!(users(&found), ["root", "child", "b"]);
    // A replaced config's settings go with it.
    let before = proxy.asked().len();
    let other = Server::new(|_| reply(403, "", b"")).await;
    let replaced = user(
        "r",
        json!({"proxy": {"httpProxy": other.url("")}, "config": {"merge": [{"source": "http://far.example/a2"}]}}),
    );
    let config = user(
        "root",
        json!({"proxy": through, "config": {"replace": {"source": data(&replaced)}}}),
    );
    assert_eq!(
        error(resolved(config).await),
        format!(
            "cannot include the config at ignition.config.merge.0 (http://far.example/a2), which user.ign → ignition.config.replace (data:,… ({} characters)) names: the server answers 403 Forbidden for http://far.example/a2",
            data(&replaced).len()
        )
    );
    assert_eq!(proxy.asked().len(), before);
    // But not those of the configs above it.
    let replaced = user(
        "r",
        json!({"config": {"replace": {"source": "http://far.example/r"}}}),
    );
    let config = user(
        "root",
        json!({"proxy": through, "config": {"merge": [{"source": data(&replaced)}]}}),
    );
    assert_eq!(users(&resolved(config).await.unwrap()), ["root", "r", "a2"]);
}

#[tokio::test]
async fn authorities_come_with_the_whole() {
    let pem = rcgen::generate_simple_self_signed(vec!["a".to_owned()])
        .unwrap()
        .cert
        .pem();
    let served = pem.clone();
    let server = Server::new(move |_| ok(&served)).await;
    let tls = |source: &str| json!({"security": {"tls": {"certificateAuthorities": [{"source": source}]}}});
    let child = user("child", tls(&server.url("/child")));
    let mut config = user("root", tls(&server.url("/root")));
    config["ignition"]["config"] =
        json!({"merge": [{"source": data(&child)}, {"source": data(&child)}]});
    let found = resolved(config).await.unwrap();
    let mut paths = server.paths();
    paths.sort();
    paths.dedup();
    assert_eq!(
        (server.asked().len(), paths),
        (2, vec!["/child".to_owned(), "/root".to_owned()])
    );
    let authorities = found
        .config
        .ignition
        .security
        .unwrap()
        .tls
        .unwrap()
        .certificate_authorities
        .unwrap();
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(&pem);
    for authority in authorities {
        assert_eq!(authority.source, Some(format!("data:;base64,{text}")));
    }
}
