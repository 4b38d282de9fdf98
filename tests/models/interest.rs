//! Interest that is watched while subscriptions come and go.

use crate::{assert_settled, block_on, bus, model};
use postroom::interest::InterestWatcher;
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;

// Goal: a subscription is counted once, whether the search that fills a new watch finds it, or the thread that makes it tells the
// watch, or both; and not any more once it has ended (G2). Method: one thread subscribes and another ends what was there, while the
// watch is made.
#[test]
fn a_watch_that_is_made_while_others_come_and_go() {
    model(5_000, || {
        let bus = bus();
        let (client, goes) = (bus.connect(), bus.connect().subscribe("a.*").unwrap());
        let coming = thread::spawn(move || {
            let passing = client.subscribe("a.b").unwrap();
            let stays = client.queue_subscribe("a.b", "g").unwrap();
            drop(passing);
            stays
        });
        let going = thread::spawn(move || goes.unsubscribe());
        let interest = bus.interest("a.>").unwrap();
        assert!(interest.len() <= 3);
        let stays = coming.join().unwrap();
        going.join().unwrap();
        let wanted = interest.patterns();
        assert_eq!(wanted.len(), 1, "{wanted:?}");
        assert_eq!((wanted[0].queue.as_deref(), wanted[0].subscriptions), (Some("g"), 1));
        drop(stays);
        assert!(!interest.is_wanted());
        assert_settled(&bus);
    });
}

// Goal: what `subscribe` has returned is in a watch that is made afterwards, and what has ended before is not (G2). Method: each thread looks
// for its own.
#[test]
fn each_thread_finds_its_own() {
    model(3_000, || {
        let bus = bus();
        let threads = ["a.b", "a.*"].map(|pattern| {
            let bus = bus.clone();
            thread::spawn(move || {
                let subscriber = bus.connect().subscribe(pattern).unwrap();
                let has =
                    |interest: &InterestWatcher| interest.patterns().iter().any(|wanted| wanted.pattern == pattern);
                let interest = bus.interest("a.b").unwrap();
                assert!(has(&interest));
                drop(subscriber);
                assert!(!has(&interest));
                assert!(!has(&bus.interest("a.b").unwrap()));
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
    });
}

// Goal: subscriptions of an excepted connection never stay counted. Method: they are made and ended while it is excepted.
#[test]
fn a_connection_that_is_excepted_while_it_subscribes() {
    model(4_000, || {
        let bus = bus();
        let ours = bus.connect();
        let before = ours.subscribe("a").unwrap();
        let thread = {
            let ours = ours.clone();
            thread::spawn(move || {
                let after = ours.subscribe("a").unwrap();
                drop(before);
                after
            })
        };
        let interest = bus.interest("a").unwrap().except(&ours);
        assert!(!interest.is_wanted());
        let after = thread.join().unwrap();
        assert!(!interest.is_wanted());
        drop(after);
        ours.close();
        assert!(!interest.is_wanted());
        assert_settled(&bus);
    });
}

// Goal: no change is lost on a waiter, be it a task or a thread, and the end of the bus is told. Method: two waiters, each of
// which waits until the subscriptions that it looks for are there, while two threads bring them, and then for the end; a lost
// wake-up is a deadlock.
#[test]
fn who_waits_is_told() {
    model(3_000, || {
        let bus = bus();
        let waits = |interest: &InterestWatcher, as_task| {
            if as_task { block_on(interest.changed()) } else { interest.wait_changed(Duration::MAX) }
        };
        let waiting = [true, false].map(|as_task| {
            let interest = bus.interest("a.*").unwrap();
            thread::spawn(move || {
                while interest.len() < 2 {
                    assert!(waits(&interest, as_task));
                }
                interest
            })
        });
        let subscribing = ["a.b", "a.c"].map(|pattern| {
            let bus = bus.clone();
            thread::spawn(move || bus.connect().subscribe(pattern).unwrap())
        });
        let kept = subscribing.map(|thread| thread.join().unwrap());
        let mut as_task = false;
        let waiting = waiting.map(|thread| {
            let interest = thread.join().unwrap();
            as_task = !as_task;
            thread::spawn(move || while waits(&interest, as_task) {})
        });
        bus.close();
        waiting.into_iter().for_each(|thread| thread.join().unwrap());
        drop(kept);
        assert_settled(&bus);
    });
}

// Goal: each change is told to one of two waiters at one interest, and both see the end. Method: both count what they are told.
#[test]
fn two_wait_at_one() {
    model(3_000, || {
        let bus = bus();
        let interest = Arc::new(bus.interest("a").unwrap());
        let waiting = [(); 2].map(|()| {
            let interest = interest.clone();
            thread::spawn(move || std::iter::from_fn(|| block_on(interest.changed()).then_some(())).count())
        });
        let subscriber = bus.connect().subscribe("a").unwrap();
        drop(subscriber);
        bus.close();
        let told: usize = waiting.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!((1..=2).contains(&told), "{told}");
        assert_settled(&bus);
    });
}
