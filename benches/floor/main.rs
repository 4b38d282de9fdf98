//! `cargo bench --bench floor`: what the bus costs above a bare channel.
//!
//! Every workload is measured as a ratio to its *floor*: the same message through a bare crossbeam channel, in the same
//! run, the two sides in turn, threads pinned. Times differ between machines and hours; the ratio is what carries over.
#![forbid(unsafe_code)]

mod bare;
mod harness;
mod letter;
#[path = "../common/machine.rs"]
mod machine;
mod options;
mod ours;
#[path = "../common/report.rs"]
mod report;
#[path = "../common/samples.rs"]
mod samples;
mod workloads;

use std::path::Path;
use std::process::ExitCode;

use harness::{Setup, interleave};
use machine::Machine;
use options::Options;
use workloads::ALL;

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
    let options = Options::from_process()?;
    if options.common.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    if options.common.list {
        ALL.iter().for_each(|workload| println!("{:<22}{}", workload.name, workload.about));
        return Ok(());
    }
    let chosen = options.common.choose(ALL, |workload| workload.name)?;
    let setup = Setup::new(&options.cores, options.capacity)?;
    print!("{}", Machine::look(Path::new(env!("CARGO_MANIFEST_DIR"))).describe());
    println!(
        "run       {} rounds a side, interleaved, medians; pinned to cores {:?}; channels of {}\n",
        options.common.rounds,
        setup.pinned_to(),
        options.capacity
    );
    println!("{}", report::header("floor", ""));
    let mut results = Vec::new();
    for workload in chosen {
        if setup.cores() < workload.cores {
            println!("{:<22}not measured: needs {} cores", workload.name, workload.cores);
            continue;
        }
        let iterations = (workload.iterations / options.common.shorten).max(1);
        let measured = interleave(&setup, iterations, options.common.rounds, workload.floor, workload.ours);
        println!("{}", report::row(workload.name, workload.target, &measured, ""));
        results.push((workload.name, measured));
    }
    if options.common.record {
        let json = report::json("floor", results.iter().map(|(name, measured)| (*name, measured)));
        let path = report::write("floor.json", &json).map_err(|error| format!("floor.json not written: {error}"))?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}
