//! G4 in callbacks: no lock is held while they run.
//!
//! Goal: whatever a callback does to the bus works, also when it was reached through a remembered or a prepared route. Method:
//! every operation inside a callback, on threads that must come back; a held lock shows as one that does not.

use crate::common::{Count, bus, buses, must_return, number};
use postroom::error::CloseReason;
use postroom::{Bus, Client, Message, Permissions, SubscribeOptions, Subscriber, SubscriptionGuard};
use std::sync::{Arc, Mutex, OnceLock};

/// Calls `act` from within a callback, reached on each way in turn, on buses of each kind.
fn within_a_callback(act: impl Fn(&Bus, &Client, &Message) + Clone + Send + Sync + 'static) {
    must_return(move || {
        for bus in buses() {
            let client = bus.connect();
            let calls = Count::default();
            let _callback = {
                let (act, bus, client, calls) = (act.clone(), bus.clone(), client.clone(), calls.clone());
                client.clone().subscribe_fn("go", move |message| {
                    calls.add();
                    act(&bus, &client, &message);
                })
            };
            let prepared = client.publisher("go").unwrap();
            for _ in 0..3 {
                client.publish("go", "").unwrap();
            }
            prepared.publish("").unwrap();
            prepared.publish("").unwrap();
            assert_eq!(calls.get(), 5);
        }
    });
}

#[test]
fn subscribing_publishing_and_dropping() {
    within_a_callback(|bus, client, _| {
        let subscriber = client.subscribe("inner.*").unwrap();
        let all = client.subscribe(">").unwrap();
        assert_eq!(client.publish("inner.x", "1").unwrap(), 2);
        assert_eq!(client.publish("inner.x", "2").unwrap(), 2);
        assert_eq!(subscriber.recv().unwrap().payload(), b"1");
        subscriber.unsubscribe();
        assert_eq!(client.publish("inner.x", "3").unwrap(), 1);
        drop(all);
        assert_eq!(client.publish("inner.x", "4").unwrap(), 0);
        assert!(bus.stats().ledger.balances() && client.stats().ledger.balances());
    });
}

/// The routes of the very subject that is being published change underfoot.
#[test]
fn changing_who_gets_the_same_subject() {
    within_a_callback(|_, client, _| {
        let same = client.subscribe("go").unwrap();
        let member = client.queue_subscribe("*", "g").unwrap();
        assert!(same.is_empty() && member.is_empty(), "they came after this publish");
        same.unsubscribe_after(1);
        drop(member);
    });
}

#[test]
fn requests_and_answers() {
    within_a_callback(|_, client, _| {
        let service = client.subscribe_fn("double", |question| {
            question.respond((2 * number(&question)).to_string()).unwrap();
        });
        assert_eq!(number(&client.request("double", "21").unwrap()), 42);
        assert!(client.request("nobody", "").unwrap_err().is_no_responders());
        drop(service);
    });
}

#[test]
fn connections_come_and_go() {
    within_a_callback(|bus, _, _| {
        let other = bus.connect();
        let subscriber = other.subscribe("other").unwrap();
        other.publish("other", "").unwrap();
        other.close();
        assert!(subscriber.recv().is_ok());
        assert!(subscriber.recv().is_err());
        let drained = bus.connect();
        let queue = drained.subscribe("other").unwrap();
        drained.publish("other", "").unwrap();
        let drain = drained.drain();
        assert!(queue.recv().is_ok());
        drain.wait();
        assert!(drained.is_closed());
    });
}

#[test]
fn permissions_change() {
    within_a_callback(|bus, client, _| {
        let events = bus.events();
        let forbidden = client.subscribe("forbidden").unwrap();
        let rules = Permissions::new().deny_subscribe("forbidden").unwrap();
        assert_eq!(client.set_permissions(Some(rules)).len(), 1);
        assert!(client.subscribe("forbidden").is_err());
        assert!(events.try_recv().is_some());
        assert!(client.set_permissions(None).is_empty());
        assert!(client.subscribe("forbidden").is_ok());
        drop(forbidden);
    });
}

fn own_guard(
    act: impl Fn(&Client, &OnceLock<Mutex<Option<SubscriptionGuard>>>) + Send + Sync + 'static,
) -> (Client, usize) {
    let client = bus(16, 1024).connect();
    let place: Arc<OnceLock<Mutex<Option<SubscriptionGuard>>>> = Arc::default();
    let calls = Count::default();
    let guard = {
        let (place, client, calls) = (place.clone(), client.clone(), calls.clone());
        client.clone().subscribe_fn("go", move |_| {
            calls.add();
            act(&client, &place);
        })
    };
    assert!(place.set(Mutex::new(Some(guard.unwrap()))).is_ok());
    for _ in 0..3 {
        let _ = client.publish("go", "");
    }
    (client, calls.get())
}

