//! `passwd.users`. Expected lines are what Debian's shadow 4.13 writes for the options that Ignition gives it.

use serde_json::{Value, json};

use crate::scene::{Scene, contents, fails, gives, is_root};

/// The four files of a root, as tests write them.
#[derive(Clone, Copy)]
pub(crate) struct Accounts {
    pub(crate) passwd: &'static str,
    pub(crate) shadow: &'static str,
    pub(crate) group: &'static str,
    pub(crate) gshadow: &'static str,
}

pub(crate) const BASE: Accounts = Accounts {
    passwd: "root:x:0:0:root:/root:/bin/bash\nfoo:x:1500:1500::/home/foo:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    shadow: "root:*:19000:0:99999:7:::\nfoo:secret:19000:0:99999:7:::\n",
    group: "root:x:0:\nfoo:x:1500:\nsudo:x:27:\nusers:x:100:\nnogroup:x:65534:\n",
    gshadow: "root:*::\nfoo:!::\nsudo:*::\n",
};

impl Accounts {
    /// These files as a tree, with text added to their ends.
    pub(crate) fn with(&self, passwd: &str, shadow: &str, group: &str, gshadow: &str) -> String {
        tree([
            &format!("{}{group}", self.group),
            &format!("{}{gshadow}", self.gshadow),
            &format!("{}{passwd}", self.passwd),
            &format!("{}{shadow}", self.shadow),
        ])
    }

    pub(crate) fn tree(&self) -> String {
        self.with("", "", "", "")
    }
}

/// group, gshadow, passwd, shadow.
pub(crate) fn tree([group, gshadow, passwd, shadow]: [&str; 4]) -> String {
    format!(
        "etc/ 0755 0:0\netc/group 0644 0:0 {group:?}\netc/gshadow 0640 0:0 {gshadow:?}\n\
         etc/passwd 0644 0:0 {passwd:?}\netc/shadow 0600 0:0 {shadow:?}\n"
    )
}

fn user(mut user: Value) -> Value {
    user["noCreateHome"] = json!(true);
    json!({ "passwd": { "users": [user] } })
}

fn aged(name: &str, hash: &str) -> String {
    format!("{name}:{hash}::0:99999:7:::\n")
}

#[test]
fn created() {
    let core = "core:x:1501:1501::/home/core:/bin/sh\n";
    for (wanted, passwd, shadow, group, gshadow) in [
        (
            json!({ "name": "core" }),
            core,
            aged("core", "*"),
            "core:x:1501:\n",
            "core:!::\n",
        ),
        (
            json!({ "name": "core", "passwordHash": "$y$j9T$a" }),
            core,
            aged("core", "$y$j9T$a"),
            "core:x:1501:\n",
            "core:!::\n",
        ),
        (
            json!({ "name": "core", "passwordHash": "" }),
            core,
            aged("core", "*"),
            "core:x:1501:\n",
            "core:!::\n",
        ),
        (
            json!({ "name": "core", "noLogInit": true, "shouldExist": true }),
            core,
            aged("core", "*"),
            "core:x:1501:\n",
            "core:!::\n",
        ),
        (
            json!({ "name": "core", "uid": 4000, "gecos": "The Core", "homeDir": "/var/core", "shell": "/bin/bash" }),
            "core:x:4000:4000:The Core:/var/core:/bin/bash\n",
            aged("core", "*"),
            "core:x:4000:\n",
            "core:!::\n",
        ),
        (
            json!({ "name": "core", "gecos": "", "homeDir": "", "shell": "", "primaryGroup": "" }),
            core,
            aged("core", "*"),
            "core:x:1501:\n",
            "core:!::\n",
        ),
    ] {
        let after = BASE.with(passwd, &shadow, group, gshadow);
        gives(&BASE.tree(), user(wanted), &after);
    }
}

