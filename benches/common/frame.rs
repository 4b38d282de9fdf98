//! The frame of every bench: main, the help, the list, the heading and the file.

use std::path::Path;
use std::process::ExitCode;

use super::machine::Machine;
use super::options::Options;
use super::report;

/// The whole of `main`: a reason to fail goes to standard error.
pub(crate) fn main(run: impl FnOnce() -> Result<(), String>) -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The rows to be measured; `None` if only the help or the list was wanted, which is printed then. `told` gives the name of
/// a workload, and what it does.
pub(crate) fn choose<T>(
    options: &Options,
    help: &str,
    all: &'static [T],
    told: fn(&T) -> (&'static str, &'static str),
) -> Result<Option<Vec<&'static T>>, String> {
    if options.help {
        println!("{help}");
        return Ok(None);
    }
    if options.list {
        all.iter().map(told).for_each(|(name, about)| println!("{name:<22}{about}"));
        return Ok(None);
    }
    options.choose(all, |one| told(one).0).map(Some)
}

/// Heads the report: the machine, and what else there is to say about the run.
pub(crate) fn head(about: &str) {
    print!("{}", Machine::look(Path::new(env!("CARGO_MANIFEST_DIR"))).describe());
    println!("{about}\n");
}

/// Writes the rows that programs read, and says where.
pub(crate) fn record(name: &str, rows: &[String]) -> Result<(), String> {
    let json = format!("{{\n{}\n}}\n", rows.join(",\n"));
    let path = report::write(name, &json).map_err(|error| format!("{name} not written: {error}"))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
