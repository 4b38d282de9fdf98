//! Streams as a test kit sees them: what became of every message, on a clock that the test moves.

mod faults;
mod ledgers;
mod records;
mod time;

use postroom::TestKit;
use postroom::jetstream::{self, Consumer, ConsumerConfig, JetStream, JetStreamOptions, JetStreamServer, StreamConfig};
use postroom::testkit::TestKitBuilder;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A kit with JetStream on its bus, and an application's context.
struct House {
    kit: TestKit,
    js: JetStream,
    server: Option<JetStreamServer>,
}

impl House {
    fn new() -> Self {
        House::of(TestKit::builder())
    }

    fn of(builder: TestKitBuilder) -> Self {
        let kit = builder.build();
        let server = JetStreamServer::start(kit.bus(), JetStreamOptions::new()).expect("JetStream");
        let js = jetstream::new(kit.client());
        House { kit, js, server: Some(server) }
    }

    fn stream(&self, config: StreamConfig) -> jetstream::Stream {
        self.js.create_stream(config).wait().expect("a stream")
    }

    fn orders(&self) -> jetstream::Stream {
        self.stream(StreamConfig::new("ORDERS").subjects(["orders.>"]))
    }

    fn publish(&self, subject: &str) {
        self.js.publish(subject, "hello").wait().expect("an acknowledgement");
    }
}

fn worker(stream: &jetstream::Stream, config: ConsumerConfig) -> Consumer {
    stream.create_consumer(config).wait().expect("a consumer")
}

/// The messages that a consumer has now.
fn take(consumer: &Consumer, count: usize) -> Vec<jetstream::JsMessage> {
    consumer.fetch(count).messages().into_iter().collect::<Result<_, _>>().expect("messages")
}
