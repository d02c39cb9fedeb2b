//! The whole life of an update, recorded once: each chapter is what was done in one go.

use serde_json::json;

use super::{cut::Episode, finish::Goal, firmware::Releases, mount::Mounted, volume::Volume};
use crate::{
    node::{Node, Ran},
    over_the_bus,
    site::{Server, Site},
};

/// What was done in one go, and where a machine must come to that was cut in it: to any of the goals.
pub(crate) struct Chapter {
    pub(crate) episode: Episode,
    pub(crate) goals: Vec<Goal>,
}

/// What was recorded, and the repositories that it goes on with.
pub(crate) struct Story {
    pub(crate) chapters: Vec<Chapter>,
    pub(crate) site: Site,
    pub(crate) releases: Releases,
    /// A machine that runs release 2 for good, and has 1 in the other slot.
    pub(crate) committed: Volume,
    /// The repository before release 3 was published.
    before: Server,
}

/// A recorded machine.
struct Hero {
    mounted: Mounted,
    node: Node,
}

impl Hero {
    fn new(volume: Volume) -> Self {
        let mounted = Mounted::new(volume);
        let node = Node::at(mounted.path());
        Self { mounted, node }
    }
}

impl Story {
    /// Record it.
    pub(crate) fn tell() -> Self {
        let site = Site::new();
        site.publish("2");
        let before = site.freeze();
        let releases = Releases::of(&site, &["1", "2", "3"]);
        let new = Volume::read(Node::new(&site).dir());
        let mut story = Self {
            committed: new.clone(),
            chapters: Vec::new(),
            site,
            releases,
            before,
        };
        story.newer_in_the_middle(new.clone());
        let on_trial = story.first_update(new);
        story.second_update(story.committed.clone());
        story.bad_release(on_trial);
        story.operator_goes_back(story.committed.clone());
        let mut chapters = story.chapters.iter();
        assert!(
            chapters.any(|chapter| chapter.episode.flushes_in_the_middle()),
            "the file system is written in one go"
        );
        story
    }

    /// The first chapter with this name.
    pub(crate) fn chapter(&self, name: &str) -> &Chapter {
        let mut chapters = self.chapters.iter();
        chapters
            .find(|chapter| chapter.episode.name == name)
            .unwrap()
    }

    /// Where a machine comes to with release 3 on offer.
    pub(crate) fn newest(&self, bad: Option<&'static str>) -> Goal {
        Goal {
            url: self.site.url(),
            version: "3",
            bad,
        }
    }

    /// Where it comes to without.
    fn as_before(&self, version: &'static str, bad: Option<&'static str>) -> Goal {
        Goal {
            url: self.before.url(),
            version,
            bad,
        }
    }

    fn record(&mut self, hero: &Hero, name: &'static str, goals: &[Goal], act: impl FnOnce()) {
        let episode = hero.mounted.record(name, act);
        let goals = goals.to_vec();
        self.chapters.push(Chapter { episode, goals });
    }

    /// Release 3 is published while 2 is being written.
    fn newer_in_the_middle(&mut self, new: Volume) {
        let hero = Hero::new(new);
        let goals = [self.newest(None)];
        let episode = hero.mounted.record("a newer release comes", || {
            done(&hero.node.run(&[], &mut |line| {
                if line.contains("effect=\"write\" phase=\"start\"") {
                    self.site.publish("3");
                }
                false
            }));
        });
        self.chapters.push(Chapter {
            episode,
            goals: goals.to_vec(),
        });
        assert_eq!(hero.node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
        self.record(&hero, "and replaces the armed one", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    }

    /// From release 1 into an empty slot; the machine on trial.
    fn first_update(&mut self, new: Volume) -> Volume {
        let hero = Hero::new(new);
        hero.node.follow(&self.before.url());
        let goals = [self.as_before("2", None), self.newest(None)];
        self.record(&hero, "staging into an empty slot", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
        self.first_boot(&hero, "2", &goals);
        let on_trial = hero.mounted.volume();
        self.commit(&hero, "2", &goals);
        self.committed = hero.mounted.volume();
        on_trial
    }

    /// From release 2 over release 1.
    fn second_update(&mut self, committed: Volume) {
        let hero = Hero::new(committed);
        hero.node.follow(&self.site.url());
        let goals = [self.newest(None)];
        self.record(&hero, "staging over the older release", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.entries(), ["acl_2.efi", "acl_3+3.efi"]);
        self.first_boot(&hero, "3", &goals);
        self.commit(&hero, "3", &goals);
    }

    fn first_boot(&mut self, hero: &Hero, version: &str, goals: &[Goal]) {
        let at = |name: String| hero.node.esp().entries_directory().join(name);
        let (armed, tried) = (
            at(format!("acl_{version}+3.efi")),
            at(format!("acl_{version}+2-1.efi")),
        );
        self.record(hero, "first boot", goals, || {
            hero.mounted.rename_by_firmware(&armed, &tried);
        });
        hero.node.runs(&self.site, version);
        self.record(hero, "on trial", goals, || done(&hero.node.once()));
        assert_eq!(hero.node.state()["state"]["name"], "on-trial");
    }

    fn commit(&mut self, hero: &Hero, version: &str, goals: &[Goal]) {
        self.record(hero, "blessing", goals, || {
            hero.node.bless();
            acl_host::file::sync_dir(hero.node.esp().entries_directory()).unwrap();
            hero.mounted.sync_all();
        });
        self.record(hero, "commit", goals, || done(&hero.node.once()));
        let state = hero.node.state();
        assert_eq!(state["state"]["name"], "committed", "{version}: {state}");
    }

    /// Release 2 is on trial and not healthy.
    fn bad_release(&mut self, on_trial: Volume) {
        let hero = Hero::new(on_trial);
        let report = json!({"version": "2", "checks": [
            {"name": "units", "seconds": 0.1, "problem": "failed: containerd.service"}]});
        let report = report.to_string();
        hero.node
            .put("var/lib/acl/updater/health.json", report.as_bytes());
        let goals = [self.as_before("1", Some("2")), self.newest(Some("2"))];
        self.record(&hero, "leaving a bad release", &goals, || {
            done(&hero.node.go_back());
        });
        hero.node.runs(&self.site, "1");
        self.record(&hero, "back from a bad release", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.state()["state"]["name"], "rolled-back");
        hero.node.follow(&self.site.url());
        let goals = [self.newest(Some("2"))];
        self.record(&hero, "staging over a bad release", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    }

    /// Release 2 is committed, and the operator wants 1.
    fn operator_goes_back(&mut self, committed: Volume) {
        let hero = Hero::new(committed);
        let goals = [self.newest(None)];
        self.record(&hero, "the operator goes back", &goals, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(over_the_bus::roll_back(&hero.node));
        });
        assert_eq!(hero.node.entries(), ["acl_1.efi", "acl_2+0.efi"]);
        hero.node.runs(&self.site, "1");
        self.record(&hero, "back at the operator's word", &goals, || {
            done(&hero.node.once());
        });
        assert_eq!(hero.node.state()["state"]["name"], "rolled-back");
    }
}

fn done(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}
