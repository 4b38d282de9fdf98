//! Subscribing and unsubscribing against publishing with remembered routes (G1, G2).

use crate::{assert_settled, bus, exhaustive, model};
use postroom::matcher::{Matcher, MatcherOptions};
use postroom::{Client, Pattern, Publisher};
use shuttle::sync::Barrier;
use shuttle::sync::atomic::{AtomicBool, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;

fn matcher() -> Matcher<Arc<()>> {
    let mut options = MatcherOptions::default();
    options.shards = 1;
    options.cache_entries = 2;
    options.seed = Some(7);
    Matcher::with_options(options)
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

/// Looks up `a.b` often enough for this thread to remember it: a subject is remembered at its second miss in a row.
fn remember(matcher: &Matcher<Arc<()>>) {
    (0..3).for_each(|_| assert!(matcher.matches("a.b").len() <= 1));
}

// Goal: a match that starts after `insert` returned finds the entry, whatever this thread remembers (G2). Method: every schedule
// of one insert beside a match that has the route already, and beside one that is about to remember it.
fn every_insert_beside_matches(text: &'static str) {
    every_insert_beside_matches_after(3, text);
    every_insert_beside_matches_after(1, text);
}

fn every_insert_beside_matches_after(matches: usize, text: &'static str) {
    exhaustive(1_000_000, move || {
        let matcher = Arc::new(matcher());
        (0..matches).for_each(|_| assert!(!matcher.has_interest("a.b")));
        let inserted = Arc::new(AtomicBool::new(false));
        let inserting = {
            let (matcher, inserted) = (matcher.clone(), inserted.clone());
            thread::spawn(move || {
                matcher.insert(&pattern(text), Arc::new(()));
                inserted.store(true, SeqCst);
            })
        };
        let must = inserted.load(SeqCst);
        let found = matcher.has_interest("a.b");
        assert!(found || !must, "inserted before the match, and not found");
        inserting.join().unwrap();
        assert!(matcher.has_interest("a.b"));
    });
}

#[test]
fn every_literal_insert_beside_matches() {
    every_insert_beside_matches("a.b");
}

#[test]
fn every_wildcard_insert_beside_matches() {
    every_insert_beside_matches("a.*");
}

#[test]
fn every_wildcard_first_insert_beside_matches() {
    every_insert_beside_matches(">");
}

// Goal: once `remove` has returned, no match finds the entry and no remembered route holds its value (G2). Method: random
// schedules of a removal beside matches on a thread that remembers the route, and on one that is about to.
#[test]
fn removed_entries_are_forgotten() {
    for text in ["a.b", "a.*", ">"] {
        model(1_500, move || {
            let matcher = Arc::new(matcher());
            let value = Arc::new(());
            let id = matcher.insert(&pattern(text), value.clone());
            let removed = Arc::new(AtomicBool::new(false));
            let remembered = Arc::new(Barrier::new(2));
            let matching = [true, false].map(|before| {
                let (matcher, removed, remembered) = (matcher.clone(), removed.clone(), remembered.clone());
                thread::spawn(move || {
                    if before {
                        remember(&matcher);
                        remembered.wait();
                    }
                    for _ in 0..3 {
                        let must_not = removed.load(SeqCst);
                        assert!(!(must_not && matcher.has_interest("a.b")), "removed before the match, and found");
                    }
                })
            });
            remembered.wait();
            assert!(matcher.remove(&pattern(text), id).is_some());
            removed.store(true, SeqCst);
            matching.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(Arc::strong_count(&value), 1, "a route holds on to the value");
        });
    }
}

/// The two ways to publish.
enum Way {
    Client(Client),
    Publisher(Publisher),
}

impl Way {
    fn publish(&self) -> usize {
        match self {
            Way::Client(client) => client.publish("a.b", "x").unwrap(),
            Way::Publisher(publisher) => publisher.publish("x").unwrap(),
        }
    }
}

// Goal: a publish that starts after `subscribe` returned reaches it; one that starts after `unsubscribe` returned does not (G2).
// Method: two threads that remember the route already, one of which subscribes and unsubscribes while both publish.
fn subscribing_is_effective(text: &'static str, make: fn(Client) -> Way) {
    model(2_000, move || {
        let bus = bus();
        let (here, there) = (bus.connect(), bus.connect());
        let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let remembered = Arc::new(Barrier::new(2));
        let publishing = {
            let (begun, ended, remembered) = (begun.clone(), ended.clone(), remembered.clone());
            thread::spawn(move || {
                let way = make(there);
                (0..3).for_each(|_| assert_eq!(way.publish(), 0));
                remembered.wait();
                let mut accepted = 0;
                for _ in 0..4 {
                    let must_not = ended.load(SeqCst);
                    let before = begun.load(SeqCst);
                    let reached = way.publish();
                    // Still so after it: no thread had called `unsubscribe` by then.
                    let must = before && begun.load(SeqCst);
                    assert!(reached == 1 || !must, "published after subscribe returned");
                    assert!(reached == 0 || !must_not, "published after unsubscribe returned");
                    accepted += reached;
                }
                accepted
            })
        };
        let way = make(here.clone());
        (0..3).for_each(|_| assert_eq!(way.publish(), 0));
        remembered.wait();
        let subscriber = here.subscribe(text).unwrap();
        begun.store(true, SeqCst);
        assert_eq!(way.publish(), 1, "published after subscribe returned");
        begun.store(false, SeqCst);
        subscriber.unsubscribe();
        ended.store(true, SeqCst);
        assert_eq!(way.publish(), 0, "published after unsubscribe returned");
        let accepted = publishing.join().unwrap();
        assert_eq!(subscriber.try_iter().count(), 1 + accepted);
        assert_settled(&bus);
    });
}

#[test]
fn subscribing_to_a_literal_is_effective_for_clients() {
    subscribing_is_effective("a.b", Way::Client);
}

#[test]
fn subscribing_to_a_wildcard_is_effective_for_clients() {
    subscribing_is_effective("a.*", Way::Client);
}

#[test]
fn subscribing_to_everything_is_effective_for_clients() {
    subscribing_is_effective(">", Way::Client);
}

#[test]
fn subscribing_to_a_literal_is_effective_for_publishers() {
    subscribing_is_effective("a.b", |client| Way::Publisher(client.publisher("a.b").unwrap()));
}

#[test]
fn subscribing_to_a_wildcard_is_effective_for_publishers() {
    subscribing_is_effective("a.*", |client| Way::Publisher(client.publisher("a.b").unwrap()));
}

// Goal: a `Publisher` that threads share keeps G2, and lets go of the subscription (G6). Method: two threads publish through one
// while the subscriber is dropped.
#[test]
fn a_shared_publisher_lets_go() {
    model(2_000, || {
        let bus = bus();
        let client = bus.connect();
        let publisher = Arc::new(client.publisher("a.b").unwrap());
        let subscriber = client.subscribe("a.*").unwrap();
        let dropped = Arc::new(AtomicBool::new(false));
        let threads = [0, 1].map(|_| {
            let (publisher, dropped) = (publisher.clone(), dropped.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    let must_not = dropped.load(SeqCst);
                    let reached = publisher.publish("x").unwrap();
                    assert!(reached == 0 || !must_not, "published after the drop returned");
                }
            })
        });
        drop(subscriber);
        dropped.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
    });
}
