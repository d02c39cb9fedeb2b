//! One stage, from its start to its record.

mod ending;
mod spool;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use acl_host::clock::{Clock, SystemClock};
use acl_host::file;

use crate::config::spec;
use crate::fetch::{Fetcher, Patience};
use crate::platform::cmdline::Arguments;
use crate::platform::{Machine, Platform};
use crate::root::Root;
use crate::stage::disks::{self, Done, Keys};
use crate::stage::fetch::{Decided, Sources};
use crate::stage::{Stage, crypttab, files, mount, umount};
use crate::status::{PROVISIONED, Ran, Status};
use crate::{Error, Result};
use spool::Spool;

/// How stages are run: Ignition's flags, and the machine.
#[derive(Debug)]
pub struct Run {
    /// `-platform`; none: the kernel argument's, else what the machine looks like.
    pub platform: Option<Platform>,
    /// `-root`; empty where the stage needs none.
    pub root: PathBuf,
    /// `-config-cache`: where `fetch` leaves the config for the other stages.
    pub cache: PathBuf,
    /// `-neednet`: what `fetch-offline` makes when the network is needed.
    pub need_network: PathBuf,
    /// `-state-file`: the record from stage to stage.
    pub state: PathBuf,
    /// `-fetch-timeout`; none: two minutes.
    pub fetch_timeout: Option<Duration>,
    /// Where configs of the system lie, the directory that counts most first; `/run/ignition`, `/etc/ignition`,
    /// `/usr/lib/ignition`.
    pub directories: Vec<PathBuf>,
    /// Everything that a stage logs goes here as well; on to ROOT at the end.
    pub log: PathBuf,
    /// Why a stage failed, for the console.
    pub report: PathBuf,
    /// The machine as platforms see it.
    pub machine: Machine,
    /// The machine as its disks are made.
    pub disks: disks::Machine,
}

impl Run {
    /// Runs a stage. When anything fails, the platform is told and the reason is left on ROOT, as far as that goes.
    ///
    /// # Errors
    /// Those of the stage.
    pub async fn stage(&self, stage: Stage) -> Result<()> {
        let clock = Instant::now();
        let mut ran = Ran::begin(stage, SystemClock.now());
        let mut status = Status::default();
        tracing::info!("stage {stage} begins");
        let ended = self.attempt(stage, &mut status, &mut ran, clock).await;
        let seconds = clock.elapsed().as_secs_f64();
        if let Err(error) = &ended {
            ran.seconds = seconds;
            ran.error = Some(acl_host::error::chain(error));
            status.add(ran);
            // What runs after all the same must not find that everything went well.
            if let Err(error) = file::write_private(&self.state, &status.to_json()) {
                tracing::error!("{}", acl_host::error::chain(&error));
            }
            match error.is_of_a_live_machine() {
                true => self.show_failure(stage, &status),
                false => {
                    let platform = self.platform().unwrap_or(Platform::Metal);
                    self.tell_failure(stage, platform, &status).await;
                }
            }
        }
        tracing::info!("stage {stage} ends after {seconds:.3} s");
        ended
    }

