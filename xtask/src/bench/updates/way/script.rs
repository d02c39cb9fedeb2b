//! Ways whose manual is a line of shell: what a publisher types, and what a node runs.
//!
//! Each handles `/usr` and the kernel image alike. The node's line ends when the slot is durable. What is served for
//! `/usr` starts with `usr`, so that it can be told apart.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

use acl_tests::stamp::Inputs;
use anyhow::{Context, Result};

use super::{Taken, must_hold};
use crate::bench::updates::kit::Kit;
use crate::bench::updates::pair::Sides;
use crate::bench::updates::published::{Cost, Published, bytes_below, publish};
use crate::bench::updates::server::{Server, sum};
use crate::bench::usage::{self, Usage};

/// The parts that peers carry, and how big their slots are made.
const PARTS: [&str; 2] = ["usr", "uki"];

/// A way.
#[derive(Debug)]
pub(super) struct Script {
    name: &'static str,
    /// What was done when the old release was published: `$part`, `$old`, in the directory that is served.
    before: &'static str,
    /// Publishes `$new`, which nodes with `$old` shall get.
    publish: &'static str,
    /// Gets it from `$site` into `$slot`; `$old` is what the node has, `$work` a directory for what is in between.
    stage: &'static str,
}

pub(super) const DD: Script = Script {
    name: "dd",
    before: "",
    publish: "ln -s $new $part",
    stage: "curl -sSf $site/$part | dd of=$slot bs=1M iflag=fullblock conv=notrunc,fsync status=none",
};

pub(super) const WHOLE: Script = Script {
    name: "whole",
    before: "",
    publish: "zstd -q -19 -T0 $new -o $part.zst",
    stage: "curl -sSf $site/$part.zst | zstd -q -d -c | dd of=$slot bs=1M iflag=fullblock conv=notrunc,fsync status=none",
};

/// The old image must lie in memory, as wide as the window.
pub(super) const ZSTD_PATCH: Script = Script {
    name: "zstd-patch",
    before: "",
    publish: "zstd -q -19 --long=31 --patch-from=$old $new -o $part.patch",
    stage: "curl -sSf $site/$part.patch -o $work/patch
        zstd -q -d -c --long=31 --patch-from=$old $work/patch | dd of=$slot bs=1M iflag=fullblock conv=notrunc,fsync status=none
        rm $work/patch",
};

pub(super) const XDELTA3: Script = Script {
    name: "xdelta3",
    before: "",
    publish: "xdelta3 -e -q -9 -S lzma -B 536870912 -s $old $new $part.delta",
    stage: "curl -sSf $site/$part.delta -o $work/delta
        xdelta3 -d -q -c -B 536870912 -s $old $work/delta | dd of=$slot bs=1M iflag=fullblock conv=notrunc,fsync status=none
        rm $work/delta",
};

pub(super) const CASYNC: Script = Script {
    name: "casync",
    before: "casync make --store=$part.castr $part.old.caibx $old",
    publish: "casync make --store=$part.castr $part.caibx $new",
    stage: "casync extract --seed=$old --store=$site/$part.castr $site/$part.caibx $slot
        sync $slot",
};

impl Script {
    pub(super) fn take(&self, kit: &Kit, sides: &Sides, scratch: &Path) -> Result<Taken> {
        let published = self.published(kit, sides)?;
        let server = Server::serve(&published.directory)?;
        let mut usage = Usage::default();
        for part in PARTS {
            usage = usage.then(self.stage(kit, sides, part, &server, scratch)?);
        }
        let answers = server.answers();
        Ok(Taken {
            traffic: sum(&answers, |_| true),
            usr: sum(&answers, |path| path.starts_with("/usr")).bytes,
            usage,
            in_vm: false,
            served: published.directory.clone(),
            published,
            answers,
        })
    }

    fn published(&self, kit: &Kit, sides: &Sides) -> Result<Published> {
        let inputs = Inputs::default().word(self.before).word(self.publish);
        let inputs = sides.new.identify(sides.old.identify(inputs)?)?;
        let (old, new) = (&sides.old.version, &sides.new.version);
        let name = format!("{}-{old}-{new}", self.name);
        publish(kit, &name, &inputs, |out| {
            for part in PARTS {
                run(kit, sides, part, self.before, &[("out", out.into())])?;
            }
            let before = bytes_below(out)?;
            let mut seconds = 0.0;
            for part in PARTS {
                seconds += run(kit, sides, part, self.publish, &[("out", out.into())])?.seconds;
            }
            Ok(Cost {
                seconds,
                bytes: bytes_below(out)? - before,
            })
        })
    }

    fn stage(
        &self,
        kit: &Kit,
        sides: &Sides,
        part: &str,
        server: &Server,
        scratch: &Path,
    ) -> Result<Usage> {
        let slot = scratch.join(part);
        File::create(&slot)?.set_len(sides.room(part)?)?;
        let variables = [
            ("out", scratch.into()),
            ("work", scratch.into()),
            ("slot", slot.clone().into_os_string()),
            ("site", server.url().into()),
        ];
        let usage = run(kit, sides, part, self.stage, &variables)?;
        must_hold(&slot, 0, &sides.new.file(part)?)?;
        std::fs::remove_file(slot)?;
        Ok(usage)
    }
}

/// Runs a line in the directory `$out`, and tells what it took.
fn run(
    kit: &Kit,
    sides: &Sides,
    part: &str,
    line: &str,
    more: &[(&'static str, OsString)],
) -> Result<Usage> {
    let mut environment = kit.environment();
    environment.extend([
        ("part", part.into()),
        ("old", sides.old.file(part)?.into_os_string()),
        ("new", sides.new.file(part)?.into_os_string()),
    ]);
    environment.extend(more.iter().cloned());
    let script = format!("cd $out\n{line}");
    usage::of(
        Path::new("/bin/sh"),
        &["-euc".into(), script.into()],
        &environment,
    )
    .with_context(|| format!("this failed for {part}: {line}"))
}
