//! The durable file with the agent's state.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use acl_host::file;
use acl_updater_core::{bounds, state::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The form of the file that this code writes and reads.
const SCHEMA: u32 = 1;

/// No file is read that is longer, in bytes: what the core keeps is at most half of it.
const LARGEST: u64 = 2 * bounds::STATE as u64;

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
    /// The file could not be understood: what is wrong, where, and what to do. A copy of it was kept.
    Damaged(String),
    /// The file is of a later release, which the machine went back from, and in a form unknown here.
    OfLaterRelease {
        /// Its schema.
        schema: u32,
        /// The copy of it that was kept.
        kept: PathBuf,
    },
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

    /// Read the state. Of one that cannot be understood a copy is kept; the file itself stays until the next
    /// [`Self::save`], so that a power cut does not turn damage into nothing.
    pub(crate) fn load(&self) -> Result<Loaded, acl_host::Error> {
        let exists = self.path.try_exists();
        if !exists.map_err(|source| acl_host::Error::ReadFile {
            path: self.path.clone(),
            source,
        })? {
            return Ok(Loaded::Whole(Box::default()));
        }
        let (bytes, whole) = read_at_most(&self.path, LARGEST)?;
        let parsed = if whole {
            parse(&bytes)
        } else {
            Err(format!("it is longer than {LARGEST} bytes"))
        };
        let problem = match parsed {
            Ok(Parsed::State(state)) => return Ok(Loaded::Whole(state)),
            Ok(Parsed::Schema(schema)) => {
                let kept = self.keep(&bytes, &format!("schema-{schema}"))?;
                return Ok(Loaded::OfLaterRelease { schema, kept });
            }
            Err(problem) => problem,
        };
        let kept = self.keep(&bytes, "damaged")?;
        Ok(Loaded::Damaged(format!(
            "{} was damaged ({problem}); a copy is in {}: which releases failed here before is not known any more, so \
             none is taken until `aclctl retry` allows it",
            self.path.display(),
            kept.display()
        )))
    }

    fn keep(&self, bytes: &[u8], why: &str) -> Result<PathBuf, acl_host::Error> {
        let kept = self.path.with_file_name(format!("state.json.{why}"));
        file::write(&kept, bytes)?;
        Ok(kept)
    }
}

/// The first `limit` bytes of a file, and whether that is all of it.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<(Vec<u8>, bool), acl_host::Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        let mut start = file.take(limit);
        start.read_to_end(&mut bytes)?;
        start.into_inner().read(&mut [0])
    });
    match read {
        Ok(more) => Ok((bytes, more == 0)),
        Err(source) => Err(acl_host::Error::ReadFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// What a file holds that is whole.
enum Parsed {
    State(Box<State>),
    /// A state of another schema.
    Schema(u32),
}

fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let schema = value.get("schema").and_then(Value::as_u64);
    let schema = schema.and_then(|schema| u32::try_from(schema).ok());
    match schema {
        Some(SCHEMA) => {}
        Some(schema) if schema > SCHEMA => return Ok(Parsed::Schema(schema)),
        _ => return Err(format!("its schema is not {SCHEMA}")),
    }
    let document: Document<State> =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Parsed::State(Box::new(document.state)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use acl_updater_core::{
        Version,
        event::Event,
        machine::Facts,
        record::{Cost, Outcome, PackageChange, Record, Refused},
        step,
    };

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
    fn the_longest_state_there_can_be_is_read_again() {
        let long = || "\\".repeat(10_000);
        let name = || "\\".repeat(200);
        let change = PackageChange {
            name: name(),
            from: Some(name()),
            to: Some(name()),
        };
        let record = |number: usize| Record {
            from: Version::new(number.to_string()),
            to: Version::new("1"),
            outcome: Outcome::RolledBack { reason: long() },
            cost: Cost {
                packages: vec![change.clone(); 600],
                ..Cost::default()
            },
        };
        let refused = |number: usize| Refused {
            version: Version::new(number.to_string()),
            reason: long(),
        };
        let state = State {
            history: (0..40).map(record).collect(),
            refused: (0..64).map(refused).collect(),
            ..State::default()
        };
        let (mut state, _) = step(state, Event::Looked(Facts::default()));
        state.machine = Facts::default();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.save(&state).unwrap();
        match store.load().unwrap() {
            Loaded::Whole(read) => assert_eq!(*read, state),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_damaged_file_is_told_until_a_state_is_saved() {
        for (text, expected) in [
            ("{\"schema\":1,\"sta", "EOF while parsing"),
            ("", "EOF while parsing"),
            ("{\"schema\":1}", "missing field"),
            ("{\"state\":1}", "its schema is not 1"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            file::write(dir.path().join("state.json"), text.as_bytes()).unwrap();
            for _ in 0..2 {
                let Loaded::Damaged(told) = store.load().unwrap() else {
                    panic!("{text} was understood");
                };
                assert!(told.contains(expected), "{told}");
            }
            let kept = dir.path().join("state.json.damaged");
            assert_eq!(file::read(kept).unwrap(), text.as_bytes());
            store.save(&State::default()).unwrap();
            assert!(matches!(store.load().unwrap(), Loaded::Whole(_)));
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let path = dir.path().join("state.json");
        let endless = File::create(&path).unwrap();
        // Takes no space, and more memory than there is.
        endless.set_len(1 << 40).unwrap();
        let Loaded::Damaged(told) = store.load().unwrap() else {
            panic!("it was understood");
        };
        assert!(told.contains("(it is longer than 4194304 bytes)"), "{told}");
        let kept = std::fs::metadata(dir.path().join("state.json.damaged")).unwrap();
        assert_eq!(kept.len(), LARGEST);
        let longest = File::options().write(true).open(&path).unwrap();
        longest.set_len(LARGEST).unwrap();
        assert!(read_at_most(&path, LARGEST).unwrap().1);
    }

    #[test]
    fn a_file_of_a_later_release_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let text = b"{\"schema\":9,\"state\":7}";
        file::write(dir.path().join("state.json"), text).unwrap();
        let Loaded::OfLaterRelease { schema: 9, kept } = store.load().unwrap() else {
            panic!("it was taken for something else");
        };
        assert_eq!(kept, dir.path().join("state.json.schema-9"));
        assert_eq!(file::read(kept).unwrap(), text);
    }
}
