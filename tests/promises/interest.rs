//! Interest: the wanted patterns, counted as subscriptions come and go.
//!
//! Goal: an interest shows the result of a search through all subscriptions, at any quiet moment, whatever began and ended them;
//! and waiters are told. Method: every way in which a subscription begins and ends; a long random run against a list kept by the
//! test; threads.

use crate::common::{FOREVER, buses, must_return};
use postroom::interest::{InterestWatcher, PatternInterest};
use postroom::{
    Bus, Client, Clock, ConnectOptions, OverflowPolicy, Permissions, SubscribeOptions, Subscriber, SubscriptionGuard,
};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Some way to end a subscription.
type End<'a> = dyn Fn(&Client, SubscriptionGuard) + 'a;

/// As text, with how many.
fn shown(interest: &InterestWatcher) -> Vec<String> {
    let text = |wanted: &PatternInterest| format!("{wanted}: {}", wanted.subscriptions);
    let all: Vec<_> = interest.patterns().iter().map(text).collect();
    assert_eq!((interest.len(), interest.is_wanted()), (all.len(), !all.is_empty()));
    assert_eq!(interest.has_queue(), all.iter().any(|text| text.contains("queue group")));
    assert_eq!(interest.has_plain(), all.iter().any(|text| !text.contains("queue group")));
    all
}

/// The state of the future after the changes so far: `None` if it would wait.
fn ready(changed: impl Future<Output = bool>) -> Option<bool> {
    match pin!(changed).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(changed) => Some(changed),
        Poll::Pending => None,
    }
}

fn news(interest: &InterestWatcher) -> Option<bool> {
    ready(interest.changed())
}

/// How often the waker was woken.
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn g2_it_shows_what_is_in_force_before_and_after() {
    for bus in buses() {
        let client = bus.connect();
        let before = [client.subscribe("orders.eu").unwrap(), client.subscribe("stock.>").unwrap()];
        let orders = bus.interest("orders.>").unwrap();
        assert_eq!((shown(&orders), news(&orders)), (vec!["orders.eu: 1".to_owned()], None));
        let wild = ["*.us", "*.*.new", ">", "orders.eu"].map(|pattern| client.subscribe(pattern).unwrap());
        let group = ["a", "b", "b"].map(|queue| client.queue_subscribe("orders.eu", queue).unwrap());
        let _others = ["*", "orders", "order.eu"].map(|pattern| client.subscribe(pattern).unwrap());
        assert_eq!(
            shown(&orders),
            [
                "*.*.new: 1",
                "*.us: 1",
                ">: 1",
                "orders.eu: 2",
                "orders.eu in queue group a: 1",
                "orders.eu in queue group b: 2"
            ]
        );
        assert_eq!((news(&orders), news(&orders)), (Some(true), None));
        drop(group);
        drop(wild);
        assert_eq!(shown(&orders), ["orders.eu: 1"]);
        drop(before);
        assert!(shown(&orders).is_empty());
        assert!(bus.interest("orders.>.x").is_err());
        assert_eq!(orders.pattern(), "orders.>");
    }
}

#[test]
fn it_learns_of_every_way_to_begin_and_to_end() {
    for bus in buses() {
        let all = bus.interest(">").unwrap();
        let (client, publisher) = (bus.connect(), bus.connect());
        let guard = |client: &Client| client.subscribe_fn("a", |_| {}).unwrap();
        let ends: [&End<'_>; 5] = [
            &|_, guard| drop(guard),
            &|_, guard| guard.unsubscribe(),
            &|_, guard| guard.drain().wait(),
            &|_, guard| {
                guard.unsubscribe_after(1);
                assert!(all.is_wanted());
                publisher.publish("a", "").unwrap();
            },
            &|client, _| {
                client.set_permissions(Some(Permissions::new().deny_subscribe("a").unwrap()));
                client.set_permissions(None);
            },
        ];
        for end in ends {
            let guard = guard(&client);
            assert_eq!(shown(&all), ["a: 1"]);
            end(&client, guard);
            assert!(shown(&all).is_empty());
        }
        let _sink = client.subscribe_sink_with("sink", SubscribeOptions::new(), |_| true).unwrap();
        let (into, from) = crossbeam_channel::bounded(1);
        let _channel = client.subscribe_channel("channel", into).unwrap();
        let slow = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Close);
        let _slow = client.subscribe_with("slow", slow).unwrap();
        assert_eq!(shown(&all), ["channel: 1", "sink: 1", "slow: 1"]);
        drop(from);
        publisher.publish("channel", "").unwrap();
        assert_eq!([(); 2].map(|()| publisher.publish("slow", "").unwrap()), [1, 0]);
        assert_eq!(shown(&all), ["sink: 1"]);
        // The first request subscribes to the answers.
        assert!(publisher.request("nobody", "").unwrap_err().is_no_responders());
        assert_eq!(all.len(), 2);
        assert!(all.patterns()[0].pattern.as_str().starts_with("_INBOX."));
        drop(publisher);
        client.close();
        assert!(shown(&all).is_empty());
    }
}

