//! The durable file with the agent's state.

use std::path::{Path, PathBuf};

use acl_host::file;
use acl_updater_core::state::State;
use serde::{Deserialize, Serialize};

/// The form of the file that this code writes and reads.
const SCHEMA: u32 = 1;

/// The file `state.json`.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// The state, or an empty one when there was none yet.
    Whole(Box<State>),
    /// The file could not be understood; it was moved aside.
    Damaged { problem: String, kept: PathBuf },
}

#[derive(Serialize, Deserialize)]
struct Document<S> {
    schema: u32,
    #[serde(flatten)]
    state: S,
}

impl Store {
    /// The store in the directory `dir`, which is made when missing.
    pub(crate) fn open(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self {
            path: dir.join("state.json"),
        })
    }

    /// Make `state` durable.
    pub(crate) fn save(&self, state: &State) -> Result<(), acl_host::Error> {
        let document = Document {
            schema: SCHEMA,
            state,
        };
        let bytes =
            serde_json::to_vec_pretty(&document).map_err(|error| acl_host::Error::WriteFile {
                path: self.path.clone(),
                source: error.into(),
            })?;
        file::write(&self.path, &bytes)
    }

    /// Read the state. One that cannot be understood is kept under another name, and the agent goes on from what the
    /// machine itself tells.
    pub(crate) fn load(&self) -> Result<Loaded, acl_host::Error> {
        if !self.path.exists() {
            return Ok(Loaded::Whole(Box::default()));
        }
        let bytes = file::read(&self.path)?;
        match parse(&bytes) {
            Ok(state) => Ok(Loaded::Whole(Box::new(state))),
            Err(problem) => {
                let kept = self.path.with_file_name("state.json.damaged");
                file::rename(&self.path, &kept)?;
                Ok(Loaded::Damaged { problem, kept })
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<State, String> {
    let document: Document<State> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if document.schema != SCHEMA {
        return Err(format!(
            "it has schema {}, this release knows {SCHEMA}",
            document.schema
        ));
    }
    Ok(document.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use acl_updater_core::{Version, record::Refused};

    #[test]
    fn a_state_comes_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut state = State::default();
        state.refused.push(Refused {
            version: Version::new("2"),
            reason: "broken".into(),
        });
        store.save(&state).unwrap();
        let Loaded::Whole(read) = store.load().unwrap() else {
            panic!("damaged");
        };
        assert_eq!(*read, state);
    }

    #[test]
    fn a_damaged_file_is_kept_aside() {
        for (text, expected) in [
            ("{\"schema\":1,\"sta", "EOF while parsing"),
            ("", "EOF while parsing"),
            ("{\"schema\":9}", "missing field"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            file::write(dir.path().join("state.json"), text.as_bytes()).unwrap();
            let Loaded::Damaged { problem, kept } = store.load().unwrap() else {
                panic!("{text} was understood");
            };
            assert!(problem.contains(expected), "{problem}");
            assert_eq!(file::read(kept).unwrap(), text.as_bytes());
            assert!(matches!(store.load().unwrap(), Loaded::Whole(_)));
        }
    }
}
