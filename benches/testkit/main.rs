//! `cargo bench -p postroom-benches --features testkit --bench testkit`: what the test kit costs a test.
//!
//! Each case is a time, and most have a bound that it is to keep; a bound that was missed is marked.
#![forbid(unsafe_code)]

mod cases;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;

use cases::{ALL, Case};
use common::frame;
use common::options::Options;
use common::samples::{self, Samples};
use std::process::ExitCode;

const HELP: &str = "\
cargo bench -p postroom-benches --features testkit --bench testkit -- [options] [CASE...]

  --rounds N   how often each case is measured (default 11, or POSTROOM_TESTKIT_ROUNDS)
  --quick      3 rounds of a tenth
  --list       what there is";

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let options = Options::from_process("POSTROOM_TESTKIT_ROUNDS", &mut |_, _| Ok(false))?;
    let Some(chosen) = frame::choose(&options, HELP, ALL, |case| (case.name, case.about))? else { return Ok(()) };
    frame::head(&format!("run       {} rounds, medians", options.rounds));
    println!("{:<22}{:>12} {:>21} {:>12}  what", "case", "ns", "(min - max)", "bound");
    let mut rows = Vec::new();
    for case in chosen {
        let samples = measure(case, &options);
        rows.push(print(case, &samples));
    }
    if options.record { frame::record("testkit.json", &rows) } else { Ok(()) }
}

fn measure(case: &Case, options: &Options) -> Samples {
    let iterations = (case.iterations / options.shorten).max(1);
    // The first brings what is paid once.
    (case.run)(1);
    let mut samples = Samples::default();
    for _ in 0..options.rounds {
        samples.push(samples::per_message((case.run)(iterations), iterations));
    }
    samples
}

/// Prints a line of the table; gives back one of the file.
fn print(case: &Case, samples: &Samples) -> String {
    let (median, min, max) = (samples.median(), samples.min(), samples.max());
    let bound = case.bound_ns.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.0}"));
    let missed = if case.bound_ns.is_some_and(|bound| median > bound) { "  missed" } else { "" };
    let range = format!("({min:.0} - {max:.0})");
    println!("{:<22}{median:>12.0} {range:>21} {bound:>12}  {}{missed}", case.name, case.about);
    let bound = case.bound_ns.map_or_else(|| "null".to_owned(), |bound| format!("{bound:.0}"));
    format!(
        "  \"{}\": {{\"ns\": {median:.1}, \"min_ns\": {min:.1}, \"max_ns\": {max:.1}, \"bound_ns\": {bound}}}",
        case.name
    )
}
