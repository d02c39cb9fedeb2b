//! The kernel's settings and modules are what a kubelet needs, and the clock is kept.

use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::node::TRIAL;
use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

/// Each file below `/proc/sys`, and what it holds.
const SETTINGS: &str = "\
    fs/inotify/max_user_instances 8192\n\
    fs/inotify/max_user_watches 1048576\n\
    kernel/keys/root_maxbytes 25000000\n\
    kernel/keys/root_maxkeys 1000000\n\
    kernel/panic 10\n\
    kernel/panic_on_oops 1\n\
    kernel/pid_max 4194304\n\
    net/bridge/bridge-nf-call-ip6tables 1\n\
    net/bridge/bridge-nf-call-iptables 1\n\
    net/core/somaxconn 16384\n\
    net/ipv4/ip_forward 1\n\
    net/ipv4/neigh/default/gc_thresh1 4096\n\
    net/ipv4/neigh/default/gc_thresh2 8192\n\
    net/ipv4/neigh/default/gc_thresh3 16384\n\
    net/ipv4/tcp_max_syn_backlog 16384\n\
    net/ipv6/conf/all/forwarding 1\n\
    net/ipv6/neigh/default/gc_thresh1 4096\n\
    net/ipv6/neigh/default/gc_thresh2 8192\n\
    net/ipv6/neigh/default/gc_thresh3 16384\n\
    vm/max_map_count 1048576\n\
    vm/overcommit_memory 1\n\
    vm/panic_on_oom 0";

/// A network that names two servers of time, as DHCP may.
const NETWORK: &str = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\nNTP=192.0.2.1 192.0.2.2\n";

#[test]
fn settings_modules_and_time() -> Result<()> {
    let network = json!({
        "path": "/etc/systemd/network/70-site.network",
        "contents": {"source": format!("data:;base64,{}", STANDARD.encode(NETWORK))},
    });
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": [network]}});
    let handover = Handover::default().config(&config.to_string());
    let mut node = Fresh::copy("node")?.boot(handover)?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();

    let files = SETTINGS.lines().filter_map(|line| line.split(' ').next());
    let files = files.collect::<Vec<_>>().join(" ");
    let read = format!("cd /proc/sys && for at in {files}; do echo $at $(cat $at); done");
    assert_eq!(machine.ask(&read)?, SETTINGS);
    machine.ask("cd /sys/module && ls -d br_netfilter nf_conntrack overlay")?;
    let limits = "systemctl show containerd -p LimitNOFILE -p LimitNOFILESoft -p TasksMax";
    let expected = "TasksMax=infinity\nLimitNOFILE=1048576\nLimitNOFILESoft=1048576";
    assert_eq!(machine.ask(limits)?, expected);

    // There is no clock of the host: the pool's servers (which nobody here can name) and the network's are asked.
    let look = "systemctl is-active chrony chronyd; cat /run/acl/chrony/clock.conf; \
                until grep -q 192.0.2.2 /run/acl/chrony/network.sources; do sleep 1; done; \
                until chronyc -n sources | grep -q 192.0.2.2; do sleep 1; done; \
                chronyc -n sources | grep -o '192.0.2.[12]'; \
                stat -c '%U' /proc/$(systemctl show chrony -p MainPID --value); \
                systemctl --failed --no-legend --plain";
    let expected =
        "active\nactive\npool 2.debian.pool.ntp.org iburst\n192.0.2.1\n192.0.2.2\n_chrony";
    assert_eq!(machine.ask(look)?, expected);

    // With the host's clock, that one and nothing else. (The device is none that chronyd could use.)
    let choose = "/usr/lib/acl/choose-clock /dev/null /etc/chrony/sources.d /tmp/clock; cat /tmp/clock/clock.conf; \
                  chronyd -p -f /tmp/clock/clock.conf | grep refclock";
    let refclock = "refclock PHC /dev/null poll 3 dpoll -2 offset 0 stratum 2";
    assert_eq!(machine.ask(choose)?, format!("{refclock}\n{refclock}"));
    Ok(())
}
