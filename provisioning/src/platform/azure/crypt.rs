//! Passwords as `/etc/shadow` keeps them: SHA-512 crypt (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", 0.6).
//!
//! Azure hands over the administrator's password as it is; an Ignition config takes only a hash.

use ring::digest::{Context, SHA512, SHA512_OUTPUT_LEN};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, Result};

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ROUNDS: usize = 5000;

/// The digest's last byte, which is written by itself.
const LAST: usize = 63;

type Digest = [u8; SHA512_OUTPUT_LEN];

/// 16 random characters.
///
/// # Errors
/// [`Error::Random`].
pub(super) fn random_salt() -> Result<String> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|source| Error::Random { source })?;
    Ok(bytes.iter().map(|byte| digit(u32::from(*byte))).collect())
}

/// `$6$salt$…`; of the salt 16 characters count.
pub(super) fn hash(password: &str, salt: &str) -> String {
    let key = password.as_bytes();
    let salt = salt.as_bytes().get(..16).unwrap_or(salt.as_bytes());
    let mut digest = begin(key, salt);
    let p = stretch(&of(&[&key.repeat(key.len())]), key.len());
    let s = stretch(
        &of(&[&salt.repeat(16 + usize::from(digest.first().copied().unwrap_or(0)))]),
        salt.len(),
    );
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let mut parts: Vec<&[u8]> = vec![if odd { &p } else { &digest }];
        if !round.is_multiple_of(3) {
            parts.push(&s);
        }
        if !round.is_multiple_of(7) {
            parts.push(&p);
        }
        parts.push(if odd { &digest } else { &p });
        digest = of(&parts);
    }
    format!("$6${}${}", String::from_utf8_lossy(salt), encode(&digest))
}

/// The digest before the rounds (steps 1 to 12).
fn begin(key: &[u8], salt: &[u8]) -> Digest {
    let other = of(&[key, salt, key]);
    let filler = stretch(&other, key.len());
    let mut parts: Vec<&[u8]> = vec![key, salt, &filler];
    let mut bits = key.len();
    while bits > 0 {
        parts.push(if bits % 2 == 1 { &other } else { key });
        bits /= 2;
    }
    of(&parts)
}

fn of(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA512);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; SHA512_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The digest, repeated and cut to `length`.
fn stretch(digest: &Digest, length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

/// Three bytes to four characters: each triple of indices is the one before, rotated, and one on (modulo 63).
fn encode(digest: &Digest) -> String {
    let byte = |index: usize| u32::from(digest.get(index).copied().unwrap_or(0));
    let mut text = String::new();
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        push(&mut text, byte(a) << 16 | byte(b) << 8 | byte(c), 4);
        (a, b, c) = ((b + 1) % LAST, (c + 1) % LAST, (a + 1) % LAST);
    }
    push(&mut text, byte(LAST), 2);
    text
}

fn push(text: &mut String, mut bits: u32, characters: usize) {
    for _ in 0..characters {
        text.push(digit(bits));
        bits >>= 6;
    }
}

fn digit(bits: u32) -> char {
    let index = (bits % 64) as usize;
    char::from(ALPHABET.get(index).copied().unwrap_or(b'.'))
}

#[cfg(test)]
mod tests {
    use super::{ALPHABET, hash, random_salt};
    use std::collections::BTreeSet;

    /// From `openssl passwd -6 -salt`.
    #[test]
    fn known_hashes() {
        for (password, salt, expected) in KNOWN {
            assert_eq!(hash(password, salt), *expected, "{password:?}");
        }
    }

    const KNOWN: &[(&str, &str, &str)] = &[
        (
            "Hello world!",
            "saltstring",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "P@ssw0rd-für-Azure",
            "./ABCDEFGHabcdef",
            "$6$./ABCDEFGHabcdef$HgYknRqu.iJJu0BF4eaVMGY8pcS29Hz2/N2bymTBvTTUK8/j0YgepD3o6HP6Q4vCQKRf9/K9mPvCJOg4ZnGBX1",
        ),
        (
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "s",
            "$6$s$tOjJl6auzoYvteWh4UtQUwRJ0mLdkkfQw7rafNmZfBn7gCbYTKPb.p2qr7/Fx6dkdkrPHxLfiGSaurjH/7eeF/",
        ),
        (
            "This is just a test",
            "toolongsaltstringthatiscut",
            "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
        ),
    ];

    #[test]
    fn salts_are_sixteen_characters_and_differ() {
        let salts: BTreeSet<String> = (0..20).map(|_| random_salt().unwrap()).collect();
        assert_eq!(salts.len(), 20);
        for salt in salts {
            assert_eq!(salt.len(), 16);
            assert!(salt.bytes().all(|byte| ALPHABET.contains(&byte)), "{salt}");
        }
    }
}
