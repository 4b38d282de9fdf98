//! Callbacks run on the publisher's thread while others end what they belong to (G4, G9).

use crate::{assert_settled, bus, model, numbered};
use postroom::error::CloseReason;
use postroom::{Bus, Event, SubscriptionGuard};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::sync::{Arc, OnceLock};

// Goal: a guard that is dropped while its callback runs on another thread lets that call end, starts no other, and lets go of what the
// callback holds (G2, G5, G6). Method: a thread that publishes three times, and the drop.
#[test]
fn dropped_while_it_runs() {
    model(4_000, || {
        let bus = bus();
        let calls = Arc::new(AtomicUsize::new(0));
        let held = Arc::new(());
        let watch = Arc::downgrade(&held);
        let guard = {
            let calls = calls.clone();
            let call = move |_| {
                calls.fetch_add(Arc::strong_count(&held), SeqCst);
                thread::yield_now();
            };
            bus.connect().subscribe_fn("a", call).unwrap()
        };
        let client = bus.connect();
        let publishing = thread::spawn(move || (0..3).map(|_| client.publish("a", "x").unwrap()).sum::<usize>());
        drop(guard);
        assert_eq!(bus.connect().publish("a", "late"), Ok(0));
        assert_eq!(publishing.join().unwrap(), calls.load(SeqCst));
        assert!(watch.upgrade().is_none(), "the callback is still held");
        assert_settled(&bus);
        assert_eq!(bus.stats().ledger.delivered, calls.load(SeqCst) as u64);
    });
}

// Goal: a drain of a callback ends when no call is under way (D7). Method: two threads publish, one drains and looks.
#[test]
fn a_drain_waits_for_calls() {
    model(3_000, || {
        let bus = bus();
        let running = Arc::new(AtomicUsize::new(0));
        let guard = {
            let running = running.clone();
            let call = move |_| {
                running.fetch_add(1, SeqCst);
                thread::yield_now();
                running.fetch_sub(1, SeqCst);
            };
            bus.connect().subscribe_fn("a", call).unwrap()
        };
        let publishing = [0, 1].map(|_| {
            let client = bus.connect();
            thread::spawn(move || drop(client.publish("a", "x").unwrap()))
        });
        guard.drain().wait();
        assert_eq!(running.load(SeqCst), 0, "the drain has ended, and a call is under way");
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
    });
}

// Goal: a callback may end its own subscription while it runs on two threads (G4). Method: it unsubscribes itself at the first call.
#[test]
fn a_callback_ends_itself() {
    model(3_000, || {
        let bus = bus();
        let itself: Arc<OnceLock<SubscriptionGuard>> = Arc::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let guard = {
            let (itself, calls) = (itself.clone(), calls.clone());
            let call = move |_| {
                calls.fetch_add(1, SeqCst);
                itself.get().unwrap().unsubscribe();
            };
            bus.connect().subscribe_fn("a.*", call).unwrap()
        };
        itself.set(guard).unwrap();
        let publishing = [0, 1].map(|_| {
            let client = bus.connect();
            thread::spawn(move || (0..2).map(|_| client.publish("a.b", "x").unwrap()).sum::<usize>())
        });
        let accepted: usize = publishing.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(accepted, calls.load(SeqCst));
        assert!(
            (1..=2).contains(&accepted),
            "each thread's second publish began after its own unsubscribe: {accepted}"
        );
        assert_eq!(itself.get().unwrap().close_reason(), Some(CloseReason::Unsubscribed));
        assert_settled(&bus);
    });
}

// Goal: a limit on a callback is exact, whichever threads publish (D2). Method: two threads publish two each to a limit
// of three.
#[test]
fn a_limit_on_a_callback_is_exact() {
    model(3_000, || {
        let bus = bus();
        let calls = Arc::new(AtomicUsize::new(0));
        let guard = {
            let calls = calls.clone();
            bus.connect().subscribe_fn("a", move |_| drop(calls.fetch_add(1, SeqCst))).unwrap()
        };
        guard.unsubscribe_after(3);
        let publishing = [0, 1].map(|_| {
            let client = bus.connect();
            thread::spawn(move || (0..2).for_each(|_| drop(client.publish("a", "x").unwrap())))
        });
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(calls.load(SeqCst), 3);
        assert_eq!(guard.close_reason(), Some(CloseReason::LimitReached));
        assert_settled(&bus);
    });
}

