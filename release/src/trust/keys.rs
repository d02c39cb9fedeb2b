//! The publisher's keys: Ed25519 in files, or behind a command of the operator's (a hardware module).
//!
//! A command is called as `COMMAND public` and prints the public key, and as `COMMAND sign`, gets the message on
//! standard input and prints the signature. Both are printed as hexadecimal digits or base64, or as the bare bytes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::file;
use acl_host::private::resolve;
use acl_host::tool::{Tool, ToolCommand, Tools};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use tough::schema::key::{Ed25519Key, Ed25519Scheme};

use crate::error::{Error, Result};

/// How long a signing command may take: someone may have to touch a button.
const PATIENCE: Duration = Duration::from_secs(120);

/// PKCS#8 version 1 of an Ed25519 key (RFC 8410 §7): what comes before the 32 bytes of the seed.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

const PEM_HEAD: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_FOOT: &str = "-----END PRIVATE KEY-----";

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file: PKCS#8, PEM or DER.
    File(PathBuf),
    /// A command that signs, with its arguments, separated by spaces.
    Command(String),
}

/// A key that can sign.
pub struct Key {
    public: Vec<u8>,
    signer: Signer,
}

enum Signer {
    File(PathBuf, Box<Ed25519KeyPair>),
    Command(String),
}

