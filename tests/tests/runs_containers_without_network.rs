//! A node runs containers as a kubelet asks for them, through the Container Runtime Interface, when no registry can be
//! reached: what the first pod needs is in the image.

use std::time::Duration;

use acl_image::oci;
use acl_tests::cri::message::{
    Container, ContainerConfig, ContainerMetadata, ContainerStatus, ContainerStatusResponse,
    CreateContainer, EXITED, Empty, ExecSync, Executed, ImageSpec, Images, LinuxContainerConfig,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NODE,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata, RUNNING, RunPodSandbox, Sandbox, Status,
    StopContainer, Version,
};
use acl_tests::cri::{Cri, Proxy};
use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::node::TRIAL;
use acl_tests::wire::Wire;
use acl_tests::workspace;
use anyhow::{Context, Result};
use serde_json::{Value, json};

const PAUSE: &str = "localhost/acl/pause:1";
const WORKLOAD: &str = "localhost/test/busybox:1";
const LOGS: &str = "/var/log/pods/test";
/// What the container does: it says where it is, then waits to be stopped.
const SCRIPT: &str = "echo hello; id -u; ulimit -n; trap 'exit 7' TERM; \
                      while :; do sleep 1; done";

#[test]
fn a_container_is_run_through_cri() -> Result<()> {
    let wire = Wire::at(workspace::logs("containers")?.join("wire.pcap"));
    let proxy = Proxy::choose()?;
    // The machine reaches nothing but what is forwarded into it.
    let fresh = Fresh::copy("containers")?
        .with_network("restrict=on")
        .with_network(proxy.forward())
        .with_hardware(wire.arguments().each_ref().map(String::as_str))
        .with_disk_of(&workload()?)?;
    let mut node = fresh.boot(Handover::default().config(&config().to_string()))?;
    node.wait_for_state("idle", TRIAL)?;
    let machine = node.machine();
    let failed = machine.ask("systemctl --failed --no-legend --plain")?;
    assert_eq!(failed, "");
    machine.ask("ctr -n k8s.io images import --local /dev/disk/by-id/virtio-extra0")?;
    let cri = proxy.open(machine)?;

    ready(&cri)?;
    images(&cri)?;
    let sandbox = run_sandbox(&cri)?;
    let container = start(&cri, &sandbox)?;
    let status = status(&cri, &container)?;
    assert_eq!(status.state, RUNNING);
    assert_eq!(
        log(machine, &status.log_path)?,
        ["hello", "1000", "1048576"]
    );
    let scope = format!("cri-containerd-{container}.scope");
    let unit = machine.ask(&format!(
        "systemctl show {scope} -p ControlGroup -p TasksMax"
    ))?;
    let slice = "/kubepods.slice/kubepods-test.slice";
    assert_eq!(
        unit,
        format!("ControlGroup={slice}/{scope}\nTasksMax=infinity")
    );

    let words = ["/bin/busybox", "sh", "-c", "echo inside; exit 3"];
    let executed: Executed = cri.call(
        "RuntimeService/ExecSync",
        &ExecSync {
            container_id: container.clone(),
            cmd: words.map(str::to_owned).into(),
            timeout: 60,
        },
    )?;
    assert_eq!(
        (executed.stdout, executed.exit_code),
        (b"inside\n".to_vec(), 3)
    );

    stop(&cri, &container)?;
    remove(&cri, &sandbox, &container)?;
    let left = machine.ask("ctr -n k8s.io tasks list -q; ctr -n k8s.io containers list -q")?;
    assert_eq!(left, "");
    // Only chronyd wanted something of the network: which shows that it would be seen here.
    let (of_clocks, others): (Vec<_>, Vec<_>) = wire
        .asked()?
        .into_iter()
        .partition(|what| what.ends_with(".pool.ntp.org"));
    assert_ne!(of_clocks, Vec::<String>::new());
    assert_eq!(others, Vec::<String>::new());
    Ok(())
}

/// A server of names, which does not answer: without one, nobody would ask for the name of a registry.
fn config() -> Value {
    let resolved = "data:,%5BResolve%5D%0ADNS%3D10.0.2.3%0A";
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [
            {"path": "/etc/systemd/resolved.conf.d/site.conf", "contents": {"source": resolved}},
        ]},
    })
}

/// An image of one program, as a registry would have it.
fn workload() -> Result<Vec<u8>> {
    let program = workspace::tools()?.data("usr/bin/busybox");
    let container = oci::Container {
        reference: WORKLOAD.parse().map_err(anyhow::Error::msg)?,
        files: vec![oci::File {
            path: "bin/busybox".to_owned(),
            mode: 0o755,
            bytes: std::fs::read(&program).with_context(|| program.display().to_string())?,
        }],
        entrypoint: ["/bin/busybox", "sh", "-c"].map(str::to_owned).into(),
        user: 1000,
    };
    Ok(container.archive()?)
}

