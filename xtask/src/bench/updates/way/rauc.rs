//! RAUC: a verity bundle whose images carry a block hash index, installed by streaming ("adaptive update").
//!
//! Made as its manual says to make bundles that stream well: small blocks of the squashfs, compressed by zstd.

use std::path::Path;

use acl_tests::stamp::{Inputs, reuse};
use anyhow::{Context, Result};

use super::guest::Guest;
use super::{Taken, must_hold};
use crate::bench::updates::kit::Kit;
use crate::bench::updates::pair::Sides;
use crate::bench::updates::published::{Cost, Published, bytes_below, publish};
use crate::bench::updates::server::Server;
use crate::bench::usage;

/// Makes a key and a certificate that signs and is trusted.
const KEYS: &str = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=bench \
    -keyout key.pem -out bundle.pem 2>openssl.log";

/// Slots take whole blocks of 4 KiB, which a kernel image is not.
const BUNDLE: &str = r#"
cd "$out"
mkdir content
cp "$usr" content/usr.img
cp "$uki" content/uki.img
truncate -s %4096 content/uki.img
cat >content/manifest.raucm <<MANIFEST
[update]
compatible=acl
version=$version

[bundle]
format=verity

[image.usr]
filename=usr.img
adaptive=block-hash-index

[image.uki]
filename=uki.img
adaptive=block-hash-index
MANIFEST
rauc bundle --cert="$keys/bundle.pem" --key="$keys/key.pem" --mksquashfs-args='-comp zstd -b 64k' content release.raucb
rm -r content
"#;

pub(super) fn take(kit: &Kit, sides: &Sides, scratch: &Path) -> Result<Taken> {
    let published = published(kit, sides)?;
    let server = Server::serve(&published.directory)?;
    let guest = Guest::ready(kit)?;
    let disks = guest.disks(sides, scratch)?;
    let usage = guest.install(kit, &disks, server.address.port(), scratch)?;
    must_hold(&disks[1], 0, &sides.new.file("usr")?)?;
    must_hold(&disks[3], 0, &sides.new.file("uki")?)?;

    let begin = server.at_mark("begin")?;
    Ok(Taken {
        traffic: server.at_mark("end")? - begin,
        usr: (server.at_mark("usr")? - begin).bytes,
        usage,
        in_vm: true,
        served: published.directory.clone(),
        answers: server.answers(),
        published,
    })
}

fn published(kit: &Kit, sides: &Sides) -> Result<Published> {
    let keys = kit.directory.join("rauc-keys");
    reuse(&keys, &Inputs::default().word(KEYS), |empty| {
        let mut environment = kit.environment();
        environment.push(("out", empty.into()));
        let script = format!("cd \"$out\"\n{KEYS}");
        shell(&script, &environment).map(|_| ())
    })?;
    let inputs = Inputs::default().word(BUNDLE).path(&keys)?;
    let inputs = sides.new.identify(inputs)?;
    publish(
        kit,
        &format!("rauc-{}", sides.new.version),
        &inputs,
        |out| {
            let mut environment = kit.environment();
            environment.extend([
                ("out", out.into()),
                ("keys", keys.clone().into_os_string()),
                ("version", (&sides.new.version).into()),
                ("usr", sides.new.file("usr")?.into_os_string()),
                ("uki", sides.new.file("uki")?.into_os_string()),
            ]);
            let usage = shell(BUNDLE, &environment)?;
            let bytes = bytes_below(out)?;
            // The guest gets it as a node has its keyring: not as a part of the update.
            std::fs::copy(keys.join("bundle.pem"), out.join("bundle.pem"))?;
            Ok(Cost {
                seconds: usage.seconds,
                bytes,
            })
        },
    )
}

fn shell(script: &str, environment: &[(&str, std::ffi::OsString)]) -> Result<usage::Usage> {
    let arguments = ["-euc".into(), script.into()];
    usage::of(Path::new("/bin/sh"), &arguments, environment).context("cannot make a bundle of RAUC")
}
