//! Sinks: messages that are routed into a function of the user's at once.
//!
//! Goal: a sink's answer is what counts, for publishers, queue groups, requests and the ledger; nothing is shown to it after its
//! end. Method: sinks that take or refuse, beside other subscribers, on buses that take different ways inside.

use crate::common::{Count, buses, number, payload_that, watched_payload};
use parking_lot::Mutex;
use postroom::error::CloseReason;
use postroom::id::ClientId;
use postroom::receive::{SinkDelivery, SinkResult};
use postroom::stats::DropReason;
use postroom::{
    Bus, ConnectOptions, Event, OverflowPolicy, Permissions, StatusCode, SubscribeOptions, SubscriptionGuard,
};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A sink that keeps numbers, and whether it takes them.
struct Numbers {
    got: Arc<Mutex<Vec<u64>>>,
    takes: Arc<AtomicBool>,
    guard: SubscriptionGuard,
}

impl Numbers {
    fn new(client: &postroom::Client, pattern: &str, options: SubscribeOptions) -> Self {
        let (got, takes) = (Arc::<Mutex<Vec<u64>>>::default(), Arc::new(AtomicBool::new(true)));
        let (into, if_so) = (got.clone(), takes.clone());
        let sink = move |delivery: &SinkDelivery<'_>| {
            into.lock().push(number(delivery.message()));
            if_so.load(Ordering::Relaxed)
        };
        Numbers { got, takes, guard: client.subscribe_sink_with(pattern, options, sink).unwrap() }
    }

    fn refuse(&self) {
        self.takes.store(false, Ordering::Relaxed);
    }

    fn taken(&self) -> Vec<u64> {
        std::mem::take(&mut self.got.lock())
    }
}

pub(crate) fn assert_balanced(bus: &Bus) {
    let stats = bus.stats();
    assert!(stats.ledger.balances(), "{stats:?}");
    assert_eq!(stats.traffic.routed, stats.ledger.matched);
}

#[test]
fn g3_g5_it_has_each_message_when_publish_returns_in_order_and_counted() {
    for bus in buses() {
        let client = bus.connect();
        let alone = Numbers::new(&client, "alone", SubscribeOptions::new());
        let (first, queue) = (Numbers::new(&client, "a.*", SubscribeOptions::new()), client.subscribe("a.b").unwrap());
        let last = Numbers::new(&client, "a.>", SubscribeOptions::new());
        for n in 0..10 {
            assert_eq!(client.publish("alone", n.to_string()).unwrap(), 1);
            assert_eq!(alone.taken(), [n]);
            assert_eq!(client.publish("a.b", n.to_string()).unwrap(), 3);
            assert_eq!((first.taken(), last.taken(), queue.len()), (vec![n], vec![n], n as usize + 1));
        }
        assert_eq!((alone.guard.ledger().delivered, first.guard.ledger().matched), (10, 10));
        assert_balanced(&bus);
    }
}