#[test]
fn a_callback_ends_its_own_subscription() {
    let guard = |place: &OnceLock<Mutex<Option<SubscriptionGuard>>>| place.get().unwrap().lock().unwrap().take();
    let ends: [fn(&SubscriptionGuard); 3] =
        [|guard| guard.unsubscribe(), |guard| guard.unsubscribe_after(1), |guard| drop(guard.drain())];
    for end in ends {
        let (_, calls) =
            must_return(move || own_guard(move |_, place| end(place.get().unwrap().lock().unwrap().as_ref().unwrap())));
        assert_eq!(calls, 1);
    }
    let (client, calls) = must_return(move || own_guard(move |_, place| drop(guard(place))));
    assert_eq!(calls, 1, "dropped by itself");
    assert_eq!(client.bus().stats().ledger.delivered, 1, "and its count is kept");
    let (client, calls) = must_return(|| own_guard(|client, _| client.close()));
    assert_eq!((calls, client.is_closed()), (1, true));
    let (client, calls) = must_return(|| own_guard(|client, _| client.bus().close()));
    assert_eq!((calls, client.bus().is_closed()), (1, true));
    let (client, calls) = must_return(|| own_guard(|client, _| drop(client.drain())));
    assert_eq!(calls, 1);
    assert!(client.is_closed(), "the drain ended when the callback had returned");
}

#[test]
fn a_chain_of_callbacks_is_as_long_as_it_likes() {
    must_return(|| {
        let client = bus(16, 1024).connect();
        let publisher = client.clone();
        let calls = Count::default();
        let _chain = {
            let calls = calls.clone();
            client.subscribe_fn("n", move |message| {
                calls.add();
                let n = number(&message);
                if n > 0 {
                    assert_eq!(publisher.publish("n", (n - 1).to_string()).unwrap(), 1);
                }
            })
        };
        client.publish("n", "100000").unwrap();
        assert_eq!(calls.get(), 100_001);
    });
}

/// Requests inside callbacks inside requests: these do nest.
#[test]
fn requests_nest() {
    must_return(|| {
        let client = bus(16, 1024).connect();
        let asker = client.clone();
        let _sum = client.subscribe_fn("sum", move |question| {
            let n = number(&question);
            let rest = if n == 0 { 0 } else { number(&asker.request("sum", (n - 1).to_string()).unwrap()) };
            question.respond((n + rest).to_string()).unwrap();
        });
        assert_eq!(number(&client.request("sum", "50").unwrap()), 50 * 51 / 2);
        assert!(client.bus().stats().ledger.balances());
    });
}

/// A callback whose own captured state is dropped with it unsubscribes others and publishes as it goes.
#[test]
fn what_a_callback_holds_is_dropped_without_a_lock() {
    struct Last(Client, Option<Subscriber>, Count);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.publish("last", "").unwrap();
            drop(self.1.take());
            drop(self.0.subscribe("another").unwrap());
            self.2.add();
        }
    }
    must_return(|| {
        for bus in buses() {
            let client = bus.connect();
            let (held, drops) = (client.subscribe("go").unwrap(), Count::default());
            let state = Last(client.clone(), Some(held), drops.clone());
            let guard = client.subscribe_fn("go", move |_| assert!(state.0.id().get() > 0)).unwrap();
            for _ in 0..3 {
                client.publish("go", "").unwrap();
            }
            drop(guard);
            assert_eq!((drops.get(), client.publish("go", "").unwrap()), (1, 0));
            // Refused from the start: the caller that tried drops it.
            let full = Last(client.clone(), None, drops.clone());
            let options = SubscribeOptions::new().queue("a b");
            assert!(client.subscribe_fn_with("go", options, move |_| assert!(full.0.id().get() > 0)).is_err());
            assert_eq!(drops.get(), 2);
        }
    });
}

#[test]
fn handles_may_be_dropped_in_any_order() {
    for order in 0..24usize {
        let bus = bus(16, 1024);
        let client = bus.connect();
        let subscriber = client.subscribe("a").unwrap();
        let publisher = client.publisher("a").unwrap();
        let events = bus.events();
        publisher.publish("1").unwrap();
        let message = subscriber.recv().unwrap();
        type Handle = Box<dyn std::any::Any>;
        let mut handles: Vec<Handle> =
            vec![Box::new(bus), Box::new((client, events)), Box::new(subscriber), Box::new(publisher)];
        let mut pick = order;
        for left in (1..=4).rev() {
            drop(handles.swap_remove(pick % left));
            pick /= left;
        }
        assert_eq!(message.payload(), b"1");
    }
}

#[test]
fn closing_from_a_callback_ends_what_others_wait_for() {
    must_return(|| {
        let bus = bus(16, 1024);
        let (client, other) = (bus.connect(), bus.connect());
        let _closer = client.subscribe_fn("close", {
            let bus = bus.clone();
            move |_| bus.close()
        });
        let waiting = other.subscribe("quiet").unwrap();
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| waiting.recv().unwrap_err().reason);
            client.publish("close", "").unwrap();
            assert_eq!(receiver.join().unwrap(), CloseReason::BusClosed);
        });
    });
}
