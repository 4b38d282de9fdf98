//! `cargo bench --bench testkit --features testkit`: what the test kit costs a test.
//!
//! Each case is a time, and most have a bound that it is to keep; a bound that was missed is marked.
#![forbid(unsafe_code)]

mod cases;
#[path = "../common/machine.rs"]
mod machine;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/report.rs"]
#[expect(dead_code, reason = "comparisons of two sides are for the other benches")]
mod report;
#[path = "../common/samples.rs"]
mod samples;

use cases::{ALL, Case};
use machine::Machine;
use options::Options;
use samples::Samples;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
cargo bench --bench testkit --features testkit -- [options] [CASE...]

  --rounds N   how often each case is measured (default 11, or POSTROOM_TESTKIT_ROUNDS)
  --quick      3 rounds of a tenth
  --list       what there is";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::from_process("POSTROOM_TESTKIT_ROUNDS", &mut |_, _| Ok(false))?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    if options.list {
        ALL.iter().for_each(|case| println!("{:<22}{}", case.name, case.about));
        return Ok(());
    }
    let chosen = options.choose(ALL, |case| case.name)?;
    print!("{}", Machine::look(Path::new(env!("CARGO_MANIFEST_DIR"))).describe());
    println!("run       {} rounds, medians\n", options.rounds);
    println!("{:<22}{:>12} {:>21} {:>12}  what", "case", "ns", "(min - max)", "bound");
    let mut rows = Vec::new();
    for case in chosen {
        let samples = measure(case, &options);
        rows.push(print(case, &samples));
    }
    if options.record {
        let json = format!("{{\n{}\n}}\n", rows.join(",\n"));
        let path =
            report::write("testkit.json", &json).map_err(|error| format!("testkit.json not written: {error}"))?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
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