/// Without a setting: bash where it is installed, what the root's useradd names, else sh.
#[test]
fn the_shell_that_no_config_names() {
    let usr = "usr/ 0755 0:0\nusr/bin/ 0755 0:0\nbin 0:0 -> usr/bin\n";
    let bash = "usr/bin/bash 0755 0:0 \"\"\n";
    for (bash, useradd, wanted, shell) in [
        ("", "", json!({ "name": "core" }), "/bin/sh"),
        (bash, "", json!({ "name": "core" }), "/bin/bash"),
        (
            bash,
            "SHELL=/bin/sh\n",
            json!({ "name": "core" }),
            "/bin/bash",
        ),
        (
            bash,
            "SHELL=/bin/zsh\n",
            json!({ "name": "core" }),
            "/bin/zsh",
        ),
        (
            bash,
            "",
            json!({ "name": "core", "shell": "/bin/sh" }),
            "/bin/sh",
        ),
    ] {
        let rest =
            format!("etc/default/ 0755 0:0\netc/default/useradd 0644 0:0 {useradd:?}\n{usr}{bash}");
        let passwd = format!("core:x:1501:1501::/home/core:{shell}\n");
        let after = BASE.with(&passwd, &aged("core", "*"), "core:x:1501:\n", "core:!::\n");
        gives(
            &format!("{}{rest}", BASE.tree()),
            user(wanted),
            &format!("{after}{rest}"),
        );
    }
}

#[test]
fn created_with_other_ids_and_groups() {
    for (wanted, passwd, shadow, group, gshadow) in [
        (
            json!({ "name": "low", "uid": 500 }),
            "low:x:500:1501::/home/low:/bin/sh\n",
            aged("low", "*"),
            "low:x:1501:\n",
            "low:!::\n",
        ),
        (
            json!({ "name": "sys", "system": true }),
            "sys:x:999:999::/home/sys:/bin/sh\n",
            "sys:*:::::::\n".into(),
            "sys:x:999:\n",
            "sys:!::\n",
        ),
        (
            json!({ "name": "nog", "noUserGroup": true }),
            "nog:x:1501:100::/home/nog:/bin/sh\n",
            aged("nog", "*"),
            "",
            "",
        ),
        (
            json!({ "name": "adm", "primaryGroup": "sudo" }),
            "adm:x:1501:27::/home/adm:/bin/sh\n",
            aged("adm", "*"),
            "",
            "",
        ),
        (
            json!({ "name": "adm", "primaryGroup": "27" }),
            "adm:x:1501:27::/home/adm:/bin/sh\n",
            aged("adm", "*"),
            "",
            "",
        ),
    ] {
        gives(
            &BASE.tree(),
            user(wanted),
            &BASE.with(passwd, &shadow, group, gshadow),
        );
    }
}

#[test]
fn supplementary_groups() {
    let config = user(json!({ "name": "core", "groups": ["sudo", "users"] }));
    let group = "root:x:0:\nfoo:x:1500:\nsudo:x:27:core\nusers:x:100:core\nnogroup:x:65534:\ncore:x:1501:\n";
    let gshadow = "root:*::\nfoo:!::\nsudo:*::core\ncore:!::\n";
    let passwd = format!("{}core:x:1501:1501::/home/core:/bin/sh\n", BASE.passwd);
    let shadow = format!("{}core:*::0:99999:7:::\n", BASE.shadow);
    let after = tree([group, gshadow, &passwd, &shadow]);
    gives(&BASE.tree(), config, &after);
    // On a user who is there: these groups and no others.
    let config = user(json!({ "name": "core", "groups": ["users"] }));
    let group = group.replace("27:core", "27:");
    let gshadow = gshadow.replace("sudo:*::core", "sudo:*::");
    gives(&after, config, &tree([&group, &gshadow, &passwd, &shadow]));
}

#[test]
fn files_that_are_not_there_are_made() {
    let config = user(json!({ "name": "core" }));
    let after = "etc/ 0755 0:0\netc/group 0644 0:0 \"core:x:1000:\\n\"\netc/gshadow 0640 0:0 \"core:!::\\n\"\n\
        etc/passwd 0644 0:0 \"core:x:1000:1000::/home/core:/bin/sh\\n\"\netc/shadow 0640 0:0 \"core:*::0:99999:7:::\\n\"";
    gives("", config, after);
}

