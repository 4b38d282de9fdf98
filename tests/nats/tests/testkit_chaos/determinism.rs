//! The same seed, the same run: byte for byte.

use crate::{MS, SECOND};
use postroom::testkit::{Chaos, Fault};
use postroom::{ConnectOptions, Message, SubscribeOptions, TestKit};
use std::fmt::Write as _;
use std::sync::Arc;

const SEEDS: u64 = 200;

/// All that NATS may do, often.
fn wild() -> Chaos {
    Chaos::new()
        .with(Fault::delay_between(MS, MS * 40).chance(0.1))
        .with(Fault::slow_delivery_between(MS, MS * 30).chance(0.05))
        .with(Fault::reorder(2).on("work.>").chance(0.1))
        .with(Fault::redelivery().on("work.*").chance(0.1))
        .with(Fault::redelivery_after(MS * 30).on("work.*").chance(0.05))
        .with(Fault::lost_answer().chance(0.1))
        .with(Fault::no_responders().chance(0.1))
        .with(Fault::late_subscription(2).chance(0.5))
        .with(Fault::member_away(3).chance(0.1))
        .with(Fault::slow_consumer().on("work.>").chance(0.05))
        .with(Fault::disconnect(MS * 20).chance(0.02))
        .with(Fault::disconnect_unbuffered(MS * 20).of("worker 1").on("done.*").chance(0.05))
        .with(Fault::permission().on("log").chance(0.05))
        .with(Fault::max_payload(12).on("log").chance(0.5))
}

/// A small application on one thread: workers in a queue group, a service, a requester and a logger. Gives back everything that was
/// seen.
fn transcript(seed: u64) -> String {
    let kit = TestKit::builder().seed(seed).chaos(wild()).build();
    let transcript = Arc::new(parking_lot::Mutex::new(String::new()));
    let connect = |name: &str| kit.bus().connect_with(ConnectOptions::new().name(name));
    let note = |who: String, transcript: &Arc<parking_lot::Mutex<String>>, message: &Message| {
        let payload = message.payload_str().unwrap().to_owned();
        writeln!(transcript.lock(), "{who}: {} {:?} {payload}", message.subject(), message.reply()).unwrap();
    };
    let mut guards = Vec::new();
    for worker in 0..4 {
        let client = connect(&format!("worker {worker}"));
        let (publish, log) = (client.clone(), transcript.clone());
        let work = move |message: Message| {
            note(format!("worker {worker}"), &log, &message);
            let done = format!("done.{worker}");
            let outcome = publish.publish(done, message.payload_bytes());
            writeln!(log.lock(), "  {outcome:?}").unwrap();
        };
        guards.push(client.subscribe_fn_with("work.*", SubscribeOptions::new().queue("workers"), work).unwrap());
    }
    let service = connect("service");
    let answer = |question: Message| drop(question.respond(format!("re {}", question.payload_str().unwrap())));
    guards.push(service.subscribe_fn("ask", answer).unwrap());
    let log = transcript.clone();
    guards.push(connect("log").subscribe_fn(">", move |message| note("log".into(), &log, &message)).unwrap());

    let (first, second) = (connect("first"), connect("second"));
    let answers = first.subscribe("answers.*").unwrap();
    for round in 0..40 {
        let told = [
            first.publish(format!("work.{}", round % 3), format!("first {round}")),
            second.publish(format!("work.{}", round % 5), format!("second {round}")),
            second.publish("log", "x".repeat(round)),
            first.publish_with_reply("ask", format!("answers.{round}"), round.to_string()),
        ];
        writeln!(transcript.lock(), "round {round}: {told:?}").unwrap();
        kit.clock().advance(MS * (round as u32 % 7));
        for message in answers.try_iter() {
            note("first".into(), &transcript, &message);
        }
    }
    kit.clock().advance(SECOND);
    answers.try_iter().for_each(|message| note("first".into(), &transcript, &message));
    let stats = kit.bus().stats();
    assert!(stats.ledger.balances() && stats.traffic.routed == stats.ledger.matched, "{stats:?}");
    let mut text = transcript.lock().clone();
    kit.faults().iter().for_each(|fault| writeln!(text, "{fault}").unwrap());
    writeln!(text, "{:?} at {:?}", stats.ledger, kit.clock().now()).unwrap();
    text
}

#[test]
fn two_hundred_seeds_run_twice_give_the_same_transcripts() {
    let mut all = std::collections::HashSet::new();
    let mut permitted = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let (first, second) = (transcript(seed), transcript(seed));
        assert!(first == second, "seed {seed}: {}", first_difference(&first, &second));
        permitted.extend(first.lines().filter_map(|line| {
            let (_, rule) = line.strip_suffix(')')?.rsplit_once("(fault ")?;
            Some(rule.split_once(", ")?.1.to_owned())
        }));
        all.insert(first);
    }
    assert_eq!(all.len() as u64, SEEDS, "each seed has a run of its own");
    let expected = ["C15", "C18", "C18, D6", "J52", "L1, L7, L8", "L4", "P3, P4", "Q3, Q4", "R2"];
    assert_eq!(permitted.iter().map(String::as_str).collect::<Vec<_>>(), expected, "all of them happened");
}

fn first_difference(first: &str, second: &str) -> String {
    let differ = first.lines().zip(second.lines()).enumerate().find(|(_, (first, second))| first != second);
    differ.map_or_else(|| "one is longer".into(), |(at, (first, second))| format!("line {at}: {first:?}, {second:?}"))
}
