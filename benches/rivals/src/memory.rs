//! Resident memory, and the share of it that a held subscription accounts for.

use std::fs;
use std::hint::black_box;

/// Bytes resident for each of `count` things made and held; their handles included.
pub(crate) fn each<T>(count: usize, mut make: impl FnMut(usize) -> T) -> f64 {
    // The first one brings what is paid once.
    drop(make(count));
    let mut held = Vec::with_capacity(count);
    let before = resident("self");
    held.extend((0..count).map(make));
    let after = resident("self");
    drop(black_box(held));
    per_one(before, after, count)
}

/// Bytes each of `count` things added between two readings.
pub(crate) fn per_one(before: u64, after: u64, count: usize) -> f64 {
    after.saturating_sub(before) as f64 / count as f64
}

/// Bytes resident of a process, by its id or `self`.
pub(crate) fn resident(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the kernel tells of its processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says what is resident");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes") * 1_024
}
