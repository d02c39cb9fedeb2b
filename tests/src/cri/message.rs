//! Messages of `runtime.v1` (Kubernetes' `cri-api`, `api.proto`), as far as a test of a container needs them. Fields
//! that are not here are left out when a message is read.

use prost::Message;

/// `NamespaceMode.NODE`: the namespace of the node itself.
pub const NODE: i32 = 2;
/// `ContainerState.CONTAINER_RUNNING`.
pub const RUNNING: i32 = 1;
/// `ContainerState.CONTAINER_EXITED`.
pub const EXITED: i32 = 2;

/// A request or an answer in which nothing stands.
#[derive(Clone, PartialEq, Message)]
pub struct Empty {}

/// `VersionResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Version {
    /// The runtime.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// Of the interface.
    #[prost(string, tag = "4")]
    pub runtime_api_version: String,
}

/// `StatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// What holds and what does not.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Conditions>,
}

/// `RuntimeStatus`.
#[derive(Clone, PartialEq, Message)]
pub struct Conditions {
    /// Each with its name.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<Condition>,
}

/// `RuntimeCondition`.
#[derive(Clone, PartialEq, Message)]
pub struct Condition {
    /// Such as `RuntimeReady`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// Whether it holds.
    #[prost(bool, tag = "2")]
    pub status: bool,
}

/// `ListImagesResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Images {
    /// All images.
    #[prost(message, repeated, tag = "1")]
    pub images: Vec<Image>,
}

/// `Image`.
#[derive(Clone, PartialEq, Message)]
pub struct Image {
    /// Digest of its configuration.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its names.
    #[prost(string, repeated, tag = "2")]
    pub repo_tags: Vec<String>,
    /// Whether the kubelet must keep it.
    #[prost(bool, tag = "8")]
    pub pinned: bool,
}

/// `RunPodSandboxRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct RunPodSandbox {
    /// The pod.
    #[prost(message, optional, tag = "1")]
    pub config: Option<PodSandboxConfig>,
}

/// `PodSandboxConfig`.
#[derive(Clone, PartialEq, Message)]
pub struct PodSandboxConfig {
    /// Its names.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<PodSandboxMetadata>,
    /// Where the logs of its containers go.
    #[prost(string, tag = "3")]
    pub log_directory: String,
    /// What is Linux's own.
    #[prost(message, optional, tag = "8")]
    pub linux: Option<LinuxPodSandboxConfig>,
}

/// `PodSandboxMetadata`.
#[derive(Clone, PartialEq, Message)]
pub struct PodSandboxMetadata {
    /// The pod's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The pod's unique name.
    #[prost(string, tag = "2")]
    pub uid: String,
    /// The pod's namespace.
    #[prost(string, tag = "3")]
    pub namespace: String,
}

/// `LinuxPodSandboxConfig`.
#[derive(Clone, PartialEq, Message)]
pub struct LinuxPodSandboxConfig {
    /// With the driver `systemd`, a slice.
    #[prost(string, tag = "1")]
    pub cgroup_parent: String,
    /// Which namespaces it has.
    #[prost(message, optional, tag = "2")]
    pub security_context: Option<LinuxSandboxSecurityContext>,
}

/// `LinuxSandboxSecurityContext`.
#[derive(Clone, PartialEq, Message)]
pub struct LinuxSandboxSecurityContext {
    /// Its namespaces.
    #[prost(message, optional, tag = "1")]
    pub namespace_options: Option<NamespaceOption>,
}

/// `NamespaceOption`.
#[derive(Clone, PartialEq, Message)]
pub struct NamespaceOption {
    /// Of the network.
    #[prost(int32, tag = "1")]
    pub network: i32,
    /// Of processes.
    #[prost(int32, tag = "2")]
    pub pid: i32,
}

/// Names one sandbox: `RunPodSandboxResponse`, `StopPodSandboxRequest`, `RemovePodSandboxRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct Sandbox {
    /// Its identifier.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
}

/// `CreateContainerRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct CreateContainer {
    /// Its sandbox.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
    /// The container.
    #[prost(message, optional, tag = "2")]
    pub config: Option<ContainerConfig>,
    /// The sandbox's, once more.
    #[prost(message, optional, tag = "3")]
    pub sandbox_config: Option<PodSandboxConfig>,
}

/// `ContainerConfig`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerConfig {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<ContainerMetadata>,
    /// Its image.
    #[prost(message, optional, tag = "2")]
    pub image: Option<ImageSpec>,
    /// Arguments behind the image's entry point.
    #[prost(string, repeated, tag = "4")]
    pub args: Vec<String>,
    /// Its log, below the pod's directory.
    #[prost(string, tag = "11")]
    pub log_path: String,
    /// What is Linux's own.
    #[prost(message, optional, tag = "15")]
    pub linux: Option<LinuxContainerConfig>,
}

/// `ContainerMetadata`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerMetadata {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `ImageSpec`.
#[derive(Clone, PartialEq, Message)]
pub struct ImageSpec {
    /// The image's name or identifier.
    #[prost(string, tag = "1")]
    pub image: String,
}

/// `LinuxContainerConfig`.
#[derive(Clone, PartialEq, Message)]
pub struct LinuxContainerConfig {
    /// Which namespaces it has.
    #[prost(message, optional, tag = "2")]
    pub security_context: Option<LinuxContainerSecurityContext>,
}

/// `LinuxContainerSecurityContext`.
#[derive(Clone, PartialEq, Message)]
pub struct LinuxContainerSecurityContext {
    /// Its namespaces.
    #[prost(message, optional, tag = "3")]
    pub namespace_options: Option<NamespaceOption>,
}

/// Names one container: `CreateContainerResponse`, `StartContainerRequest`, `ContainerStatusRequest`,
/// `RemoveContainerRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct Container {
    /// Its identifier.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// `StopContainerRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct StopContainer {
    /// Which.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Seconds that it may take to end by itself.
    #[prost(int64, tag = "2")]
    pub timeout: i64,
}

/// `ContainerStatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerStatusResponse {
    /// How it is.
    #[prost(message, optional, tag = "1")]
    pub status: Option<ContainerStatus>,
}

/// `ContainerStatus`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerStatus {
    /// `ContainerState`.
    #[prost(int32, tag = "3")]
    pub state: i32,
    /// What it ended with.
    #[prost(int32, tag = "7")]
    pub exit_code: i32,
    /// Its log in the machine.
    #[prost(string, tag = "15")]
    pub log_path: String,
}

/// `ExecSyncRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ExecSync {
    /// In which container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The program and its arguments.
    #[prost(string, repeated, tag = "2")]
    pub cmd: Vec<String>,
    /// Seconds that it may take.
    #[prost(int64, tag = "3")]
    pub timeout: i64,
}

/// `ExecSyncResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Executed {
    /// What it wrote.
    #[prost(bytes = "vec", tag = "1")]
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    #[prost(bytes = "vec", tag = "2")]
    pub stderr: Vec<u8>,
    /// What it ended with.
    #[prost(int32, tag = "3")]
    pub exit_code: i32,
}
