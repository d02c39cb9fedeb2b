//! The tables: figures for the terminal, ratios for the page.

use super::image::Change;
use super::pair::Pair;
use super::results::{Results, Row};
use super::way::Way;

/// How many packages a terminal is told of by name.
const NAMED: usize = 12;
const WIDTH: usize = 80;

/// Lines for a terminal of 80 columns.
pub(super) fn lines(results: &Results) -> Vec<String> {
    let mut lines = vec![format!("  {}", results.machine)];
    for (pair, changes) in results.pairs() {
        lines.push(String::new());
        lines.push(format!("  {}: {}", pair.name(), pair.told()));
        lines.extend(wrapped(&packages(changes, NAMED)));
        lines.push(line([
            "", "MB", "of /usr", "to ours", "req", "stage s", "cpu s", "MiB", "publ s", "MB",
        ]));
        let ours = results.row(pair, Way::Acl);
        lines.extend(results.of(pair).map(|row| figures(row, ours)));
    }
    lines.push(String::new());
    if let Some(bounds) = &results.bounds {
        let parts = bounds.parts();
        let parts = parts.map(|(name, seconds)| format!("{name} {seconds:.2} s"));
        lines.extend(wrapped(&format!(
            "security, each part alone: {}",
            parts.join(", ")
        )));
    }
    lines.extend(
        [
            "* in a virtual machine",
            "' measured when it was published, by an earlier run",
        ]
        .map(|note| format!("  {note}")),
    );
    lines
}