#[test]
fn ids_for_namespaces_where_the_files_are_there() {
    let tree = |passwd: &str, subuid: &str, subgid: &str| {
        format!(
            "etc/ 0755 0:0\netc/passwd 0644 0:0 {passwd:?}\netc/subgid 0644 0:0 {subgid:?}\netc/subuid 0640 0:0 {subuid:?}\n\
             etc/group 0644 0:0 \"users:x:100:\\n\"\n"
        )
    };
    let secrets =
        "etc/shadow 0640 0:0 \"core:*::0:99999:7:::\\nlow:*::0:99999:7:::\\nsys:*:::::::\\n\"\n";
    let names = ["core", "low", "sys"].map(|name| {
        let id = match name {
            "low" => json!(500),
            _ => Value::Null,
        };
        json!({ "name": name, "uid": id, "system": name == "sys", "noUserGroup": true, "noCreateHome": true })
    });
    let passwd = "core:x:1000:100::/home/core:/bin/sh\nlow:x:500:100::/home/low:/bin/sh\nsys:x:499:100::/home/sys:/bin/sh\n";
    let made = tree(
        passwd,
        "old:100000:65536\ncore:165536:65536\n",
        "old:165536:65536\ncore:100000:65536\n",
    );
    gives(
        &tree("", "old:100000:65536\n", "old:165536:65536\n"),
        json!({ "passwd": { "users": names } }),
        &format!("{made}{secrets}"),
    );
    gives(
        &made,
        json!({ "passwd": { "users": [{ "name": "core", "shouldExist": false }] } }),
        &tree(
            passwd.split_once('\n').unwrap().1,
            "old:100000:65536\n",
            "old:165536:65536\n",
        ),
    );
}

#[test]
fn settings_of_the_root_count() {
    let settings = "etc/default/ 0755 0:0\netc/default/useradd 0644 0:0 \"SHELL=/bin/bash\\nHOME=/var/home/\\nGROUP=sudo\\n\"\n";
    let login = "etc/login.defs 0644 0:0 \"UID_MIN 5000\\nPASS_MAX_DAYS\\t90\\n#UID_MAX 1\\n\"\n";
    let config = user(json!({ "name": "core", "noUserGroup": true }));
    let expected = |passwd: &str, shadow: &str| {
        let group = format!("{:?}", BASE.group);
        let gshadow = format!("{:?}", BASE.gshadow);
        let (passwd, shadow) = (
            format!("{}{passwd}", BASE.passwd),
            format!("{}{shadow}", BASE.shadow),
        );
        format!(
            "etc/ 0755 0:0\n{settings}etc/group 0644 0:0 {group}\netc/gshadow 0640 0:0 {gshadow}\n{login}\
             etc/passwd 0644 0:0 {passwd:?}\netc/shadow 0600 0:0 {shadow:?}\n"
        )
    };
    gives(
        &expected("", ""),
        config,
        &expected(
            "core:x:5000:27::/var/home/core:/bin/bash\n",
            "core:*::0:90:7:::\n",
        ),
    );
}

#[test]
fn modified() {
    for (wanted, from, to) in [
        (json!({ "name": "foo" }), "", ""),
        (
            json!({ "name": "foo", "passwordHash": "new" }),
            "foo:secret:",
            "foo:new:",
        ),
        (
            json!({ "name": "foo", "passwordHash": "" }),
            "foo:secret:",
            "foo:*:",
        ),
        (
            json!({ "name": "foo", "gecos": "Foo" }),
            "1500::/home/foo",
            "1500:Foo:/home/foo",
        ),
        (
            json!({ "name": "foo", "shell": "/bin/zsh" }),
            "/home/foo:/bin/sh",
            "/home/foo:/bin/zsh",
        ),
        (
            json!({ "name": "foo", "homeDir": "/srv/foo" }),
            "/home/foo",
            "/srv/foo",
        ),
        (
            json!({ "name": "foo", "uid": 1501 }),
            "foo:x:1500:1500:",
            "foo:x:1501:1500:",
        ),
        (
            json!({ "name": "foo", "primaryGroup": "sudo" }),
            "foo:x:1500:1500:",
            "foo:x:1500:27:",
        ),
        // What only counts for new users.
        (
            json!({ "name": "foo", "system": true, "noUserGroup": true }),
            "",
            "",
        ),
    ] {
        let lines = format!("{:?}", BASE.tree());
        let after = lines.replace(from, to);
        assert!(from.is_empty() || after != lines, "{from} is there");
        let after: String = serde_json::from_str(&after).unwrap();
        gives(&BASE.tree(), user(wanted), &after);
    }
}

