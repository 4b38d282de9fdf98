//! `cargo bench -p postroom-benches --bench memory`: what an idle subscription costs in resident memory, and what comes back.
//!
//! Each case runs in a process of its own, so that no case finds the holes another one left in the heap. The child says
//! how much was resident before, with all subscriptions held, and after the last one was dropped. The handle the user
//! holds is part of the cost; the text of the subject is too where the subscription keeps it.
//!
//! The memory that comes back also depends on the C library: glibc keeps small freed pieces in caches, unmerged, and
//! gives back only what lies free at the end of its heap; a single cached piece up there holds everything below it. So
//! the children run with these caches off and a fixed threshold (see [`TUNABLES`]), where what stays is what the program
//! still holds, and the bus once more without, to show what an application sees by default.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::hint::black_box;
use std::io;
use std::process::{Command, ExitCode};

use common::frame;
use crossbeam_channel::{bounded, unbounded};

/// The text of `--help`.
const HELP: &str = "\
cargo bench -p postroom-benches --bench memory -- [options]

  --subscriptions N   how many (default 1000000)
  --quick             a tenth of them
  --only A,B          only these cases";

/// One arena, no caches of small pieces, and free memory at the end of the heap given back from 128 KiB on.
const TUNABLES: &str = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:\
     glibc.malloc.trim_threshold=131072";

/// The item that is held a million times.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    about: &'static str,
    /// Channels are measured with fewer: they cost kilobytes, and just as much each.
    share: usize,
    /// Whether the C library is told to give memory back.
    trim: bool,
    run: fn(usize) -> io::Result<Resident>,
}

const CASES: &[Case] = &[
    Case { name: "literal", about: "idle literal subscription, 17-byte subject", share: 1, trim: true, run: literal },
    Case {
        name: "literal_long",
        about: "the same with a subject of 48 bytes",
        share: 1,
        trim: true,
        run: literal_long,
    },
    Case {
        name: "wildcard",
        about: "idle subscription to dev.N.*, a trie path of its own",
        share: 1,
        trim: true,
        run: wildcard,
    },
    Case {
        name: "literal_as_is",
        about: "literal, the C library left to its defaults",
        share: 1,
        trim: false,
        run: literal,
    },
    Case {
        name: "hash_map",
        about: "entry of a HashMap<Box<str>, u64>, 17-byte subject",
        share: 1,
        trim: true,
        run: hash_map,
    },
    Case {
        name: "channel_unbounded",
        about: "bare crossbeam channel, unbounded, nothing sent yet",
        share: 10,
        trim: true,
        run: channel_unbounded,
    },
    Case {
        name: "channel_bounded_16",
        about: "bare crossbeam channel, bounded(16)",
        share: 10,
        trim: true,
        run: channel_bounded,
    },
];

/// Kilobytes resident at the three moments that count.
struct Resident {
    before: u64,
    held: u64,
    after: u64,
}

/// As large as a message: what a channel reserves room for.
type Slot = [u64; 12];

fn main() -> ExitCode {
    frame::main(run)
}

fn run() -> Result<(), String> {
    let (mut subscriptions, mut only, mut record) = (1_000_000_usize, Vec::new(), false);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--bench" => record = true,
            "--quick" => subscriptions = 100_000,
            "--subscriptions" => {
                let text = value()?.replace('_', "");
                subscriptions = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
            }
            "--only" => only.extend(value()?.split(',').map(str::to_owned)),
            "--child" => return child(&value()?, subscriptions),
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("{other} is not an option\n\n{HELP}")),
        }
    }
    if !record {
        // Under `cargo test --benches` only that every case runs is of interest.
        subscriptions = 1_000;
    }
    parent(subscriptions, &only, record)
}