/// A pair's part of the page.
pub(super) fn markdown(results: &Results, pair: Pair, changes: &[Change]) -> String {
    let (name, told) = (pair.name(), pair.told());
    let mut text = format!("**{name}**: {told}.\n");
    let changed = packages(changes, usize::MAX);
    if !changed.is_empty() {
        text.push_str(&format!("{changed}.\n"));
    }
    text.push_str(&format!("Measured on: {}.\n", results.machine));
    text.push_str(
        "\n| | MB | of `/usr` | to ours | requests | stage | processor | memory | publish | published |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let ours = results.row(pair, Way::Acl);
    for row in results.of(pair) {
        text.push_str(&format!("| {} |\n", ratios(row, ours).join(" | ")));
    }
    if pair == Pair::Security
        && let Some(bounds) = &results.bounds
    {
        let slowest = bounds.slowest();
        let parts = bounds
            .parts()
            .map(|(name, seconds)| format!("{name} {:.2}", seconds / slowest));
        let parts = parts.join(", ");
        text.push_str(&format!("\nEach part alone, to the slowest: {parts}.\n"));
        if let Some(ours) = ours {
            let stage = ours.stage_seconds / slowest;
            text.push_str(&format!("Staging it took {stage:.2} of the slowest.\n"));
        }
    }
    text
}

fn figures(row: &Row, ours: Option<&Row>) -> String {
    let vm = mark(row.in_vm, "*");
    let kept = mark(row.publish_kept, "'");
    line([
        row.way.name(),
        &megabytes(row.bytes),
        &megabytes(row.usr_bytes),
        &ratio(row, ours, |row| float(row.bytes)),
        &row.requests.to_string(),
        &format!("{vm}{:.2}", row.stage_seconds),
        &format!("{vm}{:.2}", row.cpu_seconds),
        &format!("{vm}{}", row.peak_kib >> 10),
        &format!("{kept}{:.1}", row.publish_seconds),
        &megabytes(row.publish_bytes),
    ])
}

/// Bytes and requests are the same on every machine; times and memory are told to ours, and not at all when they were
/// taken in a machine of another kind.
fn ratios(row: &Row, ours: Option<&Row>) -> [String; 10] {
    let here = |of: fn(&Row) -> f64| match row.in_vm {
        true => "-".to_owned(),
        false => ratio(row, ours, of),
    };
    let is_kept = row.publish_kept || ours.is_some_and(|ours| ours.publish_kept);
    [
        row.way.name().to_owned(),
        megabytes(row.bytes),
        megabytes(row.usr_bytes),
        ratio(row, ours, |row| float(row.bytes)),
        row.requests.to_string(),
        here(|row| row.stage_seconds),
        here(|row| row.cpu_seconds),
        here(|row| float(row.peak_kib)),
        format!(
            "{}{}",
            mark(is_kept, "'"),
            ratio(row, ours, |row| row.publish_seconds)
        ),
        megabytes(row.publish_bytes),
    ]
}

fn mark(is: bool, mark: &'static str) -> &'static str {
    if is { mark } else { "" }
}

fn ratio(row: &Row, ours: Option<&Row>, of: impl Fn(&Row) -> f64) -> String {
    ours.map_or("-".to_owned(), |ours| format!("{:.2}", of(row) / of(ours)))
}

/// The packages that differ, in words.
fn packages(changes: &[Change], named: usize) -> String {
    let version = |version: &Option<String>| version.clone().unwrap_or("none".to_owned());
    let names: Vec<String> = changes
        .iter()
        .take(named)
        .map(|change| {
            format!(
                "{} {} → {}",
                change.name,
                version(&change.from),
                version(&change.to)
            )
        })
        .collect();
    let rest = changes.len() - names.len();
    match (names.is_empty(), rest) {
        (true, _) => String::new(),
        (false, 0) => format!("packages that differ: {}", names.join(", ")),
        (false, rest) => format!("packages that differ: {} and {rest} more", names.join(", ")),
    }
}

/// Words in lines that fit, indented.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}

fn line(cells: [&str; 10]) -> String {
    let [
        way,
        bytes,
        usr,
        ratio,
        requests,
        stage,
        cpu,
        peak,
        publish,
        published,
    ] = cells;
    format!(
        "  {way:10}{bytes:>7}{usr:>8}{ratio:>8}{requests:>6}{stage:>9}{cpu:>8}{peak:>6}{publish:>9}{published:>7}"
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", float(bytes) / 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "told to a tenth")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{Change, Pair, lines, markdown, packages};
    use crate::bench::updates::results::tests::results;

    #[test]
    fn lines_fit_a_terminal_and_compare() {
        let lines = lines(&results());
        // The machine may have a long name.
        let fits = |line: &String| line.chars().count() <= 80;
        assert!(lines.iter().skip(1).all(fits), "{lines:#?}");
        for line in [
            "  packages that differ: openssl 3.5.4 → none",
            "  rauc         60.0    20.0    3.00    12    *1.50   *1.25   *40    120.0  120.0",
            "  casync       40.0    13.3    2.00    12     1.50    1.25    40   '120.0   80.0",
            "  security, each part alone: fetch 0.10 s, decompress and hash 0.90 s, write",
        ] {
            assert!(
                lines.iter().any(|other| other == line),
                "{line}\n{lines:#?}"
            );
        }
    }

    #[test]
    fn the_page_has_ratios() {
        let results = results();
        let text = markdown(&results, Pair::Security, &results.packages[0].1);
        for line in [
            "| rauc | 60.0 | 20.0 | 3.00 | 12 | - | - | - | 1.00 | 120.0 |",
            "| dd | 480.0 | 160.0 | 24.00 | 12 | 1.00 | 1.00 | 1.00 | 1.00 | 960.0 |",
            "Staging it took 1.25 of the slowest.",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn many_packages_are_counted() {
        let change = |name: &str| Change {
            name: name.to_owned(),
            from: None,
            to: Some("1".to_owned()),
        };
        let changes = ["a", "b", "c"].map(change);
        assert_eq!(
            packages(&changes, 2),
            "packages that differ: a none → 1, b none → 1 and 1 more"
        );
        assert_eq!(
            packages(&changes, 3),
            "packages that differ: a none → 1, b none → 1, c none → 1"
        );
        assert_eq!(packages(&[], 3), "");
    }
}
