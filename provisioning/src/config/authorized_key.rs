//! A line of `authorized_keys` as sshd reads it: options, type, key, comment (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
//!
//! A line that sshd cannot use is passed over by it without a word to the operator, who is then locked out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The types of keys that OpenSSH 10 takes, and what their bytes hold behind the type (RFC 4253, 5656, 8709; PROTOCOL.u2f).
const TYPES: &[(&str, &[Field])] = &[
    ("ssh-ed25519", &[Field::Bytes(32)]),
    ("ssh-rsa", &[Field::Exponent, Field::Modulus]),
    (
        "ecdsa-sha2-nistp256",
        &[Field::Curve("nistp256"), Field::Point(65)],
    ),
    (
        "ecdsa-sha2-nistp384",
        &[Field::Curve("nistp384"), Field::Point(97)],
    ),
    (
        "ecdsa-sha2-nistp521",
        &[Field::Curve("nistp521"), Field::Point(133)],
    ),
    (
        "sk-ssh-ed25519@openssh.com",
        &[Field::Bytes(32), Field::Text],
    ),
    (
        "sk-ecdsa-sha2-nistp256@openssh.com",
        &[Field::Curve("nistp256"), Field::Point(65), Field::Text],
    ),
];

/// Options that sshd knows, without what follows `=`. One that it does not know makes it refuse the line. Those of
/// `sshauthopt_parse` (OpenSSH's auth-options.c, 8.4 to 10), which takes both forms of a flag where sshd(8) has one:
/// `touch-required` and `no-verify-required`.
const OPTIONS: &[&str] = &[
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-verify-required",
    "no-x11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "touch-required",
    "tunnel",
    "user-rc",
    "verify-required",
    "x11-forwarding",
];

/// The fewest bits of an RSA key (sshd_config(5), `RequiredRSASize`).
const FEWEST_RSA_BITS: usize = 1024;

/// A part of a key: its length in 4 bytes, then so many bytes.
enum Field {
    Bytes(usize),
    Curve(&'static str),
    /// An uncompressed point of a curve, with the byte 4 before it.
    Point(usize),
    Exponent,
    Modulus,
    Text,
}

/// Why sshd cannot use a line; nothing where it can.
pub(crate) fn unusable(line: &str) -> Option<String> {
    read(line).err()
}

fn read(line: &str) -> Result<(), String> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.starts_with('#') {
        return Err("a line that begins with # is a comment".to_owned());
    }
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    if is_type(first) {
        return key(line);
    }
    let (options, rest) = split_options(line)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let first = rest.split([' ', '\t']).next().unwrap_or_default();
    if !is_type(first) {
        return Err(
            "it does not begin with a type such as ssh-ed25519, nor with options and a type"
                .to_owned(),
        );
    }
    check_options(options)?;
    key(rest)
}

/// Whether a word is meant as a type, also as one that is not taken.
fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-sha2-"]
        .iter()
        .any(|begin| word.starts_with(begin))
}

/// The options and what follows them: they end at white space outside of quotes.
fn split_options(line: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if line[at..].starts_with("\\\"") => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok(line.split_at(at)),
            _ => {}
        }
    }
    match quoted {
        true => Err("the quotes of its options do not end".to_owned()),
        false => Ok((line, "")),
    }
}

fn check_options(options: &str) -> Result<(), String> {
    let mut quoted = false;
    let ends = |letter: char| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    };
    for option in options.replace("\\\"", "").split(ends) {
        let name = option.split('=').next().unwrap_or_default();
        if !OPTIONS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("the option {name:?} is not known (sshd(8))"));
        }
    }
    Ok(())
}

/// Type, key, and a comment that may be anything.
fn key(text: &str) -> Result<(), String> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let kind = words.next().unwrap_or_default();
    let Some((_, fields)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return Err(match kind {
            "ssh-dss" => "OpenSSH does not take DSA any more; make an ssh-ed25519 key".to_owned(),
            _ if kind.contains("-cert-") => {
                "a certificate is not a key; give the key of its authority, with the option cert-authority"
                    .to_owned()
            }
            _ => format!("the type {kind:?} is not known; ssh-ed25519 is"),
        });
    };
    let Some(encoded) = words.next() else {
        return Err("nothing follows its type".to_owned());
    };
    let bytes = STANDARD
        .decode(encoded)
        .ok()
        .ok_or_else(|| "what follows its type is not base64, or not whole".to_owned())?;
    let (inner, mut rest) = part(&bytes)?;
    if inner != kind.as_bytes() {
        let inner = String::from_utf8_lossy(inner);
        return Err(format!(
            "it says {kind}, and its bytes are those of {inner:?}"
        ));
    }
    for field in *fields {
        let value;
        (value, rest) = part(rest)?;
        check_field(field, value)?;
    }
    match rest {
        [] => Ok(()),
        _ => Err(cut_off()),
    }
}

/// The first part, and what follows it.
fn part(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(cut_off)?;
    let length = usize::try_from(u32::from_be_bytes(*length))
        .ok()
        .ok_or_else(cut_off)?;
    rest.split_at_checked(length).ok_or_else(cut_off)
}

fn check_field(field: &Field, value: &[u8]) -> Result<(), String> {
    let right = match field {
        Field::Bytes(length) => value.len() == *length,
        Field::Curve(name) => value == name.as_bytes(),
        Field::Point(length) => value.len() == *length && value.first() == Some(&4),
        Field::Exponent | Field::Text => !value.is_empty(),
        Field::Modulus => {
            let bits = bits(value);
            if bits < FEWEST_RSA_BITS {
                return Err(format!(
                    "an RSA key of {bits} bits is too short; make an ssh-ed25519 key"
                ));
            }
            true
        }
    };
    right.then_some(()).ok_or_else(cut_off)
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let first = number.first().map_or(0, |byte| byte.leading_zeros());
    number.len() * 8 - first as usize
}

fn cut_off() -> String {
    "its bytes are cut off or damaged; copy it whole".to_owned()
}
