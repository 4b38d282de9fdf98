//! G7: with a manual clock and a seed, a single-threaded run repeats exactly.
//!
//! Goal: the same seed gives the same transcript, to the last queue-group choice and inbox name, and another seed another. Method: one
//! run that uses everything luck or time could touch, written down line by line, on threads of different history.

use crate::common::number;
use postroom::request::RequestManyOptions;
use postroom::{Bus, Clock, ConnectOptions, OverflowPolicy, SubscribeOptions};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

/// Runs on a thread of its own: what a thread did before must not matter.
fn transcript(seed: u64, shards: usize) -> Vec<String> {
    std::thread::spawn(move || run(seed, shards)).join().unwrap()
}

fn run(seed: u64, shards: usize) -> Vec<String> {
    let clock = Clock::manual();
    let bus = Bus::builder().seed(seed).clock(&clock).shards(shards).build();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |text: String| log.lock().unwrap().push(text);
    let events = bus.events();
    let clients = [bus.connect(), bus.connect_with(ConnectOptions::new().no_echo(true)), bus.connect()];

    // Which member gets what.
    let members: Vec<_> = (0..9)
        .map(|n| {
            let pattern = ["w.*", "w.>", "w.1"][n % 3];
            let options = SubscribeOptions::new().queue(["g", "h"][n % 2]).capacity(20);
            clients[n % 3].subscribe_with(pattern, options).unwrap()
        })
        .collect();
    for n in 0..100 {
        clock.advance(Duration::from_millis(n));
        let accepted = clients[n as usize % 3].publish(format!("w.{}", n % 3), n.to_string()).unwrap();
        note(format!("{n} accepted by {accepted}"));
    }
    for member in &members {
        note(format!("{:?}", member.try_iter().map(|message| number(&message)).collect::<Vec<_>>()));
    }

    // In which order callbacks of many patterns are called.
    let guards: Vec<_> = ["c.*", "c.>", "c.1", ">", "*.1", "*.*", "c.1"]
        .into_iter()
        .enumerate()
        .map(|(n, pattern)| {
            let log = log.clone();
            let call = move |message: postroom::Message| {
                log.lock().unwrap().push(format!("{n} called on {}", message.subject()))
            };
            clients[n % 3].subscribe_fn(pattern, call).unwrap()
        })
        .collect();
    for _ in 0..4 {
        clients[0].publish("c.1", "").unwrap();
    }
    drop(guards);

    // Names of inboxes, and answers.
    for client in &clients {
        note(format!("{} and {}", client.new_inbox(), client.new_inbox()));
        let questions = bus.connect().subscribe("svc").unwrap();
        let mut answer = pin!(client.request_async("svc", ""));
        let question = questions.recv().unwrap();
        note(format!("asked for {}", question.reply().unwrap()));
        question.respond("yes").unwrap();
        note(format!("{:?}", answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        drop(client.request_many("svc", "", RequestManyOptions::new()).unwrap());
        note(format!("asked for {}", questions.recv().unwrap().reply().unwrap()));
    }

    // Losses, with their times.
    let slow =
        clients[0].subscribe_with("slow", SubscribeOptions::new().capacity(2).overflow(OverflowPolicy::Close)).unwrap();
    for _ in 0..4 {
        clock.advance(Duration::from_secs(1));
        clients[1].publish("slow", "").unwrap();
    }
    drop((slow, members));
    note(format!("{:?}", bus.stats()));
    bus.close();
    for event in &events {
        log.lock().unwrap().push(format!("{event:?}"));
    }

    log.lock().unwrap().clone()
}

#[test]
fn the_same_seed_repeats_to_the_letter() {
    for (seed, shards) in [(7, 16), (7, 1), (0, 4), (u64::MAX, 16)] {
        let first = transcript(seed, shards);
        assert!(first.len() > 130);
        for _ in 0..3 {
            assert_eq!(first, transcript(seed, shards), "seed {seed}");
        }
    }
}

#[test]
fn another_seed_chooses_otherwise() {
    let runs: Vec<_> = (0..5).map(|seed| transcript(seed, 16)).collect();
    for (n, run) in runs.iter().enumerate() {
        for other in &runs[..n] {
            let members = |run: &[String]| run[100..109].to_vec();
            assert_ne!(members(run), members(other), "members");
            let inboxes =
                |run: &[String]| run.iter().filter(|line| line.contains("_INBOX")).cloned().collect::<Vec<_>>();
            assert_eq!(inboxes(run).len(), 9 + 3, "nine names written down, and three answers that came there");
            assert!(inboxes(run).iter().all(|line| !inboxes(other).contains(line)), "inboxes");
        }
    }
}

/// Without a seed no two buses are alike, also in one process.
#[test]
fn without_a_seed_there_is_luck() {
    let names: Vec<String> = (0..20).map(|_| Bus::new().connect().new_inbox().to_string()).collect();
    for (n, name) in names.iter().enumerate() {
        assert!(!names[..n].contains(name), "{name}");
    }
}

/// On a manual clock nothing happens by itself, however long the thread takes.
#[test]
fn time_stands_still_until_it_is_told_to() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let _silent = client.subscribe("svc").unwrap();
    let mut answer = pin!(client.request_timeout_async("svc", "", Duration::from_nanos(2)));
    let mut poll = || answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    for _ in 0..1000 {
        assert!(!poll());
    }
    assert_eq!((clock.timers(), clock.next_timer()), (1, Some(Duration::from_nanos(2))));
    clock.advance(Duration::from_nanos(1));
    assert!(!poll());
    clock.advance(Duration::from_nanos(1));
    assert!(poll());
    assert_eq!((bus.clock().now(), clock.timers()), (Duration::from_nanos(2), 0));
}

#[test]
fn numbers_drawn_from_the_bus_follow_its_seed() {
    let draw = |seed| {
        let bus = Bus::builder().seed(seed).build();
        [bus.random(), bus.random(), bus.random()]
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    assert_ne!(draw(7)[0], draw(7)[1]);
}
