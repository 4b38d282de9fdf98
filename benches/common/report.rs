//! The table people read and the file programs read. In both, `ratio` is postroom's time over the other side's: lower is better.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::samples::{Measured, Samples};

/// Heads the table; `theirs` names the other side, `beside` further columns at the end.
pub(crate) fn header(theirs: &str, beside: &str) -> String {
    let columns = format!(
        "{:<22}{:>14} {:>19} {:>12} {:>19} {:>7} {:>7}{beside}",
        "workload",
        format!("{theirs} ns"),
        "(min - max)",
        "postroom ns",
        "(min - max)",
        "ratio",
        "target"
    );
    let rule = "-".repeat(columns.len());
    format!("{columns}\n{rule}")
}

/// One row, with a mark where the target, a highest ratio, was missed.
pub(crate) fn row(name: &str, target: Option<f64>, measured: &Measured, beside: &str) -> String {
    let Measured { theirs, ours } = measured;
    let aim = target.map_or_else(|| "-".to_owned(), |target| format!("{target:.2}"));
    let missed = target.is_some_and(|target| measured.ratio() > target);
    format!(
        "{name:<22}{:>14} {:>19} {:>12} {:>19} {:>7.2} {aim:>7}{beside}{}",
        figure(theirs.median()),
        range(theirs),
        figure(ours.median()),
        range(ours),
        measured.ratio(),
        if missed { "  missed" } else { "" }
    )
}

/// Nanoseconds, with a tenth where a tenth says something.
fn figure(ns: f64) -> String {
    if ns < 10_000.0 { format!("{ns:.1}") } else { format!("{ns:.0}") }
}

fn range(samples: &Samples) -> String {
    format!("({} - {})", figure(samples.min()), figure(samples.max()))
}

/// The same as a line of the file; `theirs` names the other side.
pub(crate) fn json(name: &str, theirs: &str, measured: &Measured) -> String {
    // Names are plain words and all figures finite, so nothing has to be escaped.
    format!(
        "  \"{name}\": {{\"{theirs}_ns\": {:.3}, \"postroom_ns\": {:.3}, \"ratio\": {:.4}}}",
        measured.theirs.median(),
        measured.ours.median(),
        measured.ratio()
    )
}

/// Writes a file into the target directory, wherever the build was told to put that.
pub(crate) fn write(name: &str, json: &str) -> io::Result<PathBuf> {
    // cargo tells benches of a directory for scratch files, `<target>/tmp`: the one sure way to the target directory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    let path = target.join(name);
    fs::write(&path, json)?;
    Ok(path)
}
