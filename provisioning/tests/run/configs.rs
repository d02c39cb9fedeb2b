//! Which configs a first boot takes, from where, and which it refuses before a disk is touched.

use acl_provision::stage::Stage;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{FirstBoot, RECORD, config, file};
use crate::platform::write;

#[tokio::test]
async fn the_operator_has_the_last_word() {
    let boot = FirstBoot::with(&config(&file("/etc/who", "operator")));
    write(
        boot.at("image/base.d/10.ign"),
        config(&file("/etc/who", "image")).to_string(),
    );
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/who"), "operator");
}

#[tokio::test]
async fn a_config_in_the_image_stands_in_for_the_platforms() {
    let boot = FirstBoot::with(&config(&file("/etc/platform", "p")));
    write(
        boot.at("image/user.ign"),
        config(&file("/etc/image", "i")).to_string(),
    );
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/image"), "i");
    assert!(!boot.at("root/etc/platform").exists());
}

#[tokio::test]
async fn without_any_config_the_machine_is_what_the_image_is() {
    let boot = FirstBoot::new();
    boot.all().await.unwrap();
    assert_eq!(boot.record(RECORD)["origins"], json!([]));
}

#[tokio::test]
async fn the_network_is_asked_for_when_something_is_there() {
    let from = "http://127.0.0.1:9/";
    let resource = json!({"source": from});
    let cases = [
        json!({"ignition": {"version": "3.4.0", "config": {"merge": [resource]}}}),
        json!({"ignition": {"version": "3.4.0", "config": {"replace": resource}}}),
        json!({"ignition": {"version": "3.4.0", "security": {"tls": {"certificateAuthorities": [resource]}}}}),
        config(&json!({"storage": {"files": [{"path": "/a", "contents": resource}]}})),
        config(&json!({"storage": {"files": [{"path": "/a", "append": [resource]}]}})),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a", "keyFile": resource}]}}),
        ),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a",
            "clevis": {"tang": [{"url": from, "thumbprint": "x"}]}}]}}),
        ),
        config(
            &json!({"storage": {"luks": [{"name": "a", "device": "/dev/a",
            "clevis": {"custom": {"pin": "tang", "config": "{}", "needsNetwork": true}}}]}}),
        ),
    ];
    // The same in a config that the first one holds.
    let within = cases.iter().map(|case| {
        let held = format!("data:;base64,{}", STANDARD.encode(case.to_string()));
        json!({"ignition": {"version": "3.4.0", "config": {"merge": [{"source": held}]}}})
    });
    for case in within.chain(cases.clone()) {
        let boot = FirstBoot::with(&case);
        boot.stage(Stage::FetchOffline).await.unwrap();
        assert!(boot.at("run/neednet").exists(), "{case:#}");
        assert!(!boot.at("run/config.json").exists(), "{case:#}");
    }
    let mut boot = FirstBoot::new();
    boot.run.machine.cmdline = format!("ignition.config.url={from}");
    boot.stage(Stage::FetchOffline).await.unwrap();
    assert!(boot.at("run/neednet").exists());
    // An authority of the image's config is fetched by the stages after this one.
    let boot = FirstBoot::new();
    write(boot.at("image/base.d/10.ign"), cases[2].to_string());
    boot.stage(Stage::FetchOffline).await.unwrap();
    assert!(boot.at("run/neednet").exists());
}

#[tokio::test]
async fn two_valid_configs_that_are_not_valid_together_are_refused() {
    let boot = FirstBoot::with(&config(&file("/etc/a/b", "x")));
    write(
        boot.at("image/base.d/10.ign"),
        config(&file("/etc/a", "x")).to_string(),
    );
    let error = boot.stage(Stage::Fetch).await.unwrap_err();
    let said = "the configs are valid, but together they are not:\n\
                $.storage.files.1.path: /etc/a is a file at $.storage.files.0; nothing can lie below it";
    assert_eq!(error, said);
}

/// The command line is signed: a config that wants it as it is goes on, another fails before a disk is touched.
#[tokio::test]
async fn kernel_arguments_are_compared_with_the_running_command_line() {
    let wanted = json!({"kernelArguments": {"shouldNotExist": ["flatcar.autologin"], "shouldExist": ["quiet"]}});
    let mut boot = FirstBoot::with(&config(&wanted));
    boot.run.machine.cmdline = "root=/dev/sda quiet\n".to_owned();
    boot.stage(Stage::Fetch).await.unwrap();

    let mut boot = FirstBoot::with(&config(&wanted));
    boot.run.machine.cmdline = "flatcar.autologin root=/dev/sda\n".to_owned();
    let error = boot.stage(Stage::Fetch).await.unwrap_err();
    let rest = "and it cannot be changed, as part of the signed UKI; build an image whose recipe says it otherwise";
    let said = format!(
        "the configs are valid, but together they are not:\n\
         $.kernelArguments.shouldExist.0: the kernel command line lacks \"quiet\", {rest}\n\
         $.kernelArguments.shouldNotExist.0: the kernel command line has \"flatcar.autologin\", {rest}"
    );
    assert_eq!(error, said);
    assert!(!boot.at("run/config.json").exists());
}

