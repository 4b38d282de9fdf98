//! A log on the bus: its parts know each other only by subject.
//!
//! ```text
//! cargo run --release --example sorting_office              # the dpkg log that comes with the project
//! cargo run --release --example sorting_office -- FILE      # a dpkg log of yours
//! … | cargo run --release --example sorting_office -- -     # standard input
//! ```
//!
//! Each line `DATE TIME ACTION …` is published on `log.ACTION.PACKAGE` or, for a state of a package, on `log.status.PACKAGE.STATE`.
//!
//! | part | subscription | shows |
//! |---|---|---|
//! | `archive` | `log.>`, a thread | a wildcard subscriber that must not lose a message |
//! | `index 1` to `3` | `log.>`, queue group `index` | work spread over threads |
//! | `alerts` | `log.status.*.half-installed` | a wildcard in the middle |
//! | `meter` | `log.>`, a callback | runs on the publisher's thread, without a queue |
//! | `widest` | `log.>`, a task on tokio | an asynchronous subscriber |
//! | `screen` | `log.>`, 64 messages, oldest dropped | a slow consumer that holds up no other part |
//! | `query` | `query.*`, a thread | request and response |
//! | `replay` | a stream of `log.>` that keeps the last 1,000 lines | a consumer that reads them again, in order |
//!
//! A bad line is reported with its number and does not stop the run. The run fails if the input can't be read or the ledger does not
//! balance.