/// Runs a child for every case and reports.
fn parent(subscriptions: usize, only: &[String], record: bool) -> Result<(), String> {
    frame::head(&format!("run       {subscriptions} subscriptions (channels: a tenth); one process a case; VmRSS"));
    println!(
        "{:<22}{:>10} {:>10} {:>10} {:>10} {:>9}  what",
        "case", "bytes each", "before kB", "held kB", "after kB", "returned"
    );
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| only.is_empty() || only.iter().any(|name| name == case.name)) {
        let count = (subscriptions / case.share).max(1);
        let Resident { before, held, after } = measure(case, count)?;
        let grown = held.saturating_sub(before);
        let each = grown as f64 * 1024.0 / count as f64;
        let returned = held.saturating_sub(after) as f64 / grown.max(1) as f64;
        println!(
            "{:<22}{each:>10.0} {before:>10} {held:>10} {after:>10} {:>8.1}%  {}",
            case.name,
            returned * 100.0,
            case.about
        );
        rows.push(format!(
            "  \"{}\": {{\"subscriptions\": {count}, \"bytes_per_subscription\": {each:.1}, \"before_kb\": {before}, \
             \"held_kb\": {held}, \"after_kb\": {after}, \"returned\": {returned:.4}}}",
            case.name
        ));
    }
    if record { frame::record("memory.json", &rows) } else { Ok(()) }
}

/// Runs one case in a child and reads its three numbers.
fn measure(case: &Case, count: usize) -> Result<Resident, String> {
    let fail = |what: String| format!("{}: {what}", case.name);
    let this = env::current_exe().map_err(|error| fail(error.to_string()))?;
    let mut command = Command::new(this);
    command.args(["--subscriptions", &count.to_string(), "--child", case.name]);
    if case.trim {
        command.env("GLIBC_TUNABLES", TUNABLES);
    } else {
        command.env_remove("GLIBC_TUNABLES");
    }
    let output = command.output().map_err(|error| fail(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [before, held, after] if output.status.success() => Ok(Resident { before, held, after }),
        _ => Err(fail(format!("the child failed: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}

/// The child: one case, three numbers.
fn child(name: &str, count: usize) -> Result<(), String> {
    let case = CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("there is no case {name:?}"))?;
    let Resident { before, held, after } = (case.run)(count).map_err(|error| error.to_string())?;
    println!("{before} {held} {after}");
    Ok(())
}

/// Makes `count` of what `make` makes, holds them, drops them, and looks at the memory in between.
fn hold<T>(count: usize, mut make: impl FnMut(usize) -> T) -> io::Result<Resident> {
    // The first one brings what is paid once: thread-locals, tables, lazily made statics.
    drop(make(count));
    let before = resident()?;
    let mut held = Vec::with_capacity(count);
    held.extend((0..count).map(make));
    let full = resident()?;
    drop(black_box(held));
    Ok(Resident { before, held: full, after: resident()? })
}

/// Kilobytes resident. The kernel counts pages in batches, so this is exact to some dozens of them.
fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.ok_or_else(|| io::Error::other("the kernel does not say what is resident"))
}

/// As long as a subject of a device often is, and short enough to be kept inline by a string type that does so.
fn subject(number: usize) -> String {
    format!("dev.{number:08}.temp")
}

fn literal(count: usize) -> io::Result<Resident> {
    let client = postroom::Bus::new().connect();
    hold(count, |number| client.subscribe(subject(number)).expect("a subscription"))
}

fn literal_long(count: usize) -> io::Result<Resident> {
    let client = postroom::Bus::new().connect();
    hold(count, |number| {
        let subject = format!("plant.north.hall.twelve.line.dev.{number:08}.status");
        client.subscribe(subject).expect("a subscription")
    })
}

fn wildcard(count: usize) -> io::Result<Resident> {
    let client = postroom::Bus::new().connect();
    hold(count, |number| client.subscribe(format!("dev.{number:08}.*")).expect("a subscription"))
}

fn hash_map(count: usize) -> io::Result<Resident> {
    let before = resident()?;
    let mut map = HashMap::<Box<str>, u64>::new();
    for number in 0..count {
        map.insert(subject(number).into(), number as u64);
    }
    let held = resident()?;
    drop(black_box(map));
    Ok(Resident { before, held, after: resident()? })
}

fn channel_unbounded(count: usize) -> io::Result<Resident> {
    hold(count, |_| unbounded::<Slot>())
}

fn channel_bounded(count: usize) -> io::Result<Resident> {
    hold(count, |_| bounded::<Slot>(16))
}