/// Authorities are put into the whole as `data:` URLs, of which two may be the same.
#[tokio::test]
async fn two_addresses_of_one_authority_are_taken() {
    let authority = STANDARD.encode(rcgen_authority());
    let sources = [
        format!("data:;base64,{authority}"),
        format!("data:text/plain;base64,{authority}"),
    ];
    let named: Vec<_> = sources
        .iter()
        .map(|source| json!({"source": source}))
        .collect();
    let boot = FirstBoot::with(&json!({"ignition": {
        "version": "3.4.0",
        "security": {"tls": {"certificateAuthorities": named}},
    }}));
    boot.stage(Stage::Fetch).await.unwrap();
}

fn rcgen_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

#[tokio::test]
async fn what_a_config_of_the_image_names_is_not_fetched() {
    let boot = FirstBoot::with(&config(&file("/etc/user", "u")));
    let named = "data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.4.0%22%7D%2C%22storage%22%3A%7B%22files%22%3A%5B%7B%22path%22%3A%22/etc/named%22%7D%5D%7D%7D";
    let mut base = config(&file("/etc/base", "b"));
    base["ignition"]["config"] = json!({"merge": [{"source": named}]});
    write(boot.at("image/base.d/10.ign"), base.to_string());
    boot.all().await.unwrap();
    assert_eq!(boot.read("root/etc/base"), "b");
    assert!(!boot.at("root/etc/named").exists());
    assert_eq!(
        boot.record("run/config.json")["ignition"]["config"],
        json!(null)
    );

    // The operator's is.
    let boot = FirstBoot::with(&base);
    boot.all().await.unwrap();
    assert!(boot.at("root/etc/named").exists());
}

/// Ignition 2.27: `/run/ignition` counts more than `/etc/ignition`, and that more than `/usr/lib/ignition`.
#[tokio::test]
async fn directories_of_the_system_are_looked_at_in_their_order() {
    let boot = FirstBoot::with(&config(&file("/etc/platform", "p")));
    let put = |path: &str, name: &str| {
        write(
            boot.at(path),
            config(&file(&format!("/etc/{name}"), "x")).to_string(),
        );
    };
    put("image/base.d/10.ign", "hidden");
    put("local/base.d/10.ign", "local");
    put("image/base.d/20.ign", "image");
    put("volatile/base.platform.d/qemu/30.ign", "volatile");
    put("image/user.ign", "hidden");
    put("local/user.ign", "user");
    boot.all().await.unwrap();
    for name in ["local", "image", "volatile", "user"] {
        assert_eq!(boot.read(&format!("root/etc/{name}")), "x", "{name}");
    }
    for name in ["hidden", "platform"] {
        assert!(!boot.at(&format!("root/etc/{name}")).exists(), "{name}");
    }
    let places: Vec<String> = boot.record(RECORD)["origins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|origin| origin["place"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "local/user.ign",
        "volatile/base.platform.d/qemu/30.ign",
        "image/base.d/20.ign",
        "local/base.d/10.ign",
    ];
    assert_eq!(
        places,
        expected.map(|path| boot.at(path).display().to_string())
    );
}

/// What no stage could fetch fails before a disk is touched.
#[tokio::test]
async fn sources_that_nothing_fetches_are_refused_while_fetching() {
    for (sections, place, url, scheme) in [
        (
            json!({"storage": {"files": [{"path": "/a"}, {"path": "/b", "contents": {"source": "s3://b/k"}}]}}),
            "$.storage.files.1.contents",
            "s3://b/k",
            "s3",
        ),
        (
            json!({"storage": {"files": [{"path": "/a", "append": [{"source": "data:,a"}, {"source": "gs://b/k"}]}]}}),
            "$.storage.files.0.append.1",
            "gs://b/k",
            "gs",
        ),
        (
            json!({"storage": {"luks": [{"name": "a", "device": "/dev/a", "keyFile": {"source": "tftp://h/f"}}]}}),
            "$.storage.luks.0.keyFile",
            "tftp://h/f",
            "tftp",
        ),
        (
            json!({"storage": {"files": [{"path": "/a", "contents": {"source": "arn:aws:s3:::b/k"}}]}}),
            "$.storage.files.0.contents",
            "arn:aws:s3:::b/k",
            "arn",
        ),
    ] {
        let mut wanted = config(&sections);
        wanted["ignition"]["version"] = json!("3.6.0");
        let boot = FirstBoot::with(&wanted);
        for stage in [Stage::FetchOffline, Stage::Fetch] {
            let error = boot.stage(stage).await.unwrap_err();
            assert_eq!(
                error,
                format!(
                    "cannot use {place} of the merged config: cannot fetch {url}: its scheme {scheme} is not supported; \
                     use https, http, data or file"
                )
            );
        }
        assert!(!boot.at("run/config.json").exists() && !boot.at("run/neednet").exists());
    }
}
