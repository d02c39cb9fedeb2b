//! The provisioning medium: a disc with what Azure tells a machine.

use std::path::{Path, PathBuf};

use acl_host::file;
use acl_host::tool::{Tool, Tools};
use anyhow::{Context, Result};

/// What is on the disc.
#[derive(Debug)]
pub struct Medium {
    /// `ovf-env.xml`.
    pub environment: String,
    /// `CustomData.bin`; none without it.
    pub custom_data: Option<String>,
}

impl Medium {
    /// Writes its image into `directory`, with UDF as Azure has it. It is ISO 9660 too, since no program writes UDF
    /// alone without mounting it; the long names are UDF's.
    ///
    /// # Errors
    /// When the image cannot be made.
    pub fn burn(&self, tools: &Tools, directory: &Path) -> Result<PathBuf> {
        let files = directory.join("medium");
        std::fs::create_dir_all(&files)?;
        file::scratch(files.join("ovf-env.xml"), self.environment.as_bytes())?;
        if let Some(custom_data) = &self.custom_data {
            file::scratch(files.join("CustomData.bin"), custom_data.as_bytes())?;
        }
        let image = directory.join("medium.iso");
        tools
            .command(Tool::Genisoimage)
            .args(["-quiet", "-udf", "-volid", "rd_rdfe_stable", "-output"])
            .arg(&image)
            .arg(&files)
            .run()
            .context("cannot make the provisioning medium")?;
        Ok(image)
    }
}
