//! `aclctl provision reset`

use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin};
use std::path::Path;

use acl_host::file;

use super::record::{Places, Records, read};
use crate::{
    failure::Failure,
    text::{self, field},
};

/// What a reset leads to; told before the question and by `--help`.
pub(crate) const MEANING: &str = "\
The next boot will be a first boot: the config is fetched anew and followed
before anything else starts.
  - Files, directories, users and units that an earlier config made stay, unless
    the config replaces or removes them.
  - Disks follow the config's rules of reuse: what it says to wipe is wiped and
    lost, RAID arrays are always made anew, the rest is kept if it matches.
  - Where something is not what the config wants and may not be replaced, such
    as a file that was changed and has no `overwrite`, the first boot fails, and
    the machine stays down.";

pub(crate) fn run(places: &Places, json: bool, yes: bool) -> Result<(), Failure> {
    let told = match read(&places.provisioned)? {
        None => field("State", "the next boot is a first boot already"),
        Some(_) => {
            if !yes {
                let terminal = stdin().is_terminal() && stderr().is_terminal();
                confirm(terminal, &mut stdin().lock(), &mut stderr().lock())?;
            }
            forget(places)?;
            next(&places.provisioned_before)
        }
    };
    if json {
        return text::print(&Records::read(places)?.to_json());
    }
    text::print(&told)
}

/// Asks, where there is somebody to answer; anything but a yes is a no.
fn confirm(
    terminal: bool,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), Failure> {
    if !terminal {
        return Err(Failure::NobodyToAsk);
    }
    let mut answer = String::new();
    let mut ask = || -> io::Result<usize> {
        write!(
            output,
            "{MEANING}\n\nMake the next boot a first boot? [y/N] "
        )?;
        output.flush()?;
        input.read_line(&mut answer)
    };
    ask().map_err(|source| Failure::Ask { source })?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Declined),
    }
}

/// Takes the marker away, and keeps what the next first boot writes anew.
fn forget(places: &Places) -> Result<(), Failure> {
    let host = |source| Failure::Host { source };
    if let Some(log) = read(&places.log)? {
        file::write_private(&places.log_before, &log).map_err(host)?;
    }
    // One step: at every moment the record has one of its two names.
    file::rename(&places.provisioned, &places.provisioned_before).map_err(host)
}

fn next(before: &Path) -> String {
    let kept = format!(
        "kept as {}; to take the reset back before the reboot, give it its old name, without .before",
        before.display()
    );
    field("State", "the next boot is a first boot")
        + &field("Record", &kept)
        + &field(
            "Next",
            "see that the config is as you want it, then `systemctl reboot`",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        let table = [
            ("y\n", true),
            ("YES\n", true),
            (" yes ", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yesterday\n", false),
            ("\ny\n", false),
        ];
        for (typed, wanted) in table {
            let mut shown = Vec::new();
            let outcome = confirm(true, &mut typed.as_bytes(), &mut shown);
            match outcome {
                Ok(()) => assert!(wanted, "{typed:?}"),
                Err(failure) => {
                    assert!(!wanted, "{typed:?}");
                    assert_eq!(failure.to_string(), "nothing was changed");
                    assert_eq!(failure.who().exit_code(), 3);
                }
            }
            let asked = format!("{MEANING}\n\nMake the next boot a first boot? [y/N] ");
            assert_eq!(String::from_utf8(shown).unwrap(), asked);
        }
    }

    #[test]
    fn without_a_terminal_a_yes_does_not_count() {
        let mut shown = Vec::new();
        let failure = confirm(false, &mut "yes\n".as_bytes(), &mut shown).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "there is no terminal to ask on, so nothing was changed: `--yes` says that you mean it"
        );
        assert_eq!(failure.who().exit_code(), 3);
        assert_eq!(shown, b"");
    }

    #[test]
    fn the_meaning_fits_a_terminal() {
        assert!(MEANING.lines().all(|line| line.chars().count() <= 80));
    }
}
