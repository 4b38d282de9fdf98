//! Rounds of both sides, and what they come to.

use std::time::Duration;

/// Nanoseconds for each of `messages`.
pub(crate) fn per_message(elapsed: Duration, messages: u64) -> f64 {
    elapsed.as_secs_f64() * 1e9 / messages as f64
}

/// The rounds of one side.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, ns: f64) {
        self.0.push(ns);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; of an even number the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len().is_multiple_of(2) { (self.0[middle - 1] + self.0[middle]) / 2.0 } else { self.0[middle] }
    }

    pub(crate) fn min(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// Both sides of one workload, measured.
#[derive(Debug, Default, Clone)]
pub(crate) struct Measured {
    /// The base of the comparison.
    pub(crate) theirs: Samples,
    pub(crate) ours: Samples,
}

impl Measured {
    /// How many times the other side's time postroom takes; lower is better.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours.median() / self.theirs.median()
    }
}
