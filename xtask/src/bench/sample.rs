//! Several runs of the same thing, in the order of their time.

use serde::Serialize;

use super::usage::Usage;

/// What is told of them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sample {
    /// Seconds of the run in the middle.
    pub(super) median: f64,
    /// Seconds of the slowest.
    pub(super) worst: f64,
    /// Seconds of processors, of the run in the middle.
    pub(super) processor: f64,
    /// Bytes of memory, of the run that had most.
    pub(super) peak: u64,
}

impl Sample {
    /// Of at least one run.
    pub(super) fn of(runs: &[Usage]) -> Self {
        let seconds = sorted(runs.iter().map(|run| run.seconds));
        let processor = sorted(runs.iter().map(|run| run.processor));
        Self {
            median: middle(&seconds),
            worst: seconds.last().copied().unwrap_or_default(),
            processor: middle(&processor),
            peak: runs.iter().map(|run| run.peak).max().unwrap_or_default(),
        }
    }
}

/// The number in the middle, of at least one.
pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    middle(&sorted(numbers))
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Sample, Usage};

    #[test]
    fn the_middle_and_the_worst() {
        let run = |seconds, processor, peak| Usage {
            seconds,
            processor,
            peak,
        };
        let runs = [run(3.0, 0.1, 5), run(1.0, 0.3, 9), run(2.0, 0.2, 7)];
        let Sample {
            median,
            worst,
            processor,
            peak,
        } = Sample::of(&runs);
        assert_eq!((median, worst, processor, peak), (2.0, 3.0, 0.2, 9));
    }
}
