//! Reads the repository and chooses.

use acl_host::{clock::Clock, file};
use acl_release::{
    channel::{Channel, ChannelName},
    choose::{self, Decision, Reason, Stand, Verdict},
    manifest::{Manifest, Package},
    repository::{http::Network, read::Repository, sources::Sources},
};
use acl_updater_core::{
    Version,
    event::{Obstacle, Offer, Outcome, Unreachable, Unread},
    machine::Facts,
    record::Refused,
    state::{State, Who},
};
use tokio::sync::RwLock;

use super::{Error, fit};
use crate::{
    config::{self, Config},
    feed::synchronised::is_synchronised,
    machine::Machine,
    packages,
    session::{Found, Session},
};

/// The architecture as systemd names it.
pub(super) const ARCH: &str = if cfg!(target_arch = "x86_64") {
    "x86-64"
} else {
    "arm64"
};

/// What there is to take, and what keeps the armed release from being booted.
pub(super) async fn check(
    session: &mut Session,
    state: &State,
) -> Result<(Outcome, Option<Obstacle>), Error> {
    session.found = None;
    let config = Config::load(&session.machine.root)?;
    session.unreachable = (config.unreachable, config.wait_limit);
    let repository = open(session, &config).await?;
    if session.machine.is_this_one() && is_synchronised().await {
        remember_time(&repository).await?;
    }
    let stand = stand(&state.machine, &state.refused)?;
    let channel = channel(&repository, &config.channel).await?;
    let now = session.clock.now();
    let armed = state.machine.armed();
    let taken_back = armed.and_then(|armed| fit::taken_back(&channel, (&stand, now), armed));
    if let Some(obstacle) = taken_back {
        // It is disarmed, and another check finds what there is instead.
        let nothing = nothing((obstacle.reason.clone(), None), Vec::new());
        return Ok((nothing, Some(obstacle)));
    }
    let armed = armed.and_then(|armed| armed.as_str().parse().ok());
    let at = (&stand, now);
    let here = (&*session.machine, &*state.unfit);
    let chosen = fit::choose(here, &repository, &channel, at, armed.as_ref()).await?;
    let obstacle = fit::obstacle(&session.machine, &repository, &chosen, state).await?;
    let told = |verdict: &Verdict| told(verdict, &state.refused);
    let fault = chosen.fault(&stand.running);
    let fault = fault.map(|(verdict, who)| (told(verdict), who));
    let (decision, manifest) = (chosen.decision, chosen.manifest);
    let unclear = decision.unclear.iter().map(ToString::to_string);
    let verdicts = decision.verdicts.iter().map(told).chain(unclear).collect();
    let reason = decision
        .deciding()
        .map_or_else(|| decision.to_string(), told);
    let Some(manifest) = manifest else {
        let why = fault.map_or((reason, None), |(reason, who)| (reason, Some(who)));
        return Ok((nothing(why, verdicts), obstacle));
    };
    let digest = repository
        .manifest_digest(&manifest.version, ARCH)
        .ok_or(Error::NothingFound)?;
    let offer = Offer {
        version: Version::new(manifest.version.as_str()),
        reason,
        verdicts,
        bytes: bytes(&manifest),
        packages: packages::changes(&installed(&session.machine), &manifest.packages),
    };
    session.found = Some(Found {
        repository: RwLock::new(repository),
        digest,
        manifest,
        channel: config.channel,
        stand,
        running: session.machine.root_hash()?,
        check_interval: config.check_interval,
    });
    Ok((Outcome::Offer(offer), obstacle))
}

fn nothing((reason, at_fault): (String, Option<Who>), verdicts: Vec<String>) -> Outcome {
    Outcome::Nothing {
        reason,
        verdicts,
        at_fault,
    }
}