use postroom::jetstream::{self, ConsumerConfig, JetStreamOptions, JetStreamServer, StreamConfig};
use postroom::stats::Ledger;
use postroom::{Bus, Client, ConnectOptions, OverflowPolicy, SubscribeOptions, Subscriber};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdin};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the reader waits for a part that must not lose a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many lines the stream keeps.
const KEPT: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| shipped().to_owned());
    let input: Box<dyn BufRead> = match name.as_str() {
        "-" => Box::new(stdin().lock()),
        path => Box::new(BufReader::new(File::open(path).map_err(|error| format!("cannot read {path}: {error}"))?)),
    };

    let bus = Bus::new();
    let lossless = || SubscribeOptions::new().capacity(4_096).overflow(OverflowPolicy::Block(PATIENCE));
    let counts = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let (hurry, hurried) = crossbeam_channel::bounded::<()>(0);

    let mut parts = vec![Part::start(&bus, "archive", "log.>", lossless(), |lines| {
        format!("{} bytes kept", lines.iter().map(|line| line.payload().len()).sum::<usize>())
    })?];
    for name in ["index 1", "index 2", "index 3"] {
        let counts = Arc::clone(&counts);
        parts.push(Part::start(&bus, name, "log.>", lossless().queue("index"), move |lines| {
            for line in lines {
                let action = line.subject().tokens().nth(1).unwrap_or_default().to_owned();
                *counts.lock().unwrap().entry(action).or_default() += 1;
            }
            String::new()
        })?);
    }
    parts.push(Part::start(&bus, "alerts", "log.status.*.half-installed", lossless(), |lines| {
        format!("{} packages", lines.iter().count())
    })?);
    parts.push(Part::start(&bus, "widest", "log.>", lossless(), |lines| {
        let task = async {
            let mut widest = 0;
            while let Ok(line) = lines.recv_async().await {
                widest = widest.max(line.payload().len());
            }
            format!("longest line {widest} bytes")
        };
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts").block_on(task)
    })?);
    let newest = SubscribeOptions::new().capacity(64).overflow(OverflowPolicy::DropOldest);
    parts.push(Part::start(&bus, "screen", "log.>", newest, move |lines| {
        // A message is never sent there: the wait ends early when the other end is gone.
        let pause = || _ = hurried.recv_timeout(Duration::from_millis(1));
        let shown = lines.iter().inspect(|_| pause()).count();
        format!("{shown} lines shown")
    })?);
    let meter = bus.connect();
    let seen = Arc::new(AtomicUsize::new(0));
    let seen_by_meter = Arc::clone(&seen);
    let metered = meter.subscribe_fn("log.>", move |_| _ = seen_by_meter.fetch_add(1, Relaxed))?;
    let query = Part::start(&bus, "query", "query.*", lossless(), move |queries| {
        for query in queries {
            let action = query.subject().tokens().nth(1).unwrap_or_default();
            let count = counts.lock().unwrap().get(action).copied().unwrap_or_default();
            query.respond(count.to_string()).expect("the requester waits");
        }
        String::new()
    })?;

    let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
    let js = jetstream::new(bus.connect());
    let kept = js.create_stream(StreamConfig::new("LOG").subjects(["log.>"]).max_msgs(KEPT)).wait()?;

    let reader = bus.connect();
    let (mut published, mut bad) = (0, 0);
    for (number, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(|error| format!("cannot read {name}: {error}"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let sent = subject(&line).and_then(|subject| reader.publish(subject, line).map_err(|error| error.to_string()));
        match sent {
            Ok(_) => published += 1,
            Err(why) => {
                bad += 1;
                eprintln!("line {}: {why}", number + 1);
            }
        }
    }

    drop(hurry);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{published} published, {bad} bad, {} metered\n", seen.load(Relaxed))?;
    writeln!(out, "{:<8} {:<28} {:>9} {:>9} {:>9}", "part", "subscription", "matched", "delivered", "dropped")?;
    // The parts finish what is queued; then the last queries are made.
    let mut ends: Vec<_> = parts.into_iter().map(Part::finish).collect::<Result<_, _>>()?;
    for action in ["status", "configure", "install"] {
        let count = reader.request(format!("query.{action}"), "")?;
        ends.push(format!("{action:<10} {}", count.payload_str()?));
    }
    ends.insert(ends.len() - 3, query.finish()?);
    writeln!(out, "{}", ends.join("\n"))?;
    metered.unsubscribe();
    let states =
        kept.create_consumer(ConsumerConfig::pull("replay").filter_subject("log.status.*.installed")).wait()?;
    let mut replayed = 0;
    for line in states.fetch(KEPT as usize).messages() {
        line?.ack()?;
        replayed += 1;
    }
    let info = kept.info().wait()?;
    writeln!(out, "replay     {replayed} of the last {} lines of {}", info.state.messages, info.state.last_seq)?;

    let Ledger { matched, delivered, dropped, queued, .. } = bus.stats().ledger;
    let is_balanced = matched == delivered + dropped.total() + queued;
    let verdict = if is_balanced { "balances" } else { "DOES NOT BALANCE" };
    writeln!(
        out,
        "\nledger: {matched} matched = {delivered} delivered + {} dropped + {queued} queued: {verdict}",
        dropped.total()
    )?;
    if is_balanced { Ok(()) } else { Err("the ledger does not balance".into()) }
}

/// A part that runs on a thread of its own until its connection is drained.
struct Part {
    client: Client,
    thread: JoinHandle<String>,
}

impl Part {
    /// Runs `work` on a thread. It returns its note when the subscription has ended.
    fn start(
        bus: &Bus,
        name: &str,
        pattern: &str,
        options: SubscribeOptions,
        work: impl FnOnce(&Subscriber) -> String + Send + 'static,
    ) -> Result<Self, Box<dyn Error>> {
        let client = bus.connect_with(ConnectOptions::new().name(name));
        let lines = client.subscribe_with(pattern, options)?;
        let name = name.to_owned();
        let thread = thread::spawn(move || {
            let note = work(&lines);
            let Ledger { matched, delivered, dropped, .. } = lines.ledger();
            let (pattern, dropped) = (lines.pattern(), dropped.total());
            format!("{name:<8} {:<28} {matched:>9} {delivered:>9} {dropped:>9}  {note}", pattern.as_str())
        });
        Ok(Part { client, thread })
    }

    /// Lets the part finish what is queued. Returns its row of the table.
    fn finish(self) -> Result<String, Box<dyn Error>> {
        self.client.drain().wait_timeout(PATIENCE)?;
        Ok(self.thread.join().map_err(|_| "a part panicked")?.trim_end().to_owned())
    }
}

/// The subject of a line. A dot would begin a new token, so dots in names become `_`.
fn subject(line: &[u8]) -> Result<String, String> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let words: Vec<String> = line.split_whitespace().map(|word| word.replace('.', "_")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, _, "status", state, package, _] => Ok(format!("log.status.{package}.{state}")),
        [_, _, action, package, ..] => Ok(format!("log.{action}.{package}")),
        _ => Err("too few words for a dpkg line".to_owned()),
    }
}

fn shipped() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/data/dpkg.log")
}
