//! The same container host from two releases of Debian, built by the image builder.

use acl_tests::releases::{self, Order};
use acl_tests::stamp::{Inputs, reuse};
use acl_tests::workspace::{self, Program};
use anyhow::Result;

use super::Sides;
use crate::bench::updates::image::Image;
use crate::bench::updates::kit::{self, Kit};

/// The recipe and the version of each.
const OLD: (&str, &str) = ("bookworm.toml", "12.0.0");
const NEW: (&str, &str) = ("trixie.toml", "13.0.0");

/// Both; built when they are not there.
pub(super) fn sides(kit: &Kit) -> Result<Sides> {
    Ok(Sides {
        old: build(kit, OLD)?,
        new: build(kit, NEW)?,
    })
}

fn build(kit: &Kit, (recipe, version): (&str, &str)) -> Result<Image> {
    let directory = kit.directory.join("images").join(version);
    let keys = releases::keys()?;
    let inputs = Inputs::default()
        .path(&kit::recipe(""))?
        .path(&keys)?
        .path(&Program::Image.path()?)?;
    reuse(&directory, &inputs, |out| {
        Order {
            recipe: &kit::recipe(recipe),
            version,
            keys: &keys,
            out,
            cache: &workspace::cache()?,
            programs: &workspace::target()?.join("release"),
            without: None,
        }
        .run()?;
        // Nobody boots it.
        Ok(std::fs::remove_file(
            out.join(format!("acl_{version}.raw")),
        )?)
    })?;
    Image::read(&directory, version)
}
