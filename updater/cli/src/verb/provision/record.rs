//! What first boots left on ROOT, as far as it is shown.
//!
//! The documents are those of `acl_provision::status`, read anew here: the crate would bring its HTTP client and TLS into
//! this program. Tests write with the one and read with the other.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use acl_host::file;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The form of the documents that is understood.
const SCHEMA: u64 = 1;
/// Where the documents are, below the root.
const DIRECTORY: &str = "var/lib/acl/provision";

/// Where they are.
#[derive(Debug)]
pub(crate) struct Places {
    /// The record, and the marker: while it is there, the next boot is not a first boot.
    pub(crate) provisioned: PathBuf,
    /// The record, after a reset.
    pub(crate) provisioned_before: PathBuf,
    /// The record of a first boot that failed.
    pub(crate) failed: PathBuf,
    /// The log of the last first boot.
    pub(crate) log: PathBuf,
    /// The log of the one before the last reset.
    pub(crate) log_before: PathBuf,
    /// What runs.
    pub(crate) os_release: PathBuf,
}

/// What they say.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The first boot that ended well; none: the next boot is a first boot.
    pub(crate) provisioned: Option<Record>,
    /// One that failed, and was not followed by one that ended well.
    pub(crate) failed: Option<Record>,
    /// Whether there is no record because of a reset.
    pub(crate) reset: bool,
    /// The record that was reset, unless it is damaged; only after a reset.
    pub(crate) before: Option<Record>,
    /// The log of the last first boot.
    pub(crate) log: Option<String>,
    /// Whether an image of ACL runs here, as far as os-release says.
    pub(crate) image: bool,
}

/// A record.
#[derive(Debug)]
pub(crate) struct Record {
    /// As it was written.
    json: Value,
    /// As it is understood.
    pub(crate) status: Status,
}

/// The record of a first boot.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) platform: String,
    pub(crate) release: String,
    pub(crate) origins: Vec<Origin>,
    pub(crate) stages: Vec<Ran>,
}

/// Where a part of the config is from.
#[derive(Debug, Deserialize)]
pub(crate) struct Origin {
    pub(crate) kind: String,
    pub(crate) place: String,
    pub(crate) sha512: String,
}

/// A stage that ran.
#[derive(Debug, Deserialize)]
pub(crate) struct Ran {
    pub(crate) stage: String,
    pub(crate) began: String,
    pub(crate) seconds: f64,
    pub(crate) done: Vec<String>,
    pub(crate) error: Option<String>,
}

impl Places {
    /// Those of the machine whose root is `root`.
    pub(crate) fn below(root: &Path) -> Self {
        let directory = root.join(DIRECTORY);
        Self {
            provisioned: directory.join("provisioned.json"),
            provisioned_before: directory.join("provisioned.json.before"),
            failed: directory.join("failed.json"),
            log: directory.join("log"),
            log_before: directory.join("log.before"),
            os_release: root.join("usr/lib/os-release"),
        }
    }
}

impl Records {
    /// Reads what is there.
    pub(crate) fn read(places: &Places) -> Result<Self, Failure> {
        let record = |path: &Path| match read(path)? {
            Some(bytes) => Record::parse(path, &bytes).map(Some),
            None => Ok(None),
        };
        let mut records = Self {
            provisioned: record(&places.provisioned)?,
            failed: record(&places.failed)?,
            log: read(&places.log)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            image: read(&places.os_release)?.is_some_and(|bytes| names_an_image(&bytes)),
            ..Self::default()
        };
        if records.provisioned.is_none() {
            let before = read(&places.provisioned_before)?;
            records.reset = before.is_some();
            // It may have been reset because it was damaged.
            records.before =
                before.and_then(|bytes| Record::parse(&places.provisioned_before, &bytes).ok());
        }
        Ok(records)
    }

    /// All of it, for programs.
    pub(crate) fn to_json(&self) -> String {
        let record = |record: &Option<Record>| record.as_ref().map(|record| record.json.clone());
        let document = json!({
            "schema": SCHEMA,
            "provisioned": record(&self.provisioned),
            "failed": record(&self.failed),
            "reset": self.reset,
            "before": record(&self.before),
            "log": self.log,
        });
        format!("{document:#}")
    }
}

impl Record {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let damaged = |source| Failure::DamagedRecord {
            path: path.to_owned(),
            source,
        };
        let json: Value = serde_json::from_slice(bytes).map_err(damaged)?;
        match json.get("schema").and_then(Value::as_u64) {
            Some(schema) if schema != SCHEMA => Err(Failure::StrangeRecord {
                path: path.to_owned(),
                schema,
            }),
            _ => {
                let status = serde_json::from_value(json.clone()).map_err(damaged)?;
                Ok(Self { json, status })
            }
        }
    }
}

/// Whether os-release(5) names an image and its version, as every image of ACL does.
fn names_an_image(os_release: &[u8]) -> bool {
    let text = String::from_utf8_lossy(os_release);
    let names = |key: &str| text.lines().any(|line| line.starts_with(key));
    names("IMAGE_ID=") && names("IMAGE_VERSION=")
}

/// The bytes of a file; none where there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    judge(file::read(path))
}

fn judge(read: acl_host::Result<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
    let error = match read {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) => error,
    };
    match error {
        acl_host::Error::ReadFile { source, .. } if source.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        acl_host::Error::ReadFile { path, source }
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Err(Failure::OnlyRoot { path })
        }
        source => Err(Failure::Host { source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acl_provision::status::{FAILED, LOG, PROVISIONED};

    #[test]
    fn the_places_are_those_where_the_first_boot_writes() {
        let places = Places::below("/".as_ref());
        let written = [PROVISIONED, FAILED, LOG].map(PathBuf::from);
        assert_eq!([places.provisioned, places.failed, places.log], written);
    }

    #[test]
    fn a_file_that_cannot_be_read_says_who_must_act() {
        let failing = |kind: ErrorKind| {
            let error = acl_host::Error::ReadFile {
                path: "/record".into(),
                source: kind.into(),
            };
            match judge(Err(error)) {
                Ok(bytes) => format!("{bytes:?}"),
                Err(failure) => {
                    let code = failure.who().exit_code();
                    format!("{code} {}", acl_host::error::chain(&failure))
                }
            }
        };
        let table = [
            (ErrorKind::NotFound, "None"),
            (
                ErrorKind::PermissionDenied,
                "3 only root may read /record: run this as root",
            ),
            (
                ErrorKind::IsADirectory,
                "4 cannot read /record: is a directory",
            ),
        ];
        for (kind, told) in table {
            assert_eq!(failing(kind), told);
        }
    }

    #[test]
    fn a_record_that_is_none_says_what_it_means() {
        let table = [
            (
                "{\"schema\": 2}",
                "/record has the form 2, and this aclctl understands 1: it is of another release, whose own can show it",
            ),
            (
                "{\"schema\": 1, \"plat",
                "/record is damaged; as long as it is there, the next boot is not a first boot: EOF while parsing a string \
                 at line 1 column 19",
            ),
            (
                "{\"schema\": 1}",
                "/record is damaged; as long as it is there, the next boot is not a first boot: missing field `platform`",
            ),
            (
                "7",
                "/record is damaged; as long as it is there, the next boot is not a first boot: invalid type: integer `7`, \
                 expected struct Status",
            ),
        ];
        for (bytes, told) in table {
            let failure = Record::parse("/record".as_ref(), bytes.as_bytes()).unwrap_err();
            assert_eq!(acl_host::error::chain(&failure), told);
            assert_eq!(failure.who().exit_code(), 4, "{told}");
        }
    }
}
