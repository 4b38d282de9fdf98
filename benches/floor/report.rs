//! The table people read and the file programs read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::harness::{Measured, Samples};
use crate::workloads::Workload;

/// Heads the table.
pub(crate) fn header() -> String {
    let columns = format!(
        "{:<22}{:>9} {:>17} {:>12} {:>17} {:>7} {:>7}",
        "workload", "floor ns", "(min - max)", "postroom ns", "(min - max)", "ratio", "target"
    );
    let rule = "-".repeat(columns.len());
    format!("{columns}\n{rule}")
}

/// One row, with a mark where the target was missed.
pub(crate) fn row(workload: &Workload, measured: &Measured) -> String {
    let Measured { floor, ours } = measured;
    let target = workload.target.map_or_else(|| "-".to_owned(), |target| format!("{target:.1}"));
    let missed = workload.target.is_some_and(|target| measured.ratio() > target);
    format!(
        "{:<22}{:>9.1} {:>17} {:>12.1} {:>17} {:>7.2} {:>7}{}",
        workload.name,
        floor.median(),
        range(floor),
        ours.median(),
        range(ours),
        measured.ratio(),
        target,
        if missed { "  missed" } else { "" }
    )
}

fn range(samples: &Samples) -> String {
    format!("({:.1} - {:.1})", samples.min(), samples.max())
}

/// The object of workload name to figures, one row a line.
pub(crate) fn json(results: &[(&Workload, Measured)]) -> String {
    let rows: Vec<String> = results
        .iter()
        .map(|(workload, measured)| {
            // Names are plain words and all figures finite, so nothing has to be escaped.
            format!(
                "  \"{}\": {{\"floor_ns\": {:.3}, \"postroom_ns\": {:.3}, \"ratio\": {:.4}}}",
                workload.name,
                measured.floor.median(),
                measured.ours.median(),
                measured.ratio()
            )
        })
        .collect();
    format!("{{\n{}\n}}\n", rows.join(",\n"))
}

/// Writes `floor.json` into the target directory, wherever the build was told to put that.
pub(crate) fn write(json: &str) -> io::Result<PathBuf> {
    // cargo tells benches of a directory for scratch files, `<target>/tmp`: the one sure way to the target directory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    let path = target.join("floor.json");
    fs::write(&path, json)?;
    Ok(path)
}