/// The runtime answers, and lacks nothing but a network plugin.
fn ready(cri: &Cri) -> Result<()> {
    let version: Version = cri.call("RuntimeService/Version", &Empty {})?;
    assert_eq!(version.runtime_name, "containerd");
    assert_eq!(version.runtime_api_version, "v1");
    let status: Status = cri.call("RuntimeService/Status", &Empty {})?;
    let conditions = status.status.unwrap_or_default().conditions;
    let mut conditions: Vec<_> = conditions
        .into_iter()
        .map(|one| (one.r#type, one.status))
        .collect();
    conditions.sort();
    let expected = [
        ("ContainerdHasNoDeprecationWarnings".to_owned(), true),
        ("NetworkReady".to_owned(), false),
        ("RuntimeReady".to_owned(), true),
    ];
    assert_eq!(conditions, expected);
    Ok(())
}

/// Only the image that every pod needs is kept from the kubelet's garbage collection.
fn images(cri: &Cri) -> Result<()> {
    // containerd tells CRI of an image after the import has returned.
    let mut images = Vec::new();
    for _ in 0..60 {
        let list: Images = cri.call("ImageService/ListImages", &Empty {})?;
        images = list
            .images
            .into_iter()
            .map(|image| (image.repo_tags, image.pinned))
            .collect();
        if images.len() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    images.sort();
    let expected = [
        (vec![PAUSE.to_owned()], true),
        (vec![WORKLOAD.to_owned()], false),
    ];
    assert_eq!(images, expected);
    Ok(())
}

/// In the node's network: a pod network would need a plugin.
const NAMESPACES: NamespaceOption = NamespaceOption {
    network: NODE,
    pid: 0,
};

fn pod() -> PodSandboxConfig {
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: "test".to_owned(),
            uid: "test-uid".to_owned(),
            namespace: "default".to_owned(),
        }),
        log_directory: LOGS.to_owned(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: "kubepods-test.slice".to_owned(),
            security_context: Some(LinuxSandboxSecurityContext {
                namespace_options: Some(NAMESPACES),
            }),
        }),
    }
}

fn run_sandbox(cri: &Cri) -> Result<String> {
    let request = RunPodSandbox {
        config: Some(pod()),
    };
    let sandbox: Sandbox = cri.call("RuntimeService/RunPodSandbox", &request)?;
    Ok(sandbox.pod_sandbox_id)
}

fn start(cri: &Cri, sandbox: &str) -> Result<String> {
    let config = ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: "hello".to_owned(),
        }),
        image: Some(ImageSpec {
            image: WORKLOAD.to_owned(),
        }),
        args: vec![SCRIPT.to_owned()],
        log_path: "hello.log".to_owned(),
        linux: Some(LinuxContainerConfig {
            security_context: Some(LinuxContainerSecurityContext {
                namespace_options: Some(NAMESPACES),
            }),
        }),
    };
    let request = CreateContainer {
        pod_sandbox_id: sandbox.to_owned(),
        config: Some(config),
        sandbox_config: Some(pod()),
    };
    let created: Container = cri.call("RuntimeService/CreateContainer", &request)?;
    let _: Empty = cri.call("RuntimeService/StartContainer", &created)?;
    Ok(created.container_id)
}

fn status(cri: &Cri, container: &str) -> Result<ContainerStatus> {
    let container_id = container.to_owned();
    let answer: ContainerStatusResponse = cri.call(
        "RuntimeService/ContainerStatus",
        &Container { container_id },
    )?;
    answer.status.context("no status")
}

/// The container's lines, once it has written three: `TIME stdout F LINE` each.
fn log(machine: &mut acl_tests::machine::Machine, path: &str) -> Result<Vec<String>> {
    assert_eq!(path, format!("{LOGS}/hello.log"));
    let text = machine.ask(&format!(
        "until [ $(wc -l < {path}) -ge 3 ]; do sleep 1; done; cat {path}"
    ))?;
    let line = |line: &str| line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned();
    Ok(text.lines().map(line).collect())
}

/// It is asked to end, and ends as it wants to.
fn stop(cri: &Cri, container: &str) -> Result<()> {
    let request = StopContainer {
        container_id: container.to_owned(),
        timeout: 60,
    };
    let _: Empty = cri.call("RuntimeService/StopContainer", &request)?;
    let status = status(cri, container)?;
    assert_eq!((status.state, status.exit_code), (EXITED, 7));
    Ok(())
}

fn remove(cri: &Cri, sandbox: &str, container: &str) -> Result<()> {
    let container_id = container.to_owned();
    let _: Empty = cri.call(
        "RuntimeService/RemoveContainer",
        &Container { container_id },
    )?;
    let sandbox = Sandbox {
        pod_sandbox_id: sandbox.to_owned(),
    };
    let _: Empty = cri.call("RuntimeService/StopPodSandbox", &sandbox)?;
    let _: Empty = cri.call("RuntimeService/RemovePodSandbox", &sandbox)?;
    Ok(())
}
