//! The table, and the two files a run leaves behind.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::Machine;
use crate::rival::Workload;
use crate::samples::Samples;

/// The crates whose versions decide the figures.
const VERSIONS: &[&str] = &["crossbeam-channel", "postroom", "flume", "tokio", "zenoh", "rumqttd", "async-nats"];

/// All that was measured of one rival.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    /// By workload; empty where the system has no such thing.
    pub(crate) samples: Vec<(Workload, u64, Samples)>,
    /// Bytes an idle subscription, and how many were held.
    pub(crate) memory: Option<(f64, usize)>,
    /// Why something was not measured.
    pub(crate) missing: Vec<String>,
}

impl Row {
    fn median(&self, workload: Workload) -> Option<f64> {
        let found = self.samples.iter().find(|(of, _, _)| *of == workload);
        found.map(|(_, _, samples)| samples.median())
    }
}

/// Medians side by side, then what each is and what is missing.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<14}", "");
    for workload in Workload::ALL {
        let _ = write!(text, "{:>17}", workload.name());
    }
    let _ = writeln!(text, "{:>17}", "memory");
    let _ = write!(text, "{:<14}", "");
    for _ in Workload::ALL {
        let _ = write!(text, "{:>17}", "ns");
    }
    let _ = writeln!(text, "{:>17}", "bytes/idle sub.");
    for row in rows {
        let _ = write!(text, "{:<14}", row.name);
        let medians = Workload::ALL.map(|workload| row.median(workload));
        for figure in medians.into_iter().chain([row.memory.map(|(bytes, _)| bytes)]) {
            let figure = figure.map_or_else(|| "-".to_owned(), number);
            let _ = write!(text, "{figure:>17}");
        }
        text.push('\n');
    }
    text.push('\n');
    for workload in Workload::ALL {
        let _ = writeln!(text, "{:<17}{}", workload.name(), workload.about());
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "{:<14}{}", row.name, row.about);
    }
    for row in rows {
        for reason in &row.missing {
            let _ = writeln!(text, "{:<14}not measured: {reason}", row.name);
        }
    }
    text
}

/// Three digits that count, with separators where there are thousands.
fn number(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One line a figure, for programs.
fn csv(rows: &[Row], rounds: usize) -> String {
    let mut text = "rival,workload,unit,median,min,max,rounds,messages_per_round\n".to_owned();
    for row in rows {
        for (workload, messages, samples) in &row.samples {
            let (median, min, max) = (samples.median(), samples.min(), samples.max());
            let (name, workload) = (row.name, workload.name());
            let _ = writeln!(text, "{name},{workload},ns,{median:.1},{min:.1},{max:.1},{rounds},{messages}");
        }
        if let Some((bytes, count)) = row.memory {
            let _ = writeln!(text, "{},memory,bytes,{bytes:.1},{bytes:.1},{bytes:.1},1,{count}", row.name);
        }
    }
    text
}

/// The head of the text file: machine, versions and command.
pub(crate) fn header(machine: &Machine, rounds: usize, arguments: &[String]) -> String {
    let mut command = "cargo run --release --manifest-path benches/rivals/Cargo.toml".to_owned();
    if !arguments.is_empty() {
        let _ = write!(command, " -- {}", arguments.join(" "));
    }
    let lock = include_str!("../Cargo.lock");
    let versions: Vec<_> =
        VERSIONS.iter().filter_map(|name| Some(format!("{name} {}", version(lock, name)?))).collect();
    format!(
        "{}command   {command}\nrun       {rounds} rounds each, interleaved, medians; messages of 16 bytes, copied\n\
         versions  {}\n",
        machine.describe(),
        versions.join(", ")
    )
}

/// The version a lock file holds of a package; of several the newest, which is the one named in our manifest.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let start = lock.rfind(&entry)? + entry.len();
    lock[start..].split('"').next()
}

/// Writes `<date>-<machine>.csv` and `.txt`; a second run on the same day replaces the first.
pub(crate) fn write(rows: &[Row], rounds: usize, text: &str, machine: &str) -> io::Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    fs::create_dir_all(&directory)?;
    let date = Command::new("date").args(["-u", "+%F"]).output()?;
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let stem = directory.join(format!("{date}-{machine}"));
    fs::write(stem.with_extension("csv"), csv(rows, rounds))?;
    let path = stem.with_extension("txt");
    fs::write(&path, text)?;
    Ok(path)
}

/// A name for the machine that can be part of a file's name.
pub(crate) fn slug(machine: &Machine) -> String {
    let words = format!("{} {}core", machine.cpu, machine.cores).to_lowercase();
    let parts: Vec<_> =
        words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    parts.join("-")
}
