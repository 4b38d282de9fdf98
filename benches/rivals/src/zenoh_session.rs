//! Zenoh: one session, which publishes to itself; nothing listens, nothing looks for others.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use zenoh::bytes::ZBytes;
use zenoh::handlers::{FifoChannel, FifoChannelHandler};
use zenoh::pubsub::Subscriber;
use zenoh::query::Reply;
use zenoh::sample::Sample;
use zenoh::{Config, Session, Wait};

use crate::harness::{Setup, per_message, time};
use crate::letter::{Source, Tally, stamp};
use crate::memory;
use crate::rival::{Rival, Workload};

const KEY: &str = "a/b/c";

struct Zenoh {
    session: Session,
}

/// Opens a session that knows nobody.
pub(crate) fn open() -> Result<Box<dyn Rival>, String> {
    let mut config = Config::default();
    for (key, value) in [
        ("mode", "\"peer\""),
        ("listen/endpoints", "[]"),
        ("connect/endpoints", "[]"),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "false"),
    ] {
        config.insert_json5(key, value).map_err(|error| format!("{key}: {error}"))?;
    }
    let session = zenoh::open(config).wait().map_err(|error| error.to_string())?;
    // Its thread pools start when first used, and would be pinned with whoever uses them first: here nobody is yet.
    let queryable = session.declare_queryable("warm/up").wait().map_err(|error| error.to_string())?;
    let replies = session.get("warm/up").wait().map_err(|error| error.to_string())?;
    drop(queryable.try_recv());
    drop(replies);
    Ok(Box::new(Zenoh { session }))
}

impl Rival for Zenoh {
    fn name(&self) -> &'static str {
        "zenoh"
    }

    fn about(&self) -> String {
        "zenoh, put and get in one session, no network; FifoChannel(65536)".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        setup.pin(0);
        match workload {
            Workload::Pair => Some(self.fanout(setup, iterations, 1)),
            Workload::Fanout8 => Some(self.fanout(setup, iterations.div_ceil(8), 8)),
            Workload::ThreadsTwoCores => Some(self.threads(setup, iterations)),
            Workload::RequestInline => Some(self.request_inline(iterations)),
            Workload::RequestThreads => Some(self.request_threads(setup, iterations)),
            Workload::RequestAsync => None,
        }
    }

    fn memory(&self, count: usize) -> Option<f64> {
        Some(memory::each(count, |number| {
            self.session.declare_subscriber(format!("dev/{number:08}/temp")).wait().expect("a subscription")
        }))
    }

    fn memory_count(&self) -> usize {
        // Declaring takes longer the more there are.
        10_000
    }
}

impl Zenoh {
    fn subscriber(&self, setup: &Setup) -> Subscriber<FifoChannelHandler<Sample>> {
        let channel = FifoChannel::new(setup.capacity);
        self.session.declare_subscriber(KEY).with(channel).wait().expect("a subscription")
    }

    fn publish(&self, payload: &[u8]) {
        self.session.put(KEY, payload).wait().expect("published");
    }

    /// The time of one delivery.
    fn fanout(&self, setup: &Setup, iterations: u64, receivers: u64) -> f64 {
        let inboxes: Vec<_> = (0..receivers).map(|_| self.subscriber(setup)).collect();
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            self.publish(source.next());
            for inbox in &inboxes {
                let sample = inbox.try_recv().expect("an open channel").expect("the message just published");
                tally.take(read(sample.payload()));
            }
        });
        tally.check(source.expected(receivers));
        ns / receivers as f64
    }

    /// A full channel holds the publisher back.
    fn threads(&self, setup: &Setup, iterations: u64) -> f64 {
        let inbox = self.subscriber(setup);
        let ready = Barrier::new(2);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                setup.pin(1);
                ready.wait();
                let mut tally = Tally::default();
                while tally.count() < iterations {
                    tally.take(read(inbox.recv().expect("a message").payload()));
                }
                (tally, Instant::now())
            });
            let mut source = Source::<16>::new();
            ready.wait();
            let start = Instant::now();
            for _ in 0..iterations {
                self.publish(source.next());
            }
            let (tally, end) = receiver.join().expect("the receiver finished");
            tally.check(source.expected(1));
            per_message(end - start, iterations)
        })
    }

    fn request_inline(&self, iterations: u64) -> f64 {
        let answering = self
            .session
            .declare_queryable(KEY)
            .callback(|query| {
                let payload = query.payload().expect("a question").to_bytes().to_vec();
                query.reply(KEY, payload).wait().expect("answered");
            })
            .wait()
            .expect("a queryable");
        let ns = self.ask(iterations);
        answering.undeclare().wait().expect("undeclared");
        ns
    }

    fn request_threads(&self, setup: &Setup, iterations: u64) -> f64 {
        // A callback that hands the query on, as in zenoh's own channels.
        let (tx, rx) = crossbeam_channel::bounded(setup.capacity);
        let queryable = self.session.declare_queryable(KEY);
        let queryable = queryable.callback(move |query| tx.send(query).expect("the answerer listens"));
        let queryable = queryable.wait().expect("a queryable");
        thread::scope(|scope| {
            scope.spawn(move || {
                setup.pin(0);
                for query in rx {
                    let payload = query.payload().expect("a question").to_bytes().to_vec();
                    query.reply(KEY, payload).wait().expect("answered");
                }
            });
            let ns = self.ask(iterations);
            // Drops the callback and with it the channel, which ends the answerer.
            queryable.undeclare().wait().expect("undeclared");
            ns
        })
    }

    fn ask(&self, iterations: u64) -> f64 {
        let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
        let ns = time(iterations, || {
            let replies = self.session.get(KEY).payload(source.next()).wait().expect("asked");
            let reply: Reply = replies.recv().expect("an answer");
            tally.take(read(reply.result().expect("a good answer").payload()));
        });
        tally.check(source.expected(1));
        ns
    }
}

fn read(payload: &ZBytes) -> u64 {
    stamp(&payload.to_bytes())
}
