//! G4 in destructors of payloads and in wakers: they are a user's code as well.
//!
//! Goal: no lock is held where a payload's last copy goes or a waker is woken, cloned or dropped. Method: payloads and wakers that
//! publish, subscribe and unsubscribe, at every place where the bus lets go of one; a held lock shows as a thread that hangs.

use crate::common::{Count, buses, must_return, payload_that, watched_payload};
use postroom::{Bus, Client, OverflowPolicy, Payload, SubscribeOptions, Subscriber};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// The acts of a destructor or a waker here: everything that takes locks.
fn mischief(client: &Client, victim: Option<Subscriber>) {
    drop(victim);
    let _ = client.publish("mischief", "");
    if let Ok(subscriber) = client.subscribe("mischief") {
        client.publish("mischief", "").unwrap();
        subscriber.unsubscribe();
    }
    let _ = client.bus().stats();
}

/// A payload that unsubscribes what some thread remembers a route to, and more. Adds one to `drops`.
fn nasty(client: &Client, drops: &Count) -> Payload<'static> {
    let victim = client.subscribe("victim").unwrap();
    for _ in 0..3 {
        client.publish("victim", "").unwrap();
    }
    let (client, drops) = (client.clone(), drops.clone());
    payload_that(move || {
        mischief(&client, Some(victim));
        drops.add();
    })
}

fn on_every_bus(test: impl Fn(&Bus, &Client, &Count) + Send + 'static) {
    must_return(move || {
        for bus in buses() {
            test(&bus, &bus.connect(), &Count::default());
        }
    });
}

#[test]
fn nobody_wants_it() {
    on_every_bus(|_, client, drops| {
        let prepared = client.publisher("nobody").unwrap();
        for n in 1..=4 {
            // By text it is remembered from the second time on that no subscription matches.
            assert_eq!(client.publish("nobody", nasty(client, drops)).unwrap(), 0);
            assert_eq!(prepared.publish(nasty(client, drops)).unwrap(), 0);
            assert_eq!(drops.get(), 2 * n);
        }
        assert!(client.publish("not..a.subject", nasty(client, drops)).is_err());
        assert!(client.request("nobody", nasty(client, drops)).is_err());
        assert_eq!(drops.get(), 10);
    });
}

#[test]
fn there_is_no_room_for_it() {
    for policy in [
        OverflowPolicy::DropNewest,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Block(Duration::ZERO),
        OverflowPolicy::Close,
    ] {
        on_every_bus(move |_, client, drops| {
            let options = SubscribeOptions::new().capacity(1).overflow(policy);
            let full = client.subscribe_with("full", options.clone()).unwrap();
            let member = client.subscribe_with("full", options.queue("g")).unwrap();
            for _ in 0..4 {
                client.publish("full", nasty(client, drops)).unwrap();
            }
            assert_eq!(drops.get(), 3, "one of four is queued, {policy:?}");
            drop((full, member));
            assert_eq!(drops.get(), 4);
        });
    }
}

#[test]
fn it_is_received_discarded_or_handled() {
    on_every_bus(|_, client, drops| {
        let subscriber = client.subscribe("a").unwrap();
        for _ in 0..5 {
            client.publish("a", nasty(client, drops)).unwrap();
        }
        drop(subscriber.recv().unwrap());
        assert_eq!(drops.get(), 1);
        drop(subscriber);
        assert_eq!(drops.get(), 5, "with the handle goes what was queued");
        let callback = client.subscribe_fn("a", drop).unwrap();
        for _ in 0..3 {
            client.publish("a", nasty(client, drops)).unwrap();
        }
        drop(callback);
        assert_eq!(drops.get(), 8);
        let (tx, rx) = crossbeam_channel::bounded(1);
        let guard = client.subscribe_channel("a", tx).unwrap();
        for _ in 0..3 {
            client.publish("a", nasty(client, drops)).unwrap();
        }
        assert_eq!(drops.get(), 10);
        drop(rx);
        client.publish("a", nasty(client, drops)).unwrap();
        assert_eq!(drops.get(), 11, "what found the receiver gone");
        drop(guard);
        assert_eq!(drops.get(), 12, "what still was in the channel");
        assert_eq!(client.publish("a", nasty(client, drops)).unwrap(), 0);
        assert_eq!(drops.get(), 13);
    });
}