#[test]
fn g3_what_a_callback_publishes_comes_after_what_called_it() {
    for bus in buses() {
        let client = bus.connect();
        let again = client.clone();
        let _echo = client.subscribe_fn("a", move |message| {
            if number(&message) < 5 {
                again.publish("a", (number(&message) + 1).to_string()).unwrap();
            }
        });
        let sink = Numbers::new(&client, "*", SubscribeOptions::new());
        client.publish("a", "0").unwrap();
        assert_eq!(sink.taken(), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn q4_r2_what_it_refuses_goes_to_the_next_member_or_to_nobody() {
    for bus in buses() {
        let client = bus.connect();
        let member = Numbers::new(&client, "work", SubscribeOptions::new().queue("g"));
        member.refuse();
        let inbox = client.subscribe("inbox").unwrap();
        assert_eq!(client.publish_with_reply("work", "inbox", "1").unwrap(), 0);
        assert_eq!(inbox.try_recv().unwrap().status(), Some(StatusCode::NO_RESPONDERS));
        assert!(client.request("work", "2").unwrap_err().is_no_responders());
        let other = client.queue_subscribe("work", "g").unwrap();
        for n in 3..20 {
            assert_eq!(client.publish("work", n.to_string()).unwrap(), 1);
        }
        assert_eq!(other.len(), 17);
        // As if it had not matched.
        assert_eq!(member.guard.ledger().matched, 0);
        let plain = Numbers::new(&client, "plain", SubscribeOptions::new());
        plain.refuse();
        assert_eq!(client.publish("plain", "0").unwrap(), 0);
        assert_balanced(&bus);
    }
}

#[test]
fn d2_r5_it_counts_what_it_took_and_nothing_else() {
    for bus in buses() {
        let client = bus.connect();
        let sink = Numbers::new(&client, "a", SubscribeOptions::new());
        sink.guard.unsubscribe_after(3);
        sink.refuse();
        (0..5).for_each(|n| assert_eq!(client.publish("a", n.to_string()).unwrap(), 0));
        sink.takes.store(true, Ordering::Relaxed);
        let accepted: usize = (5..10).map(|n| client.publish("a", n.to_string()).unwrap()).sum();
        assert_eq!((accepted, sink.taken()), (3, vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(sink.guard.close_reason(), Some(CloseReason::LimitReached));
        assert!(!bus.has_interest("a"));
        assert_balanced(&bus);
    }
}

#[test]
fn g2_nothing_is_shown_to_it_after_its_end() {
    for bus in buses() {
        let (client, publisher) = (bus.connect(), bus.connect());
        for end in 0..4 {
            let sink = Numbers::new(&client, "a", SubscribeOptions::new());
            assert_eq!(publisher.publish("a", "1").unwrap(), 1);
            let Numbers { got, guard, .. } = sink;
            match end {
                0 => drop(guard),
                1 => guard.unsubscribe(),
                2 => guard.drain().wait(),
                _ => client.close(),
            }
            assert_eq!(publisher.publish("a", "2").unwrap(), 0);
            assert_eq!(*got.lock(), [1]);
        }
        assert_balanced(&bus);
    }
}

#[test]
fn c25_p5_echo_and_permissions_hold_for_it_too() {
    for bus in buses() {
        let quiet = bus.connect_with(ConnectOptions::new().no_echo(true));
        let own = Numbers::new(&quiet, "a", SubscribeOptions::new());
        assert_eq!(quiet.publish("a", "1").unwrap(), 0);
        assert_eq!(bus.connect().publish("a", "2").unwrap(), 1);
        assert_eq!(own.taken(), [2]);
        let deny = Permissions::new().deny_subscribe("in.secret").unwrap();
        let ruled = bus.connect_with(ConnectOptions::new().permissions(deny));
        let sink = Numbers::new(&ruled, "in.*", SubscribeOptions::new());
        assert_eq!(bus.connect().publish("in.secret", "1").unwrap(), 0);
        assert_eq!(bus.connect().publish("in.open", "2").unwrap(), 1);
        assert_eq!(sink.taken(), [2]);
        assert_balanced(&bus);
    }
}

#[test]
fn r2_it_is_told_who_published() {
    for bus in buses() {
        let (a, b, ours) = (bus.connect(), bus.connect(), bus.connect());
        let told = Arc::<Mutex<Vec<(String, Option<ClientId>)>>>::default();
        let sink = || {
            let into = told.clone();
            move |delivery: &SinkDelivery<'_>| {
                let message = delivery.message();
                into.lock().push((message.subject().to_string(), delivery.publisher()));
                message.subject() != "refused"
            }
        };
        let taken = || std::mem::take(&mut *told.lock());
        let from = |subject: &str, client: &postroom::Client| (subject.to_owned(), Some(client.id()));
        // Alone, beside others, and as a member of a group: the ways that lead to a sink.
        let _alone = ours.subscribe_sink_with("alone", SubscribeOptions::new(), sink()).unwrap();
        let _first = ours.subscribe_sink_with("two", SubscribeOptions::new(), sink()).unwrap();
        let _second = ours.subscribe_sink_with("two", SubscribeOptions::new(), sink()).unwrap();
        let _member = ours.subscribe_sink_with("group", SubscribeOptions::new().queue("g"), sink()).unwrap();
        for client in [&a, &b, &ours] {
            client.publish("alone", "").unwrap();
            client.publish("two", "").unwrap();
            client.publisher("group").unwrap().publish("").unwrap();
            assert_eq!(taken(), ["alone", "two", "two", "group"].map(|subject| from(subject, client)));
        }
        // An answer comes from the responder, a request from the requester.
        let _serves = b.subscribe_fn("ask", |question| drop(question.respond(""))).unwrap();
        let _all = ours.subscribe_sink_with("ask", SubscribeOptions::new(), sink()).unwrap();
        let _inbox = ours.subscribe_sink_with("inbox", SubscribeOptions::new(), sink()).unwrap();
        a.publish_with_reply("ask", "inbox", "").unwrap();
        assert_eq!(taken(), [from("ask", &a), from("inbox", &b)]);
        // The bus itself says that there are no responders.
        ours.publish_with_reply("nobody", "inbox", "").unwrap();
        assert_eq!(taken(), [("inbox".to_owned(), None)]);
        assert_balanced(&bus);
    }
}

#[test]
fn g4_a_payload_goes_when_nothing_is_locked() {
    for bus in buses() {
        let client = bus.connect();
        let _sinks = ["a", "*"].map(|pattern| {
            let keeps = client.subscribe_sink_with(pattern, SubscribeOptions::new(), |_| true).unwrap();
            let refuses = client.subscribe_sink_with(pattern, SubscribeOptions::new(), |_| false).unwrap();
            (keeps, refuses)
        });
        let (again, count) = (client.clone(), Count::default());
        let calls = count.clone();
        let payload = payload_that(move || {
            // Would wait for itself if it ran where messages are routed.
            let fresh = again.subscribe("fresh").unwrap();
            assert_eq!(again.publish("fresh", "x").unwrap(), 2, "to the sink of all, too");
            assert_eq!(fresh.len(), calls.add());
        });
        assert_eq!(client.publish("a", payload).unwrap(), 2);
        assert_eq!(count.get(), 1);
        let (payload, watch) = watched_payload();
        assert_eq!(client.publish("a", payload).unwrap(), 2);
        assert_eq!(watch.strong_count(), 0, "it is gone when publish returns");
    }
}

/// A sink with a number of places, which are never emptied by themselves.
struct Shelf {
    left: Arc<AtomicUsize>,
    guard: SubscriptionGuard,
}

impl Shelf {
    fn new(client: &postroom::Client, places: usize, options: SubscribeOptions) -> Self {
        let left = Arc::new(AtomicUsize::new(places));
        let places = left.clone();
        let sink = move |_: &SinkDelivery<'_>| match places
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        {
            Ok(_) => SinkResult::Taken,
            Err(_) => SinkResult::Full,
        };
        Shelf { left, guard: client.subscribe_sink_with("a", options, sink).unwrap() }
    }

    fn make_room(&self) {
        self.left.fetch_add(1, Ordering::SeqCst);
        self.guard.announce_room();
    }
}

#[test]
fn g5_one_that_is_full_loses_by_its_policy() {
    for bus in buses() {
        for (overflow, reason) in [
            (OverflowPolicy::DropNewest, DropReason::QueueFull),
            (OverflowPolicy::DropOldest, DropReason::QueueFull),
            (OverflowPolicy::Block(Duration::ZERO), DropReason::BlockTimeout),
            (OverflowPolicy::Close, DropReason::SlowConsumer),
        ] {
            let (client, events) = (bus.connect(), bus.events());
            let shelf = Shelf::new(&client, 1, SubscribeOptions::new().overflow(overflow));
            assert_eq!((client.publish("a", "").unwrap(), client.publish("a", "").unwrap()), (1, 0), "{overflow:?}");
            let stats = shelf.guard.ledger();
            assert_eq!((stats.matched, stats.delivered, stats.dropped.of(reason)), (2, 1, 1), "{overflow:?}");
            assert!(matches!(events.try_recv(), Some(Event::SlowConsumer(_))), "{overflow:?}");
            assert_eq!(
                shelf.guard.close_reason(),
                (overflow == OverflowPolicy::Close).then_some(CloseReason::SlowConsumer)
            );
            // A subscription is there, and lost it: there is a responder (R2).
            if overflow != OverflowPolicy::Close {
                let error = client.request_timeout("a", "", Duration::ZERO).unwrap_err();
                assert!(!error.is_no_responders(), "{overflow:?}: {error:?}");
            }
            assert_balanced(&bus);
        }
    }
}

#[test]
fn g4_publishers_wait_for_one_that_is_full_with_no_lock_held() {
    for bus in buses() {
        let client = bus.connect();
        let block = SubscribeOptions::new().overflow(OverflowPolicy::Block(Duration::from_secs(3_600)));
        let shelf = Shelf::new(&client, 0, block);
        let done = std::thread::scope(|scope| {
            let publishing: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| (0..10).map(|_| bus.connect().publish("a", "").unwrap()).sum::<usize>()))
                .collect();
            let mut task = Box::pin(client.publish_async("a", ""));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(task.as_mut().poll(&mut cx).is_pending(), "no thread is blocked");
            for _ in 0..31 {
                // The same shard of the matcher is open to all meanwhile.
                let other = client.subscribe("a.b").unwrap();
                assert_eq!(client.publish("a.b", "").unwrap(), 1);
                drop(other);
                shelf.make_room();
            }
            let sent: usize = publishing.into_iter().map(|one| one.join().unwrap()).sum();
            while task.as_mut().poll(&mut cx).is_pending() {
                std::thread::yield_now();
            }
            sent
        });
        assert_eq!((done, shelf.left.load(Ordering::SeqCst)), (30, 0));
        assert_eq!(shelf.guard.ledger().delivered, 31);
        assert_balanced(&bus);
    }
}

#[test]
fn g5_the_end_of_one_that_is_full_lets_publishers_go() {
    for bus in buses() {
        let client = bus.connect();
        let block = SubscribeOptions::new().overflow(OverflowPolicy::Block(Duration::from_secs(3_600)));
        let shown = Arc::new(AtomicBool::new(false));
        let seen = shown.clone();
        let guard = client.subscribe_sink_with("a", block, move |_| {
            seen.store(true, Ordering::SeqCst);
            SinkResult::Full
        });
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| bus.connect().publish("a", "").unwrap());
            while !shown.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            drop(guard);
            assert_eq!(publishing.join().unwrap(), 0);
        });
        assert_balanced(&bus);
    }
}