/// The calls, by publisher and number.
fn log_calls(bus: &Bus) -> (SubscriptionGuard, Arc<Mutex<Vec<Vec<u8>>>>) {
    let log: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let guard = {
        let log = log.clone();
        bus.connect().subscribe_fn("b", move |message| log.lock().unwrap().push(message.payload().to_vec())).unwrap()
    };
    (guard, log)
}

// Goal: what callbacks publish in turn reaches a callback in each thread's order (G3). Method: a callback that passes on what two threads
// publish, between two messages of its own.
#[test]
fn callbacks_of_callbacks_keep_the_order() {
    model(2_500, || {
        let bus = bus();
        let (_logging, log) = log_calls(&bus);
        let relay = bus.connect();
        let _relaying = {
            let relay = relay.clone();
            let call = move |message: postroom::Message| drop(relay.publish("b", message.payload_bytes()).unwrap());
            bus.connect().subscribe_fn("a", call).unwrap()
        };
        let publishing = [0, 1].map(|publisher| {
            let client = bus.connect();
            thread::spawn(move || {
                for (number, subject) in [(0, "b"), (1, "a"), (2, "b")] {
                    client.publish(subject, numbered(publisher, number)).unwrap();
                }
            })
        });
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        for publisher in [0, 1] {
            let of = log.lock().unwrap().iter().filter(|m| m[0] == publisher).map(|m| m[1]).collect::<Vec<_>>();
            assert_eq!(of, [0, 1, 2]);
        }
        assert_settled(&bus);
    });
}

// Goal: closing a client from within a callback, while others publish to it, ends it once and harms no other (G4). Method: the
// callback of one subscription closes its client; two threads publish.
#[test]
fn a_callback_closes_its_client() {
    model(2_500, || {
        let bus = bus();
        let events = bus.events();
        let client = bus.connect();
        let queue = client.subscribe("a").unwrap();
        let closing = client.clone();
        let guard = client.subscribe_fn("a", move |_| closing.close()).unwrap();
        let publishing = [0, 1].map(|_| {
            let client = bus.connect();
            thread::spawn(move || drop(client.publish("a", "x").unwrap()))
        });
        publishing.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(client.is_closed());
        assert!((1..=2).contains(&queue.iter().count()));
        drop(guard);
        let id = client.id();
        let told = std::iter::from_fn(|| events.try_recv());
        assert_eq!(
            told.filter(|event| matches!(event, Event::ClientClosed { client, .. } if *client == id)).count(),
            1
        );
        assert_settled(&bus);
    });
}

// Goal: the destructor of a payload may end a subscription, on any way that a message goes (G4). Method: payloads that hold a
// subscriber whose route this thread remembers: no subscription matches the one, a queue group gets the other and another thread
// takes it at once.
#[test]
fn a_payload_ends_a_subscription() {
    struct Owner(Option<postroom::Subscriber>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owner"
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            drop(self.0.take());
        }
    }

    model(1_500, || {
        let bus = bus();
        let client = bus.connect();
        let worker = client.queue_subscribe("wanted", "workers").unwrap();
        let working = thread::spawn(move || worker.iter().count());
        let owner = || {
            let held = client.subscribe("held").unwrap();
            (0..3).for_each(|_| assert_eq!(client.publish("held", "x"), Ok(1)));
            bytes::Bytes::from_owner(Owner(Some(held)))
        };
        for subject in ["unwanted", "wanted"] {
            (0..3).for_each(|_| drop(client.publish(subject, "x").unwrap()));
            client.publish(subject, owner()).unwrap();
        }
        client.close();
        assert_eq!(working.join().unwrap(), 4);
        assert_settled(&bus);
    });
}
