//! rumqttd: its broker in this process, without a listener, through its links; QoS 0.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::{Broker, Config, Notification, RouterConfig};

use crate::harness::{Setup, per_message, time};
use crate::letter::{Source, Tally, stamp};
use crate::memory;
use crate::rival::{Rival, Workload};
use crate::window::Window;

const TOPIC: &str = "a/b/c";
const ANSWERS: &str = "answers";

/// The last message of the requester, so that the responder ends.
const STOP: &[u8] = b"stop";

struct Rumqttd {
    broker: Broker,
    links: AtomicU64,
}

/// Starts the broker's router, and no server.
pub(crate) fn start() -> Result<Box<dyn Rival>, String> {
    let router = RouterConfig {
        max_connections: 10_000,
        max_outgoing_packet_count: 200,
        // Enough for what a window lets be under way, and little enough to stay in the cache.
        max_segment_size: 1 << 20,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    let broker = Broker::new(Config { router, ..Config::default() });
    Ok(Box::new(Rumqttd { broker, links: AtomicU64::new(0) }))
}

/// A connection to the router: two handles, as the broker gives them out.
struct Link {
    tx: LinkTx,
    rx: LinkRx,
}

impl Link {
    fn publish(&mut self, topic: &'static str, payload: &[u8]) {
        self.tx.publish(topic, Bytes::copy_from_slice(payload)).expect("published");
    }

    /// Subscribes and waits until the router said so.
    fn subscribe(&mut self, topic: &str) {
        self.tx.subscribe(topic).expect("asked to subscribe");
        self.acknowledged();
    }

    /// A connection cannot be taken back, but one without subscriptions costs the router nothing.
    fn unsubscribe(&mut self, topic: &str) {
        self.tx.unsubscribe(topic).expect("asked to unsubscribe");
        self.acknowledged();
    }

    fn acknowledged(&mut self) {
        while !matches!(self.rx.recv().expect("the router lives"), Some(Notification::DeviceAck(_))) {}
    }

    /// The next payload.
    fn recv(&mut self) -> Bytes {
        loop {
            match self.rx.recv().expect("the router lives") {
                Some(Notification::Forward(forward)) => return forward.publish.payload,
                // The router stops serving a link whose buffer was full until the link says that it has room again.
                Some(Notification::Unschedule) => self.rx.ready().expect("the router lives"),
                _ => {}
            }
        }
    }
}

impl Rumqttd {
    fn link(&self) -> Link {
        // Relaxed: only the number has to be unique.
        let name = format!("link-{}", self.links.fetch_add(1, Ordering::Relaxed));
        let (tx, rx) = self.broker.link(&name).expect("a link");
        Link { tx, rx }
    }

    /// The time of one delivery.
    fn fanout(&self, iterations: u64, receivers: u64) -> f64 {
        let mut publisher = self.link();
        let mut inboxes: Vec<_> = (0..receivers).map(|_| self.link()).collect();
        inboxes.iter_mut().for_each(|inbox| inbox.subscribe(TOPIC));
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            publisher.publish(TOPIC, source.next());
            for inbox in &mut inboxes {
                tally.take(stamp(&inbox.recv()));
            }
        });
        inboxes.iter_mut().for_each(|inbox| inbox.unsubscribe(TOPIC));
        tally.check(source.expected(receivers));
        ns / receivers as f64
    }

    /// The publisher keeps a window: the router's log overwrites what a slow subscriber has not read.
    fn threads(&self, setup: &Setup, iterations: u64) -> f64 {
        let (mut publisher, mut inbox) = (self.link(), self.link());
        inbox.subscribe(TOPIC);
        let (ready, window) = (Barrier::new(2), Window::default());
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                setup.pin(1);
                ready.wait();
                let mut tally = Tally::default();
                while tally.count() < iterations {
                    tally.take(stamp(&inbox.recv()));
                    window.received(tally.count());
                }
                let end = Instant::now();
                inbox.unsubscribe(TOPIC);
                (tally, end)
            });
            let mut source = Source::<16>::new();
            ready.wait();
            let start = Instant::now();
            for number in 0..iterations {
                window.wait(number);
                publisher.publish(TOPIC, source.next());
            }
            let (tally, end) = receiver.join().expect("the receiver finished");
            tally.check(source.expected(1));
            per_message(end - start, iterations)
        })
    }

    /// MQTT has no requests: a topic there and a topic back.
    fn request_threads(&self, setup: &Setup, iterations: u64) -> f64 {
        let (mut asker, mut answerer) = (self.link(), self.link());
        asker.subscribe(ANSWERS);
        answerer.subscribe(TOPIC);
        thread::scope(|scope| {
            scope.spawn(|| {
                setup.pin(0);
                loop {
                    let question = answerer.recv();
                    if question == STOP {
                        break;
                    }
                    answerer.publish(ANSWERS, &question);
                }
                answerer.unsubscribe(TOPIC);
            });
            let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
            let ns = time(iterations, || {
                asker.publish(TOPIC, source.next());
                tally.take(stamp(&asker.recv()));
            });
            asker.publish(TOPIC, STOP);
            asker.unsubscribe(ANSWERS);
            tally.check(source.expected(1));
            ns
        })
    }
}

impl Rival for Rumqttd {
    fn name(&self) -> &'static str {
        "rumqttd"
    }

    fn about(&self) -> String {
        "rumqttd's broker in this process through its links, QoS 0; its router is a thread of its own".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        setup.pin(0);
        match workload {
            Workload::Pair => Some(self.fanout(iterations, 1)),
            Workload::Fanout8 => Some(self.fanout(iterations.div_ceil(8), 8)),
            Workload::ThreadsTwoCores => Some(self.threads(setup, iterations)),
            Workload::RequestThreads => Some(self.request_threads(setup, iterations)),
            Workload::RequestInline | Workload::RequestAsync => None,
        }
    }

    fn memory(&self, count: usize) -> Option<f64> {
        let mut link = self.link();
        link.subscribe("dev/first/temp");
        let before = memory::resident("self");
        (0..count).for_each(|number| link.subscribe(&format!("dev/{number:08}/temp")));
        Some(memory::per_one(before, memory::resident("self"), count))
    }

    fn memory_count(&self) -> usize {
        10_000
    }
}