#[test]
fn q4_in_a_group_one_that_is_full_is_passed_over() {
    for bus in buses() {
        let client = bus.connect();
        let full = Shelf::new(&client, 0, SubscribeOptions::new().queue("g"));
        let other = client.queue_subscribe("a", "g").unwrap();
        for n in 1..=20 {
            assert_eq!((client.publish("a", "").unwrap(), other.len()), (1, n));
        }
        drop(other);
        assert_eq!(client.publish("a", "").unwrap(), 0);
        assert_eq!(full.guard.ledger().dropped.of(DropReason::QueueFull), 1);
        assert_balanced(&bus);
    }
}

#[test]
fn g9_a_panic_in_it_is_a_refusal_and_is_told() {
    for bus in buses() {
        let (client, events) = (bus.connect(), bus.events());
        let bad = client
            .subscribe_sink_with("a", SubscribeOptions::new(), |_| -> bool {
                std::panic::panic_any("on purpose".to_owned())
            })
            .unwrap();
        let others = [client.subscribe("a").unwrap(), client.subscribe("*").unwrap()];
        assert_eq!(client.publish("a", "").unwrap(), 2);
        assert_eq!(others.map(|other| other.len()), [1, 1]);
        let told = events.try_recv();
        assert!(
            matches!(&told, Some(Event::CallbackPanicked { subscription, message })
            if subscription.id == bad.id() && message == "on purpose"),
            "{told:?}"
        );
        assert_eq!((bus.stats().traffic.panics, bad.close_reason()), (1, None), "it goes on");
        assert_balanced(&bus);
    }
}

#[test]
fn g5_threads_that_publish_at_once_lose_nothing_to_a_member_that_goes() {
    let bus = Bus::new();
    let stays = Numbers::new(&bus.connect(), "work", SubscribeOptions::new().queue("g"));
    let (done, leavers) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = bus.connect();
            while !done.load(Ordering::Relaxed) {
                // Closed under the lock that the sink takes: then none comes afterwards.
                let got = Arc::new(Mutex::new(Some(Vec::new())));
                let into = got.clone();
                let sink = move |delivery: &SinkDelivery<'_>| {
                    into.lock().as_mut().map(|got| got.push(number(delivery.message()))).is_some()
                };
                let guard = client.subscribe_sink_with("work", SubscribeOptions::new().queue("g"), sink).unwrap();
                std::thread::yield_now();
                leavers.lock().extend(got.lock().take().expect("taken once"));
                drop(guard);
            }
        });
        let client = bus.connect();
        (0..50_000u64).for_each(|n| assert_eq!(client.publish("work", n.to_string()).unwrap(), 1));
        done.store(true, Ordering::Relaxed);
    });
    let mut all = stays.taken();
    all.extend(&*leavers.lock());
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..50_000), "{} of 50,000", all.len());
    assert_balanced(&bus);
}
