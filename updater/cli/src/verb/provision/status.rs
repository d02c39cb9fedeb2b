//! `aclctl provision status`

use super::record::{Origin, Places, Ran, Records, Status};
use crate::{failure::Failure, text};

/// Digits of a digest that are told; `--json` has them all.
const DIGITS: usize = 16;

const NONE: &str = "no first boot has ended here, so the next boot is one. A machine that came up without one was \
                    installed by a release that had no first boots yet.";
const NO_MACHINE: &str = "no first boot has ended here: this is no ACL machine, its os-release does not name an image \
                          (IMAGE_ID, IMAGE_VERSION)";
const RESET: &str = "reset: the next boot is a first boot";

pub(crate) fn run(places: &Places, json: bool) -> Result<(), Failure> {
    let records = Records::read(places)?;
    if json {
        return text::print(&records.to_json());
    }
    text::print(&describe(&records))
}

/// The records as text, and the log as it was written.
fn describe(records: &Records) -> String {
    let mut parts = Vec::new();
    if let Some(record) = &records.failed {
        parts.push(first_boot(&failure(&record.status), &record.status));
    }
    if let Some(record) = &records.provisioned {
        parts.push(first_boot(&success(&record.status), &record.status));
    } else if records.reset {
        parts.push(field("State", RESET));
    } else if records.failed.is_none() {
        parts.push(field(
            "State",
            if records.image { NONE } else { NO_MACHINE },
        ));
    }
    if let Some(record) = &records.before {
        let state = format!("before the reset: {}", success(&record.status));
        parts.push(first_boot(&state, &record.status));
    }
    if let Some(log) = &records.log {
        parts.push(format!("Log\n{}", visible(log)));
    }
    parts.join("\n")
}

fn first_boot(state: &str, status: &Status) -> String {
    let release = match status.release.as_str() {
        "" => "unknown",
        release => release,
    };
    let mut out = field("State", state);
    out += &field("Release", release);
    out += &field("Platform", &status.platform);
    out.extend(status.origins.iter().map(origin));
    out.extend(status.stages.iter().map(stage));
    out
}

fn success(status: &Status) -> String {
    let seconds: f64 = status.stages.iter().map(|ran| ran.seconds).sum();
    match status.stages.first() {
        Some(ran) => format!("provisioned {} in {seconds:.1} s", when(ran)),
        None => "provisioned".to_owned(),
    }
}

fn failure(status: &Status) -> String {
    let failed = status.stages.iter().rev();
    let mut failed = failed.filter_map(|ran| ran.error.as_ref().map(|error| (ran, error)));
    match failed.next() {
        Some((ran, error)) => format!("failed {} at its stage {}: {error}", when(ran), ran.stage),
        None => "failed".to_owned(),
    }
}

/// When a stage began, to the second.
fn when(ran: &Ran) -> String {
    match ran.began.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => ran.began.clone(),
    }
}

fn origin(origin: &Origin) -> String {
    let digest = origin.sha512.get(..DIGITS).unwrap_or(&origin.sha512);
    let place = format!("{}: {}", origin.kind, origin.place);
    field("Config", &place) + &field("  SHA-512", digest)
}

fn stage(ran: &Ran) -> String {
    let failed = if ran.error.is_some() { ", failed" } else { "" };
    let took = format!("{}, {:.3} s{failed}", ran.stage, ran.seconds);
    let done = ran.done.iter().map(|line| field("  Done", line));
    std::iter::once(field("Stage", &took)).chain(done).collect()
}

fn field(label: &str, value: &str) -> String {
    text::field(label, &visible(value))
}

/// Without what would steer a terminal: names, and answers of servers, come from outside.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            _ if letter.is_control() => out.extend(letter.escape_default()),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_spelled_out() {
        let table = [
            ("a\tb\nç→\n", "a\tb\nç→\n"),
            ("\u{1b}[2Jgone\r", "\\u{1b}[2Jgone\\r"),
            ("\u{9b}31m\u{7}\0", "\\u{9b}31m\\u{7}\\u{0}"),
        ];
        for (written, shown) in table {
            assert_eq!(visible(written), shown);
        }
    }

    #[test]
    fn a_time_is_told_to_the_second() {
        let table = [
            ("2026-11-21T18:03:11.123456789Z", "2026-11-21T18:03:11Z"),
            ("2026-11-21T18:03:11Z", "2026-11-21T18:03:11Z"),
        ];
        for (began, told) in table {
            let ran = Ran {
                stage: "fetch".into(),
                began: began.into(),
                seconds: 0.0,
                done: Vec::new(),
                error: None,
            };
            assert_eq!(when(&ran), told);
        }
    }
}