/// What the operator wants done about a reboot after `error`, with which a check ended.
pub(super) fn unread(session: &Session, error: &Error) -> Option<Unread> {
    let Error::ReadRepository { source } = error else {
        return None;
    };
    let (configured, limit) = session.unreachable;
    let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let then = match configured {
        // Who answers what is not right is not out of reach.
        config::Unreachable::Go if source.is_unreachable() => Unreachable::Go,
        _ => Unreachable::Wait { limit },
    };
    let at = u64::try_from(session.clock.now().as_millisecond()).unwrap_or_default();
    Some(Unread { then, at })
}

/// A verdict; of a release that is refused here, with why: it may be the operator who went back from it.
fn told(verdict: &Verdict, refused: &[Refused]) -> String {
    let version = verdict.version.as_str();
    let why = refused.iter().find(|r| r.version.as_str() == version);
    match (&verdict.reason, why) {
        (Reason::FailedHere, Some(why)) => format!(
            "{version} is not taken again on this node, because {}; `aclctl retry` allows it again",
            why.reason
        ),
        _ => verdict.to_string(),
    }
}

/// What a channel offers now.
pub(super) async fn decide(
    clock: &dyn Clock,
    repository: &Repository,
    channel: &ChannelName,
    stand: &Stand,
) -> Result<Decision, Error> {
    let channel = self::channel(repository, channel).await?;
    Ok(choose::choose(stand, &channel, clock.now()))
}

async fn channel(repository: &Repository, name: &ChannelName) -> Result<Channel, Error> {
    let channel = repository.channel(name).await;
    channel.map_err(|source| Error::ReadRepository { source })
}

/// The manifest of a release as the repository has it now.
pub(super) async fn manifest_again(found: &Found) -> Result<Manifest, Error> {
    let repository = found.repository.read().await;
    let manifest = repository.manifest(&found.manifest.version, ARCH).await;
    manifest.map_err(|source| Error::ReadRepository { source })
}

async fn open(session: &mut Session, config: &Config) -> Result<Repository, Error> {
    let server = config.server.as_ref().ok_or(Error::NoServer)?;
    let root = file::read(&config.root).map_err(|source| Error::ReadTrustedRoot { source })?;
    let datastore = session.machine.state_dir().join("tuf");
    let network = network(config)?;
    let (way, clock) = (&mut session.way, &session.clock);
    let opened = async {
        let http = way.over(network, clock)?;
        let addresses = std::iter::once(server).chain(&config.mirrors);
        let sources = Sources::parse(addresses.map(|url| url.as_str()))?;
        Repository::open(sources, &root, &datastore, http, clock.clone()).await
    };
    opened
        .await
        .map_err(|source| Error::ReadRepository { source })
}

/// A clock that is set back to before this time is refused from now on.
async fn remember_time(repository: &Repository) -> Result<(), Error> {
    let remembered = repository.remember_time().await;
    remembered.map_err(|source| Error::ReadRepository { source })
}

fn network(config: &Config) -> Result<Network, Error> {
    let authorities = config.ca.as_ref().map(file::read).transpose();
    Ok(Network {
        proxy: config.proxy.clone(),
        authorities: authorities
            .map_err(|source| Error::ReadAuthorities { source })?
            .unwrap_or_default(),
        bandwidth: config.bandwidth,
        min_throughput: config.min_throughput,
    })
}

fn stand(machine: &Facts, refused: &[Refused]) -> Result<Stand, Error> {
    let running = machine
        .running
        .as_str()
        .parse()
        .map_err(|source| Error::RunningVersion { source })?;
    Ok(Stand {
        running,
        // What cannot be parsed was never a release of a channel.
        failed: refused
            .iter()
            .filter_map(|refused| refused.version.as_str().parse().ok())
            .collect(),
    })
}

fn bytes(manifest: &Manifest) -> u64 {
    let parts = &manifest.artifacts;
    [&parts.usr, &parts.verity, &parts.signature, &parts.uki]
        .iter()
        .fold(0, |sum: u64, artifact| sum.saturating_add(artifact.size))
}

/// The packages of the running release; none when its image does not tell.
fn installed(machine: &Machine) -> Vec<Package> {
    let path = machine.root.join("usr/share/acl/packages.json");
    let read = file::read(&path).ok();
    read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
