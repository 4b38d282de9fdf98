//! G6, memory: what is gone is gone, whatever routes threads remember.
//!
//! Goal: a dropped subscription leaves nothing behind: no queued payload, no channel's sender, no callback, no entry. Method: payloads,
//! channels and callbacks that show whether they still exist, while other threads and publishers remember the route and sit idle.

use crate::common::{buses, watched_payload};
use postroom::Bus;
use postroom::stats::DropReason;
use std::sync::{Arc, Weak, mpsc};

/// A thread that has published on `subject` often enough to remember its route and then does nothing until told to end.
struct Idle {
    end: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Idle {
    fn new(bus: &Bus, subject: &'static str) -> Self {
        let ((end, ended), (ready, is_ready)) = (mpsc::channel(), mpsc::channel());
        let client = bus.connect();
        let thread = std::thread::spawn(move || {
            let prepared = client.publisher(subject).unwrap();
            for _ in 0..4 {
                client.publish(subject, "").unwrap();
                prepared.publish("").unwrap();
            }
            ready.send(()).unwrap();
            let _ = ended.recv();
        });
        is_ready.recv().unwrap();
        Idle { end, thread }
    }

    fn end(self) {
        drop(self.end);
        self.thread.join().unwrap();
    }
}

#[test]
fn queued_payloads_go_with_the_subscriber() {
    for bus in buses() {
        for pattern in ["a.b", "a.*", ">"] {
            let client = bus.connect();
            let subscriber = client.subscribe(pattern).unwrap();
            let idle = Idle::new(&bus, "a.b");
            // More than the ring takes.
            let watches: Vec<Weak<()>> = (0..200)
                .map(|_| {
                    let (payload, watch) = watched_payload();
                    assert_eq!(client.publish("a.b", payload).unwrap(), 1);
                    watch
                })
                .collect();
            let taken = std::iter::from_fn(|| subscriber.try_recv().ok()).nth(20).unwrap();
            subscriber.unsubscribe();
            assert_eq!(
                watches.iter().filter(|watch| watch.strong_count() > 0).count(),
                200 - 12,
                "21 were taken: 8 of the idle thread, 12 that are gone, and the last"
            );
            drop(subscriber);
            assert_eq!(watches.iter().filter(|watch| watch.strong_count() > 0).count(), 1, "only the one in our hands");
            drop(taken);
            assert!(watches.iter().all(|watch| watch.strong_count() == 0));
            idle.end();
        }
        assert!(bus.stats().ledger.balances());
        assert!(bus.stats().ledger.dropped.of(DropReason::Discarded) > 0);
    }
}

#[test]
fn a_channel_disconnects_when_its_guard_is_dropped() {
    for bus in buses() {
        for pattern in ["a.b", "a.*", ">"] {
            let client = bus.connect();
            let (tx, rx) = crossbeam_channel::unbounded();
            let guard = client.subscribe_channel(pattern, tx).unwrap();
            let idle = Idle::new(&bus, "a.b");
            let here = client.publisher("a.b").unwrap();
            for _ in 0..3 {
                client.publish("a.b", "").unwrap();
                here.publish("").unwrap();
            }
            drop(guard);
            assert_eq!(rx.iter().count(), 14, "what was sent, and then the end");
            idle.end();
        }
    }
}

#[test]
fn a_callback_is_dropped_with_its_guard() {
    for bus in buses() {
        for pattern in ["a.b", "a.*", ">"] {
            let client = bus.connect();
            let state = Arc::new(());
            let watch = Arc::downgrade(&state);
            let guard = client.subscribe_fn(pattern, move |_| assert_eq!(Arc::strong_count(&state), 1)).unwrap();
            let idle = Idle::new(&bus, "a.b");
            assert!(watch.upgrade().is_some());
            drop(guard);
            assert!(watch.upgrade().is_none());
            assert_eq!(bus.stats().traffic.panics, 0);
            idle.end();
        }
    }
}

#[test]
fn nothing_is_left_of_what_came_and_went() {
    for bus in buses() {
        let client = bus.connect();
        let idle = Idle::new(&bus, "s.1");
        for round in 0..300 {
            let subject = format!("s.{}", round % 7);
            let subscribers =
                ["s.*", "s.>", "*.1", ">", subject.as_str()].map(|pattern| client.subscribe(pattern).unwrap());
            let members = [subject.as_str(), "s.*"].map(|pattern| client.queue_subscribe(pattern, "g").unwrap());
            for _ in 0..3 {
                client.publish(subject.as_str(), "x").unwrap();
            }
            if round % 2 == 0 {
                subscribers[0].unsubscribe();
                subscribers[1].unsubscribe_after(1);
            }
            drop((subscribers, members));
            assert!(client.request(subject.as_str(), "").unwrap_err().is_no_responders());
        }
        let stats = bus.stats();
        assert_eq!(stats.matcher.entries, 1, "the inbox");
        assert_eq!((stats.subscriptions, stats.matcher.literal_patterns), (1, 0));
        // The inbox's `_INBOX.<name>.*` and no more.
        assert!(stats.matcher.trie_nodes <= 3, "{stats:?}");
        assert!(stats.matcher.cached_routes <= 2 * 8, "routes of the subjects that were in use");
        drop(client);
        let stats = bus.stats();
        assert_eq!(
            (stats.matcher.entries, stats.matcher.trie_nodes, stats.clients),
            (0, 0, 1),
            "the idle thread's client"
        );
        idle.end();
        assert_eq!(bus.stats().clients, 0);
    }
}

/// One-shot subjects do not push out what is in use, and a cache has a size.
#[test]
fn remembered_routes_are_bounded() {
    let mut limits = postroom::Limits::default();
    limits.route_cache_entries = 64;
    let bus = Bus::builder().limits(limits).seed(1).build();
    let client = bus.connect();
    let _all = client.subscribe(">").unwrap();
    for n in 0..2000 {
        for _ in 0..3 {
            client.publish(format!("s.{n}"), "").unwrap();
        }
    }
    let stats = bus.stats().matcher;
    assert!((1..=64).contains(&stats.cached_routes), "{stats:?}");
    for _ in 0..3 {
        client.publish("hot", "").unwrap();
    }
    let hits = bus.stats().matcher.cache_hits;
    for n in 0..1000 {
        client.publish(format!("once.{n}"), "").unwrap();
        client.publish("hot", "").unwrap();
    }
    assert_eq!(bus.stats().matcher.cache_hits - hits, 1000, "the hot one hit each time, the others never");
}

/// A message in hand keeps neither its subscription's queue nor the bus busy.
#[test]
fn the_bus_ends_with_its_last_handle() {
    let state = Arc::new(());
    let watch = Arc::downgrade(&state);
    let (message, guard) = {
        let bus = Bus::new();
        let client = bus.connect();
        let guard = client.subscribe_fn("a", move |_| assert!(Arc::strong_count(&state) > 0)).unwrap();
        let subscriber = client.subscribe("a").unwrap();
        client.publish("a", "1").unwrap();
        (subscriber.recv().unwrap(), guard)
    };
    assert!(watch.upgrade().is_some(), "the guard keeps it");
    drop(guard);
    assert!(watch.upgrade().is_none());
    assert_eq!(message.payload(), b"1");
}