/// Plain subscribers, groups and no-echo at once: the last copy goes in the middle of a delivery when another thread is quick to
/// drop the others.
#[test]
fn the_last_copy_goes_during_the_delivery() {
    on_every_bus(|bus, client, drops| {
        let (tx, rx) = crossbeam_channel::bounded(0);
        let other = bus.connect();
        std::thread::scope(|scope| {
            scope.spawn(move || rx.iter().for_each(drop));
            let quick = other.subscribe_channel_with("a", SubscribeOptions::new().queue("g"), tx).unwrap();
            for n in 1..=500 {
                client.publish("a", nasty(client, drops)).unwrap();
                while drops.get() < n {
                    std::thread::yield_now();
                }
            }
            drop(quick);
        });
    });
}

#[test]
fn it_answers_or_comes_too_late() {
    on_every_bus(|_, client, drops| {
        let service = {
            let (client, drops) = (client.clone(), drops.clone());
            client.clone().subscribe_fn("svc", move |question| {
                // The second answer is one too many, and dropped where it arrives.
                question.respond(nasty(&client, &drops)).unwrap();
                question.respond(nasty(&client, &drops)).unwrap();
            })
        };
        for n in 1..=4 {
            drop(client.request("svc", "").unwrap());
            assert_eq!(drops.get(), 2 * n);
        }
        let _unread = client.request_async("svc", "");
        drop(_unread);
        assert_eq!(drops.get(), 10, "an answer nobody took goes with the request");
        drop(service);
    });
}

struct Nasty(Client, Count);

impl Nasty {
    fn waker(client: &Client, count: &Count) -> Waker {
        Arc::new(Nasty(client.clone(), count.clone())).into()
    }
}

impl Wake for Nasty {
    fn wake(self: Arc<Self>) {
        self.1.add();
        mischief(&self.0, None);
    }
}

impl Drop for Nasty {
    fn drop(&mut self) {
        mischief(&self.0, None);
    }
}

#[test]
fn wakers_publish_and_subscribe() {
    on_every_bus(|bus, client, woken| {
        let waker = Nasty::waker(client, woken);
        let mut cx = Context::from_waker(&waker);
        let subscriber = client
            .subscribe_with("a", SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX)));
        let subscriber = subscriber.unwrap();
        for n in 1..=3 {
            let mut receive = pin!(subscriber.recv_async());
            assert!(receive.as_mut().poll(&mut cx).is_pending());
            assert_eq!(client.publish("a", "").unwrap(), 1);
            assert_eq!(woken.get(), 3 * n - 2, "by the message");
            let mut publish = pin!(client.publish_async("a", ""));
            assert!(publish.as_mut().poll(&mut cx).is_pending(), "there is no room");
            assert!(matches!(receive.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
            assert_eq!(woken.get(), 3 * n - 1, "by the room");
            assert!(matches!(publish.as_mut().poll(&mut cx), Poll::Ready(Ok(1))));
            drop(subscriber.recv().unwrap());
            let request = client.subscribe("svc").unwrap();
            let mut answer = pin!(client.request_async("svc", ""));
            assert!(answer.as_mut().poll(&mut cx).is_pending());
            request.recv().unwrap().respond("").unwrap();
            assert_eq!(woken.get(), 3 * n, "by the answer");
            assert!(matches!(answer.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
        }
        let before = woken.get();
        let mut end = pin!(subscriber.recv_async());
        assert!(end.as_mut().poll(&mut cx).is_pending());
        bus.close();
        assert_eq!(woken.get(), before + 1, "by the end");
    });
}

#[test]
fn a_payload_outlives_the_bus() {
    let (payload, watch) = watched_payload();
    let message = {
        let client = Bus::new().connect();
        let subscriber = client.subscribe("a").unwrap();
        client.publish("a", payload).unwrap();
        subscriber.recv().unwrap()
    };
    assert!(watch.upgrade().is_some());
    drop(message);
    assert!(watch.upgrade().is_none());
}