impl std::str::FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("exec:").map(str::trim) {
            Some("") => Err("exec: names no command".to_owned()),
            Some(command) => Ok(Self::Command(command.to_owned())),
            None if text.is_empty() => Err("a path or exec:COMMAND is expected".to_owned()),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl Key {
    fn open(role: &str, source: &KeySource) -> Result<Self> {
        match source {
            KeySource::File(path) => {
                let bytes = file::read(path)?;
                let pair = parse(&bytes).ok_or_else(|| Error::ParseKey { path: path.clone() })?;
                let public = pair.public_key().as_ref().to_vec();
                Ok(Self {
                    public,
                    signer: Signer::File(path.clone(), Box::new(pair)),
                })
            }
            KeySource::Command(command) => {
                let public = ask(role, command, "public", &[], 32)?;
                Ok(Self {
                    public,
                    signer: Signer::Command(command.clone()),
                })
            }
        }
    }

    /// The key as TUF metadata lists it.
    pub fn public(&self) -> tough::schema::key::Key {
        tough::schema::key::Key::Ed25519 {
            keyval: Ed25519Key {
                public: self.public.clone().into(),
                _extra: HashMap::new(),
            },
            scheme: Ed25519Scheme::Ed25519,
            _extra: HashMap::new(),
        }
    }

    /// The signature of a message, checked before it is used.
    ///
    /// # Errors
    /// [`Error::KeyCommand`] when the command fails or its signature is wrong.
    pub fn sign(&self, role: &str, message: &[u8]) -> Result<Vec<u8>> {
        match &self.signer {
            Signer::File(_, pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Signer::Command(command) => {
                let signature = ask(role, command, "sign", message, 64)?;
                let public = ring::signature::UnparsedPublicKey::new(
                    &ring::signature::ED25519,
                    &self.public,
                );
                let wrong = |_| {
                    command_failed(
                        role,
                        command,
                        "prints a signature that does not fit its public key",
                    )
                };
                public.verify(message, &signature).map_err(wrong)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.signer {
            Signer::File(path, _) => write!(f, "{}", path.display()),
            Signer::Command(command) => write!(f, "exec:{command}"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Where the keys of all roles are: a directory with `ROLE.key` each, but for those that are named one by one.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    /// The directory.
    pub dir: Option<PathBuf>,
    /// Whether no one named the directory: what is in it may be of another repository.
    pub is_usual: bool,
    /// Keys by role.
    pub named: BTreeMap<String, KeySource>,
}

impl Keyring {
    /// The key of a role.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::ParseKey`], [`Error::KeyCommand`].
    pub fn key(&self, role: &str) -> Result<Key> {
        match self.named.get(role) {
            Some(source) => Key::open(role, source),
            None => {
                let path = self.path(role)?;
                if !file::exists(&path)? {
                    return Err(no_key(role, path.display().to_string()));
                }
                Key::open(role, &KeySource::File(path))
            }
        }
    }

    /// Refuses keys that a new repository would share with another one, without anybody having said so.
    ///
    /// # Errors
    /// [`Error::KeyExists`] when a key of one of the roles is in a directory that no one named.
    pub fn refuse_shared(&self, roles: &[String]) -> Result<()> {
        let Some(dir) = self.dir.as_ref().filter(|_| self.is_usual) else {
            return Ok(());
        };
        for role in roles.iter().filter(|role| !self.named.contains_key(*role)) {
            let key = self.path(role)?;
            if file::exists(&key)? {
                let keys = dir.clone();
                return Err(Error::KeyExists { key, keys });
            }
        }
        Ok(())
    }

    /// Makes a key for a role that has none, for trying out: a file that only its owner reads.
    ///
    /// # Errors
    /// [`Error::MakeKey`], [`Error::Host`]; [`Error::NoKey`] when there is no directory to put it into.
    pub fn make_missing(&self, role: &str) -> Result<()> {
        if self.named.contains_key(role) {
            return Ok(());
        }
        let path = self.path(role)?;
        if file::exists(&path)? {
            return Ok(());
        }
        if let Some(dir) = &self.dir {
            file::make_directory(dir)?;
        }
        Ok(file::write_private(path, make()?.as_bytes())?)
    }

    /// Refuses private keys in a directory that is published, after all symbolic links.
    ///
    /// # Errors
    /// [`Error::KeysInRepository`]; [`Error::Host`] when that cannot be found out.
    pub fn refuse_inside(&self, repository: &Path) -> Result<()> {
        let published = resolve(repository)?;
        let files = self.named.values().filter_map(|source| match source {
            KeySource::File(path) => Some(path),
            KeySource::Command(_) => None,
        });
        for keys in self.dir.iter().chain(files) {
            if resolve(keys)?.starts_with(&published) {
                return Err(Error::KeysInRepository {
                    keys: keys.clone(),
                    repository: repository.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn path(&self, role: &str) -> Result<PathBuf> {
        let name = format!("{role}.key");
        match &self.dir {
            Some(dir) => Ok(dir.join(name)),
            None => Err(no_key(role, format!("{name} in --keys DIR"))),
        }
    }
}

fn no_key(role: &str, expected: String) -> Error {
    Error::NoKey {
        role: role.to_owned(),
        expected,
    }
}

/// A new key as PKCS#8 in PEM, as `openssl genpkey` writes it.
fn make() -> Result<String> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_unspecified| Error::MakeKey)?;
    let der = [PKCS8_HEAD.as_slice(), &seed].concat();
    Ok(format!("{PEM_HEAD}\n{}\n{PEM_FOOT}\n", BASE64.encode(der)))
}

fn parse(bytes: &[u8]) -> Option<Ed25519KeyPair> {
    let pem = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.trim().strip_prefix(PEM_HEAD)?.strip_suffix(PEM_FOOT));
    let der = match pem {
        Some(body) => BASE64
            .decode(body.split_whitespace().collect::<String>())
            .ok()?,
        None => bytes.to_vec(),
    };
    // Version 1 of PKCS#8 has no public key to compare with; the repository's metadata is what it must fit.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()
}

/// Runs a key's command and reads what it prints, `length` bytes.
fn ask(role: &str, command: &str, verb: &str, input: &[u8], length: usize) -> Result<Vec<u8>> {
    let printed = words(command)
        .ok_or_else(|| command_failed(role, command, "is empty"))?
        .arg(verb)
        .input(input)
        .limit(PATIENCE)
        .run()
        .map_err(|error| {
            command_failed(
                role,
                command,
                &format!("failed: {}", acl_host::error::chain(&error)),
            )
        })?;
    let wrong = || {
        command_failed(
            role,
            command,
            &format!(
                "{verb} prints {} bytes that are not {length} bytes, nor those in hexadecimal or base64",
                printed.len()
            ),
        )
    };
    decode(&printed, length).ok_or_else(wrong)
}

fn words(command: &str) -> Option<ToolCommand> {
    let mut words = command.split_whitespace();
    let program = words.next()?;
    Some(
        Tools::host()
            .command(Tool::Operator(program.into()))
            .args(words),
    )
}

fn decode(printed: &[u8], length: usize) -> Option<Vec<u8>> {
    if printed.len() == length {
        return Some(printed.to_vec());
    }
    let text = std::str::from_utf8(printed).ok()?.trim();
    let decoded = hex::decode(text)
        .ok()
        .or_else(|| BASE64.decode(text).ok())?;
    (decoded.len() == length).then_some(decoded)
}

fn command_failed(role: &str, command: &str, problem: &str) -> Error {
    Error::KeyCommand {
        role: role.to_owned(),
        command: command.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_made_by_openssl_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        // RFC 8032 §7.1, test 1.
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(
            hex::encode(parse(pem.as_bytes()).unwrap().public_key()),
            public
        );
        let der = BASE64.decode(pem.lines().nth(1).unwrap()).unwrap();
        assert_eq!(hex::encode(parse(&der).unwrap().public_key()), public);
        assert!(
            parse(b"").is_none()
                && parse(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----").is_none()
        );
    }

    #[test]
    fn made_keys_differ_and_can_be_read() {
        let [one, two] = [make().unwrap(), make().unwrap()];
        assert_ne!(one, two);
        assert!(parse(one.as_bytes()).is_some());
    }

    #[test]
    fn signatures_in_each_form() {
        let bytes = [0xab; 4];
        for printed in [bytes.as_slice(), b"abababab\n", b"q6urqw==\n"] {
            assert_eq!(decode(printed, 4), Some(bytes.to_vec()));
        }
        assert_eq!(decode(b"abab", 5), None);
    }

    #[test]
    fn sources() {
        assert_eq!("a/b.key".parse(), Ok(KeySource::File("a/b.key".into())));
        assert_eq!(
            "exec:/usr/bin/hsm --slot 1".parse(),
            Ok(KeySource::Command("/usr/bin/hsm --slot 1".into()))
        );
        let refused = |text: &str| text.parse::<KeySource>().unwrap_err();
        assert_eq!(refused("exec: "), "exec: names no command");
        assert_eq!(refused(""), "a path or exec:COMMAND is expected");
    }
}
