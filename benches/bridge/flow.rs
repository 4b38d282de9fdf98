//! A stream of messages from one end to the other: publisher and subscriber have a thread each.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use postroom::Bus;

use crate::clients::{PATIENCE, WINDOW, block_on, connect, payload, subscribe};
use crate::ends::{bridge, end, settle};
use crate::samples::per_message;
use crate::window::Window;

const SUBJECT: &str = "a.b.c";

/// How often a subscriber tells how far it is, and a publisher asks.
const STEP: u64 = 64;

/// The state that both threads of a flow share.
struct Flow<'a> {
    url: &'a str,
    messages: u64,
    size: usize,
    window: Window,
    ready: Barrier,
}

impl<'a> Flow<'a> {
    fn new(url: &'a str, messages: u64, size: usize) -> Self {
        Flow { url, messages, size, window: Window::new(1, WINDOW), ready: Barrier::new(2) }
    }

    /// The time of a message between these two, which tell when they began and ended.
    fn run(&self, publish: impl FnOnce(&Self) -> Instant, receive: impl FnOnce(&Self) -> Instant + Send) -> f64 {
        let elapsed = thread::scope(|scope| {
            let receiver = scope.spawn(|| receive(self));
            let start = publish(self);
            receiver.join().expect("received") - start
        });
        per_message(elapsed, self.messages)
    }

    fn received(&self, received: u64) {
        if received.is_multiple_of(STEP) || received == self.messages {
            self.window.received(0, received);
        }
    }

    fn publish_by_client(&self) -> Instant {
        block_on(async {
            let client = connect(self.url).await;
            let payload = Bytes::from(payload(self.size));
            self.ready.wait();
            let start = Instant::now();
            for sent in 0..self.messages {
                if sent.is_multiple_of(STEP) {
                    self.window.wait(sent).await;
                }
                client.publish(SUBJECT, payload.clone()).await.expect("published");
            }
            client.flush().await.expect("flushed");
            start
        })
    }

    fn receive_by_client(&self) -> Instant {
        block_on(async {
            let mut inbox = subscribe(&connect(self.url).await, SUBJECT).await;
            self.ready.wait();
            for received in 1..=self.messages {
                let message = inbox.next().await.expect("a message");
                assert_eq!(message.payload.len(), self.size);
                self.received(received);
            }
            Instant::now()
        })
    }

    fn publish_on(&self, bus: &Bus) -> Instant {
        let client = bus.connect();
        let payload = Bytes::from(payload(self.size));
        block_on(async {
            self.ready.wait();
            let start = Instant::now();
            for sent in 0..self.messages {
                if sent.is_multiple_of(STEP) {
                    self.window.wait(sent).await;
                }
                client.publish(SUBJECT, payload.clone()).expect("published");
            }
            start
        })
    }
}

/// Between two clients of the server.
pub(crate) fn direct<const SIZE: usize>(url: &str, messages: u64) -> f64 {
    Flow::new(url, messages, SIZE).run(Flow::publish_by_client, Flow::receive_by_client)
}

/// From the bus to a client of the server.
pub(crate) fn out<const SIZE: usize>(url: &str, messages: u64) -> f64 {
    let bus = Bus::new();
    let bridge = bridge(&bus, url, |rules| rules.export("a.>"));
    let ns = Flow::new(url, messages, SIZE).run(|flow| flow.publish_on(&bus), Flow::receive_by_client);
    end(&bridge);
    ns
}

/// From a client of the server to the bus.
pub(crate) fn in_<const SIZE: usize>(url: &str, messages: u64) -> f64 {
    let bus = Bus::new();
    let subscriber = bus.connect().subscribe(SUBJECT).expect("a subscription");
    let bridge = bridge(&bus, url, |rules| rules.import("a.>"));
    settle(&bridge);
    let ns = Flow::new(url, messages, SIZE).run(Flow::publish_by_client, |flow| {
        flow.ready.wait();
        for received in 1..=messages {
            let message = subscriber.recv_timeout(PATIENCE).expect("a message");
            assert_eq!(message.payload().len(), SIZE);
            flow.received(received);
        }
        Instant::now()
    });
    end(&bridge);
    ns
}
