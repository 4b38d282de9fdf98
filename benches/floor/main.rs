//! `cargo bench -p postroom-benches --bench floor`: what the bus costs above a bare channel.
//!
//! Every workload is measured as a ratio to its *floor*: the same message through a bare crossbeam channel, in the same
//! run, the two sides in turn, threads pinned. Times differ between machines and hours; the ratio is what carries over.
#![forbid(unsafe_code)]

mod bare;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod harness;
mod letter;
mod options;
mod ours;
mod workloads;

use std::process::ExitCode;

use common::{frame, report, samples};
use harness::{Setup, interleave};
use options::Options;
use workloads::ALL;

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let options = Options::from_process()?;
    let Some(chosen) = frame::choose(&options.common, options::HELP, ALL, |workload| (workload.name, workload.about))?
    else {
        return Ok(());
    };
    let setup = Setup::new(&options.cores, options.capacity)?;
    frame::head(&format!(
        "run       {} rounds a side, interleaved, medians; pinned to cores {:?}; channels of {}",
        options.common.rounds,
        setup.pinned_to(),
        options.capacity
    ));
    println!("{}", report::header("floor", ""));
    let mut rows = Vec::new();
    for workload in chosen {
        if setup.cores() < workload.cores {
            println!("{:<22}not measured: needs {} cores", workload.name, workload.cores);
            continue;
        }
        let iterations = (workload.iterations / options.common.shorten).max(1);
        let measured = interleave(&setup, iterations, options.common.rounds, workload.floor, workload.ours);
        println!("{}", report::row(workload.name, workload.target, &measured, ""));
        rows.push(report::json(workload.name, "floor", &measured));
    }
    if options.common.record { frame::record("floor.json", &rows) } else { Ok(()) }
}