    async fn attempt(
        &self,
        stage: Stage,
        status: &mut Status,
        ran: &mut Ran,
        clock: Instant,
    ) -> Result<()> {
        *status = Status::read(&self.state)?;
        let platform = self.platform()?;
        status.platform = platform.to_string();
        status.release = self.release();
        let done = self.carry_out(stage, platform, status).await?;
        ran.done = done.iter().map(Done::to_string).collect();
        ran.done.iter().for_each(|line| tracing::info!("{line}"));
        ran.seconds = clock.elapsed().as_secs_f64();
        status.add(ran.clone());
        file::write_private(&self.state, &status.to_json())?;
        // Not before: what the config mounted could hide ROOT, where the marker has to be.
        if stage == Stage::Umount && status.is_complete() {
            self.finish(platform, status).await?;
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        stage: Stage,
        platform: Platform,
        status: &mut Status,
    ) -> Result<Vec<Done>> {
        let needs_root = matches!(stage, Stage::Mount | Stage::Files | Stage::Umount);
        if needs_root && self.root.as_os_str().is_empty() {
            return Err(Error::NoRoot { stage });
        }
        if matches!(stage, Stage::FetchOffline | Stage::Fetch | Stage::Disks) {
            self.refuse_a_live_machine()?;
        }
        match stage {
            Stage::FetchOffline => self.fetch(platform, status, false).await,
            Stage::Fetch => self.fetch(platform, status, true).await,
            Stage::Kargs => Ok(Vec::new()),
            Stage::Disks => {
                let config = self.config()?;
                let volumes = config
                    .storage
                    .as_ref()
                    .and_then(|storage| storage.luks.as_deref());
                let keys =
                    Keys::fetch(volumes.unwrap_or_default(), &self.fetcher(&config).await?).await?;
                disks::apply(&config, &keys, &self.disks)
            }
            Stage::Mount => mount::apply(&self.config()?, &self.root, &self.disks),
            Stage::Files => {
                let config = self.config()?;
                let root = Root::open(&self.root)?;
                // In an initrd other temporary files are memory.
                let spool = Spool::make(&root)?;
                let fetcher = self.fetcher(&config).await?.spooling_in(spool.path());
                let done = files::apply(&config, &root, &fetcher).await?;
                crypttab::write(&config, &root, &self.disks)?;
                Ok(done)
            }
            Stage::Umount => umount::apply(&self.config()?, &self.root, &self.disks),
        }
    }

    /// Before anything is decided or erased: a machine that has the record of a first boot is not made anew, nor one of
    /// which nobody can say whether it has.
    ///
    /// The units' `ConditionPathExists=!` does not tell "not there" from "cannot be looked at": systemd asks access(2),
    /// and takes every error as "not there".
    fn refuse_a_live_machine(&self) -> Result<()> {
        if self.root.as_os_str().is_empty() {
            return Ok(());
        }
        let path = self.root.join(PROVISIONED.trim_start_matches('/'));
        let there = || match Root::open(&self.root)?.find(PROVISIONED)? {
            Some(place) => Ok(place.node()?.is_some()),
            None => Ok(false),
        };
        match there() {
            Ok(false) => Ok(()),
            Ok(true) => Err(Error::Provisioned { path }),
            Err(source) => Err(Error::Record {
                path,
                source: Box::new(source),
            }),
        }
    }

    async fn fetch(
        &self,
        platform: Platform,
        status: &mut Status,
        online: bool,
    ) -> Result<Vec<Done>> {
        if file::exists(&self.cache)? {
            return Ok(vec![Done::new("config", "fetched already")]);
        }
        let sources = Sources {
            machine: &self.machine,
            platform,
            directories: &self.directories,
        };
        let fetcher = Fetcher::new(self.patience())?;
        let Some(Decided { config, origins }) = sources.decide(&fetcher, online).await? else {
            file::make_parents(&self.need_network)?;
            file::write(&self.need_network, b"")?;
            return Ok(vec![Done::new("config", "needs the network")]);
        };
        file::make_parents(&self.cache)?;
        file::write_private(&self.cache, &serde_json::to_vec(&config)?)?;
        let done = origins
            .iter()
            .map(|origin| Done::new(&origin.place, format!("{} config", origin.kind)))
            .collect();
        status.origins = origins;
        Ok(done)
    }

    /// The config that `fetch` left.
    fn config(&self) -> Result<spec::Config> {
        if !file::exists(&self.cache)? {
            return Err(Error::NoCache {
                path: self.cache.clone(),
            });
        }
        let bytes = file::read(&self.cache)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Status {
            path: self.cache.clone(),
            source,
        })
    }

    async fn fetcher(&self, config: &spec::Config) -> Result<Fetcher> {
        Fetcher::new(self.patience())?.with(&config.ignition).await
    }

    fn patience(&self) -> Patience {
        let default = Patience::default();
        Patience {
            fetch_timeout: self.fetch_timeout.unwrap_or(default.fetch_timeout),
            ..default
        }
    }

    fn platform(&self) -> Result<Platform> {
        let arguments = Arguments::parse(&self.machine.cmdline)?;
        let named = self.platform.or(arguments.platform);
        Ok(named.unwrap_or_else(|| Platform::detect(&self.machine)))
    }

    /// The version of the release in the root; nothing where it does not say.
    fn release(&self) -> String {
        let text =
            Root::open(&self.root).and_then(|root| root.read_to_string("/usr/lib/os-release"));
        let text = text.ok().flatten().unwrap_or_default();
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("IMAGE_VERSION="));
        version.unwrap_or_default().trim_matches('"').to_owned()
    }
}
