//! The context in this process: one thread, pinned, no server.

use std::time::Instant;

use postroom::jetstream::{
    self, AckPolicy, Consumer, ConsumerConfig, JetStream, JetStreamOptions, JetStreamServer, Storage, StreamConfig,
};
use postroom::{Bus, SubscriptionGuard};

use crate::clients::payload;
use crate::common::samples::per_message;

/// Messages of one pull request.
const BATCH: usize = 200;

/// A bus with streams, and a context on it.
struct Inside {
    js: JetStream,
    _server: JetStreamServer,
    _bus: Bus,
}

impl Inside {
    fn new() -> Self {
        pin();
        let bus = Bus::new();
        let server = JetStreamServer::start(&bus, JetStreamOptions::new()).expect("streams");
        Inside { js: jetstream::new(bus.connect()), _server: server, _bus: bus }
    }

    /// With a stream of `s.>` that holds so many messages of 16 bytes.
    fn with_messages(messages: u64) -> Self {
        let inside = Self::new();
        let config = StreamConfig::new("S").subjects(["s.>"]).storage(Storage::Memory);
        inside.js.create_stream(config).wait().expect("a stream");
        let bytes = payload(16);
        for _ in 0..messages {
            inside.js.client().publish("s.a", &bytes[..]).expect("published");
        }
        inside
    }

    fn consumer(&self, config: ConsumerConfig) -> Consumer {
        self.js.get_stream("S").wait().expect("the stream").create_consumer(config).wait().expect("a consumer")
    }

    /// The time of a publish of so many bytes with its acknowledgement.
    fn publish(&self, size: usize, steps: u64) -> f64 {
        let bytes = payload(size);
        time(steps, || {
            self.js.publish("s.a", &bytes[..]).wait().expect("acknowledged");
        })
    }
}

/// A request of 16 bytes that a callback answers, within the publish.
pub(crate) fn request(steps: u64) -> f64 {
    pin();
    let bus = Bus::new();
    let (client, service) = (bus.connect(), bus.connect());
    let _answering: SubscriptionGuard = service
        .subscribe_fn("svc.echo", |request| {
            request.respond(request.payload()).expect("answered");
        })
        .expect("a subscription");
    let bytes = payload(16);
    time(steps, || {
        client.request("svc.echo", &bytes[..]).expect("an answer");
    })
}

/// A publish of 128 bytes with its acknowledgement.
pub(crate) fn publish(steps: u64) -> f64 {
    Inside::with_messages(0).publish(128, steps)
}

/// `fetch` of 200 messages, each acknowledged; the time of a message.
pub(crate) fn fetch(steps: u64) -> f64 {
    let steps = steps.div_ceil(BATCH as u64) * BATCH as u64;
    let inside = Inside::with_messages(steps);
    let consumer = inside.consumer(ConsumerConfig::pull("C").ack_policy(AckPolicy::Explicit));
    let start = Instant::now();
    let mut received = 0;
    while received < steps {
        for message in consumer.fetch(BATCH).messages() {
            message.expect("a message").ack().expect("acknowledged");
            received += 1;
        }
    }
    let ns = per_message(start.elapsed(), steps);
    let info = consumer.info().wait().expect("its state");
    assert_eq!((info.num_ack_pending, info.num_pending), (0, 0));
    ns
}

/// A publish into a stream that holds `MESSAGES`.
pub(crate) fn publish_behind<const MESSAGES: u64>(steps: u64) -> f64 {
    Inside::with_messages(shortened(MESSAGES, steps)).publish(16, steps)
}

/// A publish beside `CONSUMERS` consumers whose filters do not match.
pub(crate) fn publish_beside<const CONSUMERS: u64>(steps: u64) -> f64 {
    let inside = Inside::with_messages(0);
    let stream = inside.js.get_stream("S").wait().expect("the stream");
    for number in 0..shortened(CONSUMERS, steps) {
        let config = ConsumerConfig::pull(format!("C{number}")).filter_subject(format!("s.other.{number}"));
        stream.create_consumer(config).wait().expect("a consumer");
    }
    inside.publish(16, steps)
}

/// What a short run has of a large number.
fn shortened(number: u64, steps: u64) -> u64 {
    if steps < 1_000 { number.min(1_000) } else { number }
}

/// Runs `one` for an eighth of the steps to warm up, then for all of them against the clock.
fn time(steps: u64, mut one: impl FnMut()) -> f64 {
    for _ in 0..steps / 8 {
        one();
    }
    let start = Instant::now();
    for _ in 0..steps {
        one();
    }
    per_message(start.elapsed(), steps)
}

/// The rows of the server run after these on the same thread; they take the cores that there are.
fn pin() {
    let first = core_affinity::get_core_ids().unwrap_or_default().first().copied();
    assert!(first.is_none_or(core_affinity::set_for_current), "cannot pin the thread");
}