#[test]
fn removed() {
    let config =
        |name: &str| json!({ "passwd": { "users": [{ "name": name, "shouldExist": false }] } });
    gives(&BASE.tree(), config("gone"), &BASE.tree());
    let strip = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with("foo:"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let gone = tree([
        &strip(BASE.group),
        &strip(BASE.gshadow),
        &strip(BASE.passwd),
        &strip(BASE.shadow),
    ]);
    gives(&BASE.tree(), config("foo"), &gone);
    // The group stays where others are in it; foo leaves all groups.
    let group = BASE
        .group
        .replace("foo:x:1500:", "foo:x:1500:bar")
        .replace("27:", "27:a,foo,b");
    let kept = group.replace("a,foo,b", "a,b");
    gives(
        &tree([&group, BASE.gshadow, BASE.passwd, BASE.shadow]),
        config("foo"),
        &tree([
            &kept,
            BASE.gshadow,
            &strip(BASE.passwd),
            &strip(BASE.shadow),
        ]),
    );
}

#[test]
fn refused() {
    let field = |field: &str| format!("the {field} of core must not hold a colon or a line break");
    let name = |name: &str| {
        format!(
            "'{name}' is not a name for a user: it must not be empty, begin with -, + or ~, or hold a colon, comma, slash or white space"
        )
    };
    for (wanted, message) in [
        (json!({ "name": "" }), name("")),
        (json!({ "name": "a:b" }), name("a:b")),
        (json!({ "name": "-a" }), name("-a")),
        (json!({ "name": "../a" }), name("../a")),
        (json!({ "name": "a\nroot::0:0" }), name("a\nroot::0:0")),
        (json!({ "name": "core", "gecos": "a:b" }), field("gecos")),
        (json!({ "name": "core", "shell": "/bin/sh\n" }), field("shell")),
        (json!({ "name": "core", "homeDir": "/a:b" }), field("homeDir")),
        (json!({ "name": "core", "passwordHash": "*\nroot::0" }), field("passwordHash")),
        (json!({ "name": "core", "homeDir": "home" }), "the homeDir of core must be an absolute path".into()),
        (json!({ "name": "core", "uid": -5 }), "-5 is not a user id for core: it must be from 0 to 4294967294".into()),
        (json!({ "name": "core", "uid": 1500 }), "the user core cannot have the id 1500: foo has it; give another one".into()),
        (json!({ "name": "foo", "uid": 0 }), "the user foo cannot have the id 0: root has it; give another one".into()),
        (json!({ "name": "core", "primaryGroup": "wheel" }), "cannot put the user core into the group 'wheel', which is not in /etc/group of the new root; create it in passwd.groups".into()),
        (json!({ "name": "core", "groups": ["sudo", "wheel"] }), "cannot put the user core into the group 'wheel', which is not in /etc/group of the new root; create it in passwd.groups".into()),
        (json!({ "name": "sudo" }), "cannot create the group sudo for the user of that name: it exists already; name it as primaryGroup, or set noUserGroup".into()),
    ] {
        fails(&BASE.tree(), user(wanted), &message);
    }
    let full = "etc/ 0755 0:0\netc/login.defs 0644 0:0 \"UID_MAX 1000\\n\"\netc/passwd 0644 0:0 \"a:x:1000:1000:::\\n\"\n";
    let message = "there is no free user id from 1000 to 1000 for core: give one";
    fails(full, user(json!({ "name": "core" })), message);
}

/// The files are replaced one after the other: wherever that stops, the next run comes to the same end.
#[test]
fn interrupted_between_two_files() {
    let config = json!({ "passwd": { "users": [
        { "name": "core", "groups": ["sudo"], "noCreateHome": true, "passwordHash": "hash" },
        { "name": "app", "noCreateHome": true, "system": true },
        { "name": "foo", "shouldExist": false },
    ], "groups": [{ "name": "team" }] }});
    let done = Scene::new(&BASE.tree());
    assert_eq!(done.apply(&config), Ok(()));
    for (count, order) in [["shadow", "gshadow", "group", "passwd"]; 5]
        .iter()
        .enumerate()
    {
        let stopped = Scene::new(&BASE.tree());
        for name in &order[..count.min(4)] {
            let file = format!("etc/{name}");
            std::fs::copy(done.path().join(&file), stopped.path().join(&file)).unwrap();
        }
        assert_eq!(stopped.apply(&config), Ok(()), "after {count} files");
        assert_eq!(stopped.tree(), done.tree(), "after {count} files");
    }
}

#[test]
fn as_root_homes() {
    if !is_root("as_root_homes") {
        return;
    }
    let skeleton = "etc/skel/ 0755 0:0\netc/skel/.profile 0640 0:0 \"p\"\netc/skel/bin/ 0700 0:0\netc/skel/bin/x 0755 0:0 \"x\"\netc/skel/link 0:0 -> /etc/motd\netc/skel/pipe|\n";
    let home = "home/ 0755 0:0\nhome/core/ 0755 1501:1501\nhome/core/.profile 0640 1501:1501 \"p\"\nhome/core/bin/ 0700 1501:1501\nhome/core/bin/x 0755 1501:1501 \"x\"\nhome/core/link 1501:1501 -> /etc/motd\n";
    let config = || json!({ "passwd": { "users": [{ "name": "core" }] } });
    let after = BASE.with(
        "core:x:1501:1501::/home/core:/bin/sh\n",
        "core:*::0:99999:7:::\n",
        "core:x:1501:\n",
        "core:!::\n",
    );
    let before = BASE.tree();
    gives(
        &format!("{before}{skeleton}"),
        config(),
        &format!("{after}{skeleton}{home}"),
    );
    // A home that is there is not touched: it may be a file system of its own.
    let there = "home/ 0755 0:0\nhome/core/ 0711 0:0\nhome/core/f 0600 3:4 \"\"\n";
    gives(
        &format!("{before}{skeleton}{there}"),
        config(),
        &format!("{after}{skeleton}{there}"),
    );
    // Links on the way to it stay inside.
    let link = "home 0:0 -> /var/home\n";
    let target = "var/ 0755 0:0\nvar/home/ 0755 0:0\nvar/home/core/ 0755 1501:1501\n";
    gives(
        &format!("{before}{link}"),
        config(),
        &format!("{after}{link}{target}"),
    );
    // What was half made is made again.
    let half = "home/ 0755 0:0\nhome/.core.acl-new/ 0700 0:0\nhome/.core.acl-new/x 0600 0:0\n";
    let made = "home/ 0755 0:0\nhome/core/ 0755 1501:1501\n";
    gives(
        &format!("{before}{half}"),
        config(),
        &format!("{after}{made}"),
    );
}

#[test]
fn as_root_home_modes_of_the_root_count() {
    if !is_root("as_root_home_modes_of_the_root_count") {
        return;
    }
    for (settings, mode) in [
        ("HOME_MODE 0700\\nUMASK 022", "0700"),
        ("UMASK 027", "0750"),
        ("", "0755"),
    ] {
        let scene = Scene::new(&format!(
            "etc/ 0755 0:0\netc/login.defs 0644 0:0 \"{settings}\""
        ));
        let config = json!({ "passwd": { "users": [{ "name": "core" }] } });
        assert_eq!(scene.apply(&config), Ok(()));
        let home = format!("home/core/ {mode} 1000:1000");
        assert_eq!(scene.tree().lines().last(), Some(home.as_str()));
    }
}

#[test]
fn as_root_homes_of_users_that_change() {
    if !is_root("as_root_homes_of_users_that_change") {
        return;
    }
    let before = BASE.tree();
    let home = "home/ 0755 0:0\nhome/foo/ 2755 1500:1500\nhome/foo/d/ 0700 1500:27\nhome/foo/d/f 4755 1500:1500 \"x\"\nhome/foo/r 0600 0:0 \"\"\n";
    let config = json!({ "passwd": { "users": [{ "name": "foo", "uid": 1600, "primaryGroup": "users", "homeDir": "/srv/foo" }] } });
    let after = before.replace("foo:x:1500:1500::/home/foo", "foo:x:1600:100::/srv/foo");
    let moved = "home/ 0755 0:0\nsrv/ 0755 0:0\nsrv/foo/ 2755 1600:100\nsrv/foo/d/ 0700 1600:27\nsrv/foo/d/f 0755 1600:100 \"x\"\nsrv/foo/r 0600 0:0 \"\"\n";
    gives(
        &format!("{before}{home}"),
        config.clone(),
        &format!("{after}{moved}"),
    );
    let occupied = format!("{before}{home}srv/ 0755 0:0\nsrv/foo/ 0755 0:0\n");
    fails(
        &occupied,
        config,
        "cannot move the home directory /home/foo to /srv/foo: something is there already; remove it, or give another homeDir",
    );
}

#[test]
fn as_root_homes_of_users_that_go() {
    if !is_root("as_root_homes_of_users_that_go") {
        return;
    }
    let config = || json!({ "passwd": { "users": [{ "name": "foo", "shouldExist": false }] } });
    let accounts = |home: &str| {
        format!("etc/ 0755 0:0\netc/passwd 0644 0:0 \"foo:x:1500:1500::{home}:/bin/sh\\n\"\n")
    };
    let gone = "etc/ 0755 0:0\netc/passwd 0644 0:0 \"\"\n";
    for (path, home, after) in [
        (
            "/home/foo",
            "home/ 0755 0:0\nhome/foo/ 0755 1500:1500\nhome/foo/f 0600 0:0",
            "home/ 0755 0:0",
        ),
        (
            "/home/foo",
            "home/ 0755 0:0\nhome/foo/ 0755 0:0",
            "home/ 0755 0:0\nhome/foo/ 0755 0:0",
        ),
        (
            "/home/foo",
            "data/ 0755 1500:0\nhome/ 0755 0:0\nhome/foo 1500:0 -> /data",
            "data/ 0755 1500:0\nhome/ 0755 0:0\nhome/foo 1500:0 -> /data",
        ),
        ("/", "", ""),
        ("", "", ""),
    ] {
        gives(
            &format!("{}{home}", accounts(path)),
            config(),
            &format!("{gone}{after}"),
        );
    }
}

#[test]
fn homes_of_a_second_root_stay() {
    let before =
        "etc/ 0755 0:0\netc/passwd 0644 0:0 \"toor:x:0:0::/usr:/bin/sh\\n\"\nusr/ 0755 0:0";
    let config = json!({ "passwd": { "users": [{ "name": "toor", "shouldExist": false }] } });
    gives(
        before,
        config,
        "etc/ 0755 0:0\netc/passwd 0644 0:0 \"\"\nusr/ 0755 0:0",
    );
}

#[test]
fn as_root_files_belong_to_users_made_here() {
    if !is_root("as_root_files_belong_to_users_made_here") {
        return;
    }
    let config = json!({
        "passwd": { "users": [{ "name": "core" }], "groups": [{ "name": "team" }] },
        "storage": { "files": [{ "path": "/home/core/f", "user": { "name": "core" }, "group": { "name": "team" }, "contents": contents("f") }] },
    });
    let after = "etc/ 0755 0:0\netc/group 0644 0:0 \"team:x:1000:\\ncore:x:1001:\\n\"\netc/gshadow 0640 0:0 \"team:!::\\ncore:!::\\n\"\n\
        etc/passwd 0644 0:0 \"core:x:1000:1001::/home/core:/bin/sh\\n\"\netc/shadow 0640 0:0 \"core:*::0:99999:7:::\\n\"\n\
        home/ 0755 0:0\nhome/core/ 0755 1000:1001\nhome/core/f 0644 1000:1000 \"f\"";
    gives("", config, after);
}

#[test]
fn as_root_secret_files_keep_their_owner() {
    if !is_root("as_root_secret_files_keep_their_owner") {
        return;
    }
    let config = || user(json!({ "name": "core", "primaryGroup": "shadow" }));
    let before = "etc/ 0755 0:0\netc/group 0644 0:0 \"shadow:x:42:\\n\"\netc/shadow 0640 0:42 \"# kept\\n+\\n\"";
    let after = "etc/ 0755 0:0\netc/group 0644 0:0 \"shadow:x:42:\\n\"\netc/passwd 0644 0:0 \"core:x:1000:42::/home/core:/bin/sh\\n\"\n\
        etc/shadow 0640 0:42 \"# kept\\n+\\ncore:*::0:99999:7:::\\n\"";
    gives(before, config(), after);
    let before = "etc/ 0755 0:0\netc/group 0644 0:0 \"shadow:x:42:\\n\"";
    let after = after.replace("# kept\\n+\\n", "");
    gives(before, config(), &after);
}
