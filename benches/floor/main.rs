//! `cargo bench --bench floor`: what the bus costs above a bare channel.
//!
//! Every workload is measured as a ratio to its *floor*: the same message through a bare crossbeam channel, in the same
//! run, the two sides in turn, threads pinned. Times differ between machines and hours; the ratio is what carries over.
#![forbid(unsafe_code)]

mod bare;
mod harness;
mod letter;
mod machine;
mod options;
mod ours;
mod report;
mod workloads;

use std::path::Path;
use std::process::ExitCode;

use harness::{Setup, interleave};
use machine::Machine;
use options::Options;
use workloads::{ALL, Workload};

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
    if options.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    if options.list {
        ALL.iter().for_each(|workload| println!("{:<22}{}", workload.name, workload.about));
        return Ok(());
    }
    let chosen = choose(&options.only)?;
    let setup = Setup::new(&options.cores, options.capacity)?;
    print!("{}", Machine::look(Path::new(env!("CARGO_MANIFEST_DIR"))).describe());
    println!(
        "run       {} rounds a side, interleaved, medians; pinned to cores {:?}; channels of {}\n",
        options.rounds,
        setup.pinned_to(),
        options.capacity
    );
    println!("{}", report::header());
    let mut results = Vec::new();
    for workload in chosen {
        if setup.cores() < workload.cores {
            println!("{:<22}not measured: needs {} cores", workload.name, workload.cores);
            continue;
        }
        let iterations = (workload.iterations / options.shorten).max(1);
        let measured = interleave(&setup, iterations, options.rounds, workload.floor, workload.ours);
        println!("{}", report::row(workload, &measured));
        results.push((workload, measured));
    }
    if options.record {
        let path =
            report::write(&report::json(&results)).map_err(|error| format!("floor.json not written: {error}"))?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

/// The workloads named, in the table's order; all of them when none is.
fn choose(names: &[String]) -> Result<Vec<&'static Workload>, String> {
    if let Some(stranger) = names.iter().find(|name| ALL.iter().all(|workload| workload.name != **name)) {
        let known: Vec<_> = ALL.iter().map(|workload| workload.name).collect();
        return Err(format!("there is no workload {stranger:?}; there are {}", known.join(", ")));
    }
    Ok(ALL.iter().filter(|workload| names.is_empty() || names.iter().any(|name| name == workload.name)).collect())
}