#[test]
fn those_of_excepted_connections_do_not_count() {
    for bus in buses() {
        let [ours, also, theirs] = [(); 3].map(|()| bus.connect());
        let _before = [&ours, &also, &theirs].map(|client| client.queue_subscribe("a.b", "g").unwrap());
        let some = bus.interest("a.*").unwrap().except(&ours);
        assert_eq!((shown(&some), news(&some)), (vec!["a.b in queue group g: 2".to_owned()], None));
        let _after = [&ours, &also, &theirs].map(|client| client.subscribe("*.b").unwrap());
        assert_eq!(shown(&some), ["*.b: 2", "a.b in queue group g: 2"]);
        let some = some.except(&also).except(&ours);
        assert_eq!(
            (shown(&some), news(&some)),
            (vec!["*.b: 1".to_owned(), "a.b in queue group g: 1".to_owned()], None)
        );
        ours.close();
        assert_eq!((some.len(), news(&some)), (2, None), "what does not count is no change");
        theirs.close();
        assert_eq!((some.len(), news(&some)), (0, Some(true)));
        // Numbers are those of one bus.
        let elsewhere = [Bus::new().connect(), Bus::new().connect()];
        let again = elsewhere.iter().fold(bus.interest("a.*").unwrap(), InterestWatcher::except);
        assert_eq!(again.len(), 2);
    }
}

#[test]
fn g7_a_long_run_agrees_with_a_list() {
    const PATTERNS: [&str; 8] = ["a.b", "a.c", "a.*", "*.b", "a.>", ">", "b.c", "a.b.c"];
    const WATCHED: [&str; 6] = ["a.b", "a.*", "*.c", "a.>", ">", "a.b.*"];
    for bus in buses() {
        let luck = Bus::builder().seed(11).build();
        let below = |n: usize| (luck.random() % n as u64) as usize;
        let clients = [(); 3].map(|()| bus.connect());
        // Each with the place of the connection that does not count.
        let mut interests: Vec<(usize, InterestWatcher)> = Vec::new();
        // Each with the place of its connection, and its group.
        let mut live: Vec<(usize, Option<String>, Subscriber)> = Vec::new();
        for round in 0..3_000 {
            match below(9) {
                0..5 => {
                    let (who, queue) = (below(3), Some("q".to_owned()).filter(|_| below(2) == 0));
                    let options = queue.iter().fold(SubscribeOptions::new(), |options, queue| options.queue(queue));
                    live.push((who, queue, clients[who].subscribe_with(PATTERNS[below(8)], options).unwrap()));
                }
                5..8 if !live.is_empty() => drop(live.swap_remove(below(live.len()))),
                _ => {
                    let except = below(3);
                    let fresh = bus.interest(WATCHED[below(6)]).unwrap().except(&clients[except]);
                    interests.push((except, fresh));
                    if interests.len() > 8 {
                        drop(interests.swap_remove(below(8)));
                    }
                }
            }
            if round % 10 != 0 {
                continue;
            }
            for (except, interest) in &interests {
                let mut expected = BTreeMap::new();
                for (who, queue, subscriber) in &live {
                    if who != except && subscriber.pattern().overlaps(interest.pattern()) {
                        *expected.entry((subscriber.pattern().clone(), queue.clone())).or_default() += 1;
                    }
                }
                let wanted = interest.patterns().into_iter();
                assert!(wanted.map(|one| ((one.pattern, one.queue), one.subscriptions)).eq(expected));
            }
        }
        drop(live);
        assert!(interests.iter().all(|(_, interest)| shown(interest).is_empty()));
    }
}

