//! Waiting inside a callback by polling the bus's futures.
//!
//! Goal: what waits for its turn on the thread runs, as it does when the callback blocks. Method: a callback that waits, with an executor
//! of its own, for something that only another callback of the same thread brings, for each future of the bus; a manual clock that stands
//! still, so that a wait which nothing ends shows as a future that is not ready.

use crate::executor::{SECOND, Task, next};
use postroom::request::RequestManyOptions;
use postroom::{Bus, Client, Clock, ConnectOptions, OverflowPolicy, SubscribeOptions};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// The result of `wait` in a callback in which `cause` has been published to, whose callback is
/// `effect`.
fn in_a_callback<T: Send + 'static>(
    effect: impl Fn(&Bus, &Client) + Send + Sync + 'static,
    wait: impl Fn(&Bus, &Client) -> T + Send + Sync + 'static,
) -> T {
    let bus = Bus::builder().clock(Clock::manual()).build();
    let client = bus.connect();
    let found = Arc::new(Mutex::new(None));
    let _effect = {
        let (bus, client) = (bus.clone(), client.clone());
        client.clone().subscribe_fn("cause", move |_| effect(&bus, &client)).unwrap()
    };
    let _waits = {
        let (bus, client, found) = (bus.clone(), client.clone(), found.clone());
        client.clone().subscribe_fn("wait", move |_| *found.lock().unwrap() = Some(wait(&bus, &client))).unwrap()
    };
    client.publish("wait", "").unwrap();
    let found = found.lock().unwrap().take();
    found.expect("the callback has run")
}

/// Polls once, which is all that this takes.
fn ready<F: Future>(future: F) -> F::Output {
    match Task::new().poll(&mut Box::pin(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("what is due has not run"),
    }
}

fn cause(client: &Client) {
    assert_eq!(client.publish("cause", "").unwrap(), 1);
}

fn publishes(_: &Bus, client: &Client) {
    client.publish("effect", "1").unwrap();
}

#[test]
fn a_message() {
    let by_future = in_a_callback(publishes, |_, client| {
        let effects = client.subscribe("effect").unwrap();
        cause(client);
        ready(effects.recv_async()).unwrap()
    });
    let by_stream = in_a_callback(publishes, |_, client| {
        let mut effects = client.subscribe("effect").unwrap();
        cause(client);
        ready(next(&mut effects)).unwrap()
    });
    assert_eq!((by_future.payload(), by_stream.payload()), (&b"1"[..], &b"1"[..]));
}

#[test]
fn an_answer() {
    let answered = in_a_callback(publishes, |_, client| {
        let _service = client.subscribe_fn("svc", |request| assert_eq!(request.respond("2"), Ok(1))).unwrap();
        let one = ready(client.request_async("svc", "")).unwrap();
        let mut many = client.request_many("svc", "", RequestManyOptions::new().max(1)).unwrap();
        (one, ready(next(&mut many)).unwrap())
    });
    assert_eq!((answered.0.payload(), answered.1.payload()), (&b"2"[..], &b"2"[..]));
}

#[test]
fn room() {
    let accepted = in_a_callback(
        |_, client| assert_eq!(client.publish("take", ""), Ok(1)),
        |_, client| {
            let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(SECOND));
            let full = Arc::new(client.subscribe_with("full", options).unwrap());
            let taken = full.clone();
            let _takes = client.subscribe_fn("take", move |_| drop(taken.recv().unwrap())).unwrap();
            client.publish("full", "1").unwrap();
            cause(client);
            ready(client.publish_async("full", "2"))
        },
    );
    assert_eq!(accepted.unwrap(), 1);
}

#[test]
fn the_end_of_a_drain_and_of_the_bus() {
    in_a_callback(
        |_, client| assert_eq!(client.publish("take", ""), Ok(1)),
        |_, client| {
            let queued = Arc::new(client.subscribe("queued").unwrap());
            let taken = queued.clone();
            let _takes = client.subscribe_fn("take", move |_| drop(taken.recv().unwrap())).unwrap();
            client.publish("queued", "1").unwrap();
            cause(client);
            ready(queued.drain().into_future());
        },
    );
    in_a_callback(
        |bus, _| bus.close(),
        |bus, client| {
            cause(client);
            ready(bus.closed());
        },
    );
}

#[test]
fn events_and_interest() {
    in_a_callback(
        |bus, _| {
            let _ = bus.connect_with(ConnectOptions::new()).subscribe("wanted").unwrap();
        },
        |bus, client| {
            let interest = bus.interest("wanted").unwrap();
            cause(client);
            assert!(ready(interest.changed()));
        },
    );
    in_a_callback(
        |bus, _| bus.close(),
        |bus, client| {
            let mut events = bus.events();
            cause(client);
            assert!(ready(next(&mut events)).is_some());
        },
    );
}

#[test]
fn time() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();
    let _advances = client.subscribe_fn("cause", move |_| clock.advance(SECOND)).unwrap();
    let (waiting, asked) = (bus.clone(), client.clone());
    let _waits = client
        .subscribe_fn("wait", move |_| {
            cause(&asked);
            ready(waiting.sleep(SECOND));
        })
        .unwrap();
    client.publish("wait", "").unwrap();
    assert_eq!(client.stats().traffic.panics, 0);
}
