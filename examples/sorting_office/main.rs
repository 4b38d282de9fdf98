//! A small log analyser made of parts that know each other only by subject.
//!
//! ```text
//! cargo run --release --example sorting_office              # the log that comes with the project
//! cargo run --release --example sorting_office -- FILE      # a file of yours
//! … | cargo run --release --example sorting_office -- -     # standard input
//! ```
//!
//! It reads dpkg logs, access logs (Common and Combined), syslog lines and JSON lines, and finds out which one it has. Each
//! line is published on a subject made from it (see `format.rs`). Who listens, and how:
//!
//! | part | subscription | shows |
//! |---|---|---|
//! | `archive` | `log.>`, a thread | a wildcard subscriber that must not lose anything |
//! | `index 1` to `3` | `log.>`, queue group `index` | work spread over threads |
//! | `alerts` | for dpkg `log.dpkg.status.*.half-installed` | a wildcard in the middle |
//! | `meter` | `log.>`, a callback | runs on the publisher's thread, no queue |
//! | `widest` | `log.>`, a task on tokio | an async consumer that also makes requests |
//! | `screen` | `log.>`, 64 messages, oldest dropped | a slow consumer that holds nobody up |
//! | `query` | `query.*`, a thread | request and reply, asked during the run and at its end |
//!
//! Bad lines are reported with their number and do not stop the run. Exit code: 0; 1 if the ledger does not balance; 2 if
//! the input can't be read or has no known format.

mod format;
mod line;
mod office;
mod parts;
mod report;

use line::Lines;
use office::Input;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: sorting_office [FILE|-]    reads the dpkg.log beside it if no file is named";

/// Why a run ended early or is not to be trusted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input is at fault: exit code 2.
    Input(String),
    /// The ledger does not balance: exit code 1.
    Ledger(String),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (named, more) = (arguments.next(), arguments.next());
    let result = match (named.as_deref().and_then(|name| name.to_str()), more) {
        (_, Some(_)) => Err(Failure::Input(USAGE.into())),
        (Some("-h" | "--help"), _) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        (Some("-"), _) => sort("standard input", None, io::stdin().lock()),
        _ => {
            let shipped = || Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/dpkg.log");
            open(&named.map_or_else(shipped, PathBuf::from))
        }
    };
    let _ = io::stdout().flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Input(text)) => {
            eprintln!("sorting_office: {text}");
            ExitCode::from(2)
        }
        Err(Failure::Ledger(text)) => {
            eprintln!("sorting_office: the ledger does not balance: {text}");
            ExitCode::from(1)
        }
    }
}

fn open(path: &Path) -> Result<(), Failure> {
    let name = path.display().to_string();
    let cannot = |error: io::Error| Failure::Input(format!("cannot read {name}: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    sort(&name, Some(size), BufReader::new(file))
}

fn sort(name: &str, size: Option<u64>, input: impl BufRead) -> Result<(), Failure> {
    office::run(Input { name: name.to_owned(), size, lines: Lines::new(input) })
}