#[test]
fn g4_a_waker_may_do_what_it_likes() {
    struct Busy(Client, AtomicUsize);
    impl Wake for Busy {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            // Would wait for itself if a lock were held.
            let _watch = self.0.bus().interest(">").unwrap().except(&self.0);
            let subscriber = self.0.subscribe("a.c").unwrap();
            assert_eq!(self.0.publish("a.c", "").unwrap(), 1);
            drop(subscriber);
        }
    }
    for bus in buses() {
        must_return(move || {
            let (client, others) = (bus.connect(), bus.connect());
            let interest = bus.interest("a.*").unwrap();
            let busy = Arc::new(Busy(client, AtomicUsize::new(0)));
            let waker = busy.clone().into();
            let mut changed = pin!(interest.changed());
            assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let subscriber = others.subscribe("a.b").unwrap();
            assert_eq!(busy.1.load(Ordering::SeqCst), 1);
            assert_eq!(changed.poll(&mut Context::from_waker(&waker)), Poll::Ready(true));
            // One that is dropped is not woken any more.
            let mut given_up = Box::pin(interest.changed());
            assert!(given_up.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop(given_up);
            drop(subscriber);
            assert_eq!(busy.1.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn g7_who_blocks_is_woken_by_a_change_the_time_and_the_end() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let interest = bus.interest("a").unwrap();
    assert!(!interest.wait_changed(Duration::ZERO));
    let subscriber = bus.connect().subscribe("a").unwrap();
    assert!(interest.wait_changed(Duration::ZERO));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| interest.wait_changed(Duration::MAX));
        drop(subscriber);
        assert!(waits.join().unwrap());
        let waits = scope.spawn(|| interest.wait_changed(Duration::from_secs(60)));
        while !waits.is_finished() {
            clock.advance(Duration::from_secs(60));
            std::thread::yield_now();
        }
        assert!(!waits.join().unwrap());
        let waits = scope.spawn(|| interest.wait_changed(Duration::MAX));
        bus.close();
        assert!(!waits.join().unwrap());
    });
    assert_eq!(news(&interest), Some(false));
    assert!(!bus.interest("a").unwrap().is_wanted(), "of a closed bus");
}

#[test]
fn g2_threads_that_come_and_go_leave_the_right_count() {
    const THREADS: usize = 3;
    let bus = Bus::new();
    let (stop, start) = (AtomicBool::new(false), Barrier::new(THREADS + 1));
    let kept = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (bus, stop, start) = (&bus, &stop, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut kept = Vec::new();
                    let mut client = bus.connect();
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let own = bus.interest(format!("own.{thread}")).unwrap();
                        let subscriber = client.subscribe(format!("own.{thread}")).unwrap();
                        assert!(own.is_wanted(), "it is in force");
                        drop(subscriber);
                        assert!(!own.is_wanted());
                        n += 1;
                        if n % 16 == 0 {
                            // With all that it has.
                            let _lost = client.subscribe("a.lost").unwrap();
                            client = bus.connect_with(ConnectOptions::new().name("next"));
                            if kept.len() < 50 {
                                kept.push(client.subscribe("a.kept").unwrap());
                            }
                        }
                    }
                    kept
                })
            })
            .collect();
        start.wait();
        let watched: Vec<InterestWatcher> = (0..200).map(|_| bus.interest("a.*").unwrap()).collect();
        let whole = bus.interest("a.>").unwrap();
        while whole.patterns().iter().map(|wanted| wanted.subscriptions).sum::<usize>() < 20 {
            assert!(whole.wait_changed(FOREVER));
        }
        stop.store(true, Ordering::Relaxed);
        let kept: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        for interest in watched.iter().chain([&whole]) {
            assert_eq!(shown(interest), [format!("a.kept: {}", kept.len())]);
        }
        kept
    });
    drop(kept);
    assert_eq!(bus.stats().subscriptions, 0);
}

#[test]
fn p5_what_is_withheld_is_wanted_all_the_same() {
    for bus in buses() {
        let interest = bus.interest("a.*").unwrap();
        let deny = Permissions::new().deny_subscribe("a.b").unwrap();
        let ruled = bus.connect_with(ConnectOptions::new().permissions(deny));
        let all = ruled.subscribe("a.>").unwrap();
        assert_eq!(bus.connect().publish("a.b", "").unwrap(), 0);
        assert_eq!(shown(&interest), ["a.>: 1"]);
        ruled.set_permissions(Some(Permissions::new().deny_subscribe("a.c").unwrap()));
        assert_eq!((shown(&interest), all.close_reason()), (vec!["a.>: 1".to_owned()], None));
    }
}

#[test]
fn of_several_who_wait_one_is_told_and_a_dropped_one_takes_nothing_along() {
    for bus in buses() {
        let interest = bus.interest("a").unwrap();
        let woken = [(); 3].map(|()| Arc::new(Woken(AtomicUsize::new(0))));
        let mut waiting = [(); 3].map(|()| Box::pin(interest.changed()));
        for (future, woken) in waiting.iter_mut().zip(&woken) {
            let waker = Waker::from(woken.clone());
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let _subscriber = bus.connect().subscribe("a").unwrap();
        assert!(woken.iter().all(|woken| woken.0.load(Ordering::SeqCst) == 1));
        let [given_up, first, second] = waiting;
        drop(given_up);
        assert_eq!([first, second].map(ready), [Some(true), None]);
        assert_eq!(news(&interest), None);
    }
}
