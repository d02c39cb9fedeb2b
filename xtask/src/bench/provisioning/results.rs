//! What was measured, as it is told: a table, a page, a document; and whether it is within the limits.

use serde::Serialize;

use super::initrd::Initrd;
use crate::bench::machine::Machine;
use crate::bench::sample::Sample;

/// Seconds that a first boot may take of the engine's own.
const SECONDS: f64 = 1.0;
/// Bytes of memory that it may need.
const MEMORY: u64 = 32 << 20;
/// Bytes that an initrd may have, compressed.
const INITRD: u64 = 16 << 20;

const OURS: &str = "acl-provision";

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) runs: u32,
    pub(super) cases: Vec<Measured>,
    pub(super) initrd: Option<Initrd>,
}

/// One config.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    /// Bytes of the config.
    pub(super) config: usize,
    /// How many files the machine has of it, with how many bytes.
    pub(super) files: usize,
    pub(super) bytes: usize,
    /// Whether the limits are for it.
    pub(super) limited: bool,
    pub(super) rows: Vec<Row>,
}

/// One subject at one config.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) subject: &'static str,
    #[serde(flatten)]
    pub(super) sample: Sample,
}

impl Results {
    /// What is over its limit.
    pub(super) fn passed(&self) -> Vec<String> {
        let mut passed = Vec::new();
        for case in self.cases.iter().filter(|case| case.limited) {
            let Some(Sample { median, peak, .. }) = case.ours() else {
                continue;
            };
            if *median >= SECONDS {
                passed.push(format!("{}: {median:.3} s of {SECONDS} s", case.name));
            }
            if *peak >= MEMORY {
                let peak = mebibytes(*peak);
                passed.push(format!(
                    "{}: {peak} of {} of memory",
                    case.name,
                    mebibytes(MEMORY)
                ));
            }
        }
        if let Some(Initrd { bytes, .. }) = &self.initrd
            && *bytes > INITRD
        {
            passed.push(format!(
                "the initrd: {} of {}",
                mebibytes(*bytes),
                mebibytes(INITRD)
            ));
        }
        passed
    }

    /// Lines for a terminal.
    pub(super) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            format!("  {}", self.machine),
            format!("  each {} times, in turns", self.runs),
        ];
        for case in &self.cases {
            lines.push(String::new());
            lines.push(format!("  {}", case.title()));
            lines.push(line([
                "",
                "median",
                "worst",
                "processor",
                "memory",
                "to ours",
            ]));
            lines.extend(
                case.rows
                    .iter()
                    .map(|row| line(case.cells(row).each_ref().map(String::as_str))),
            );
        }
        lines.push(String::new());
        lines.extend(self.limits().into_iter().map(|limit| format!("  {limit}")));
        lines
    }

    /// The part of the book's page.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "Measured on: {}. Each {} times, in turns.\n",
            self.machine, self.runs
        );
        for case in &self.cases {
            text.push_str(&format!("\n**{}**\n\n", case.title()));
            text.push_str(
                "| | median | worst | processor | memory | to ours |\n|---|--:|--:|--:|--:|--:|\n",
            );
            for row in &case.rows {
                text.push_str(&format!("| {} |\n", case.cells(row).join(" | ")));
            }
        }
        text.push('\n');
        for limit in self.limits() {
            text.push_str(&format!("- {limit}\n"));
        }
        text
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        for case in self.cases.iter().filter(|case| case.limited) {
            let Some(ours) = case.ours() else { continue };
            limits.push(format!(
                "{}: {:.3} s of at most {SECONDS} s, {} of at most {} of memory",
                case.name,
                ours.median,
                mebibytes(ours.peak),
                mebibytes(MEMORY)
            ));
        }
        limits.push(match &self.initrd {
            Some(initrd) => format!(
                "initrd: {} of at most {}",
                mebibytes(initrd.bytes),
                mebibytes(INITRD)
            ),
            None => "initrd: not measured, no image was built".to_owned(),
        });
        if !self.cases.iter().any(|case| case.row("Ignition").is_some()) {
            limits.push("Ignition: not measured, none was given (--ignition)".to_owned());
        }
        limits
    }
}

impl Measured {
    fn row(&self, subject: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.subject == subject)
    }

    fn ours(&self) -> Option<&Sample> {
        self.row(OURS).map(|row| &row.sample)
    }

    fn title(&self) -> String {
        let Self {
            name,
            config,
            files,
            bytes,
            ..
        } = self;
        format!(
            "{name}: a config of {} kB, {files} files of {} kB in all",
            config / 1000,
            bytes / 1000
        )
    }

    fn cells(&self, row: &Row) -> [String; 6] {
        let Sample {
            median,
            worst,
            processor,
            peak,
        } = row.sample;
        let told = |is: bool, text: String| if is { text } else { "-".to_owned() };
        let ours = self.ours().map_or(median, |ours| ours.median);
        [
            row.subject.to_owned(),
            format!("{median:.3} s"),
            format!("{worst:.3} s"),
            told(processor > 0.0, format!("{processor:.3} s")),
            told(peak > 0, mebibytes(peak)),
            format!("{:.2}", median / ours),
        ]
    }
}

fn line([subject, median, worst, processor, memory, ratio]: [&str; 6]) -> String {
    format!("  {subject:16}{median:>11}{worst:>11}{processor:>13}{memory:>13}{ratio:>10}")
}

#[expect(clippy::cast_precision_loss, reason = "told to a tenth")]
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{INITRD, Initrd, MEMORY, Measured, Results, Row, Sample};
    use crate::bench::machine::Machine;

    fn results(seconds: f64, peak: u64, initrd: Option<u64>) -> Results {
        let row = |subject, median, peak| Row {
            subject,
            sample: Sample {
                median,
                worst: median * 2.0,
                processor: 0.0,
                peak,
            },
        };
        let case = |name, limited| Measured {
            name,
            config: 1000,
            files: 2,
            bytes: 3000,
            limited,
            rows: vec![
                row("acl-provision", seconds, peak),
                row("plain write", seconds / 4.0, 0),
            ],
        };
        Results {
            machine: Machine::this(Path::new("/")).unwrap(),
            runs: 3,
            cases: vec![case("aks", true), case("many", false)],
            initrd: initrd.map(|bytes| Initrd {
                uki: PathBuf::new(),
                bytes,
            }),
        }
    }

    #[test]
    fn limits_are_for_the_case_that_has_them() {
        assert_eq!(
            results(0.99, MEMORY - 1, Some(INITRD)).passed(),
            [""; 0],
            "all within"
        );
        assert_eq!(
            results(1.0, MEMORY, Some(INITRD + 1)).passed(),
            [
                "aks: 1.000 s of 1 s",
                "aks: 32.0 MiB of 32.0 MiB of memory",
                "the initrd: 16.0 MiB of 16.0 MiB"
            ]
        );
        assert_eq!(results(0.1, 1, None).passed(), [""; 0]);
    }

    #[test]
    fn rows_fit_a_terminal_and_compare() {
        let results = results(0.25, 9 << 20, None);
        let table = results.table();
        // The machine may have a long name.
        assert!(
            table.iter().skip(1).all(|line| line.len() <= 80),
            "{table:#?}"
        );
        let plain = "  plain write         0.062 s    0.125 s            -            -      0.25";
        assert!(table.iter().any(|line| line == plain), "{table:#?}");
        let row = "| plain write | 0.062 s | 0.125 s | - | - | 0.25 |";
        assert!(results.markdown().lines().any(|line| line == row));
    }
}
