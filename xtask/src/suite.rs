//! `cargo xtask test`: every test, and at the end one line that counts them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use acl_tests::workspace;
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::screen::say;
use crate::setup;

/// How long `cargo test` may go on after its output ended.
const END: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs every test: of each function, of each crate, and of the whole system in virtual machines
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// How many tests did what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Test {
    pub(crate) fn run(&self) -> Result<()> {
        setup::run_for_tests()?;
        workspace::build()?;
        let mut cargo = workspace::cargo()
            .args([
                "test",
                "--release",
                "--locked",
                "--workspace",
                "--no-fail-fast",
            ])
            .args(self.filter.as_deref())
            .stdout(Stdio::piped())
            .stderr(std::io::stderr())
            .spawn()?;
        let output = cargo.take_stdout().context("cargo has no output")?;
        let mut count = Count::default();
        for line in BufReader::new(output).lines() {
            let line = line?;
            count.add(&line);
            say(format_args!("{line}"));
        }
        let status = cargo.wait(END)?.context("cargo test does not end")?;
        let Count {
            passed,
            failed,
            ignored,
        } = count;
        say(format_args!(
            "\n{passed} passed, {failed} failed, {ignored} skipped"
        ));
        match status.success() {
            true => Ok(()),
            false => bail!("not every test passed ({status})"),
        }
    }
}

impl Count {
    /// Adds what a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …` tells.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in result.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_are_added_up() {
        let mut count = Count::default();
        for line in [
            "running 14 tests",
            "test result: ok. 13 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 20.17s",
            "test failed ... ok",
            "test result: FAILED. 2 passed; 3 failed; 4 ignored; 0 measured; 5 filtered out; finished in 0.00s",
        ] {
            count.add(line);
        }
        let wanted = Count {
            passed: 15,
            failed: 4,
            ignored: 4,
        };
        assert_eq!(count, wanted);
    }
}
