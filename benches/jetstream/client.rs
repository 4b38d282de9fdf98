//! async-nats, the way a program uses it: the same client on both servers.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull, push};
use async_nats::jetstream::{self, Context, kv, stream};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::clients::{block_on, connect, payload};
use crate::common::samples::per_message;
use crate::process::{Cpu, Place};
use crate::workloads::Round;

/// Publishes under way to the server.
const WINDOW: usize = 256;

/// Messages of one pull request.
const BATCH: usize = 200;

/// The keys of a bucket that is watched.
const KEYS: u64 = 10_000;

/// Publishes with acknowledgements, 256 under way; the time of one.
pub(crate) fn publish<const SIZE: usize>(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let context = with_stream(place, 0).await;
        let bytes = Bytes::from(payload(SIZE));
        let clock = Clock::start(place);
        let mut under_way = VecDeque::with_capacity(WINDOW);
        for _ in 0..steps {
            if under_way.len() == WINDOW {
                let oldest: jetstream::context::PublishAckFuture = under_way.pop_front().expect("it is full");
                oldest.into_future().await.expect("acknowledged");
            }
            under_way.push_back(context.publish("s.a", bytes.clone()).await.expect("published"));
        }
        for ack in under_way {
            ack.into_future().await.expect("acknowledged");
        }
        let round = clock.stop(place, steps);
        delete(&context).await;
        round
    })
}

/// Publishes with acknowledgements, each sent when the one before is acknowledged; the time of one.
pub(crate) fn publish_alone(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let context = with_stream(place, 0).await;
        let bytes = Bytes::from(payload(16));
        let clock = Clock::start(place);
        for _ in 0..steps {
            context.publish("s.a", bytes.clone()).await.expect("published").await.expect("acknowledged");
        }
        let round = clock.stop(place, steps);
        delete(&context).await;
        round
    })
}

/// `fetch` of 200 messages, each acknowledged; the time of a message.
pub(crate) fn fetch(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let steps = steps.div_ceil(BATCH as u64) * BATCH as u64;
        let context = with_stream(place, steps).await;
        let config =
            pull::Config { durable_name: Some("C".into()), ack_policy: AckPolicy::Explicit, ..pull::Config::default() };
        let consumer = context.create_consumer_on_stream(config, "S").await.expect("a consumer");
        let clock = Clock::start(place);
        let mut received = 0;
        while received < steps {
            let mut batch = consumer.fetch().max_messages(BATCH).messages().await.expect("a batch");
            while let Some(message) = batch.next().await {
                message.expect("a message").ack().await.expect("acknowledged");
                received += 1;
            }
        }
        let round = clock.stop(place, steps);
        delete(&context).await;
        round
    })
}

/// An ordered push consumer from the first message to the last; the time of a message.
pub(crate) fn ordered(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let context = with_stream(place, steps).await;
        let deliver_subject = context.client().new_inbox();
        let config = push::OrderedConfig { deliver_subject, ..push::OrderedConfig::default() };
        let clock = Clock::start(place);
        let consumer = context.create_consumer_on_stream(config, "S").await.expect("a consumer");
        let mut messages = consumer.messages().await.expect("messages");
        for _ in 0..steps {
            messages.next().await.expect("a message").expect("in order");
        }
        let round = clock.stop(place, steps);
        delete(&context).await;
        round
    })
}

/// `put` on 1,000 keys in turn; the time of one.
pub(crate) fn kv_put(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let (context, store) = bucket(place, 0).await;
        let value = Bytes::from(payload(16));
        let clock = Clock::start(place);
        for step in 0..steps {
            store.put(key(step % 1_000), value.clone()).await.expect("put");
        }
        finish(&context, clock.stop(place, steps)).await
    })
}

/// `get` of 1,000 keys in turn; the time of one.
pub(crate) fn kv_get(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let (context, store) = bucket(place, 1_000).await;
        let clock = Clock::start(place);
        for step in 0..steps {
            store.get(key(step % 1_000)).await.expect("got").expect("there");
        }
        finish(&context, clock.stop(place, steps)).await
    })
}

/// A watch of all of 10,000 keys, to the end of the initial values; the time of a key.
pub(crate) fn kv_watch(place: &Place, steps: u64, _round: usize) -> Round {
    block_on(async {
        let keys = steps.min(KEYS);
        let (context, store) = bucket(place, keys).await;
        let clock = Clock::start(place);
        let mut watched = 0;
        for _ in 0..(steps / keys).max(1) {
            let mut watch = store.watch_with_history(">").await.expect("a watch");
            for _ in 0..keys {
                watch.next().await.expect("an entry").expect("in order");
                watched += 1;
            }
        }
        finish(&context, clock.stop(place, watched)).await
    })
}

/// The start of what is measured.
struct Clock {
    start: Instant,
    before: Cpu,
}

impl Clock {
    fn start(place: &Place) -> Self {
        Clock { before: Cpu::of(place.pid), start: Instant::now() }
    }

    fn stop(self, place: &Place, steps: u64) -> Round {
        Round { ns: per_message(self.start.elapsed(), steps), steps, before: self.before, after: Cpu::of(place.pid) }
    }
}

/// A connection with a new stream in memory, and so many messages of 16 bytes in it.
async fn with_stream(place: &Place, messages: u64) -> Context {
    let mut context = jetstream::new(connect(&place.url()).await);
    context.set_timeout(Duration::from_secs(30));
    let config = stream::Config {
        name: "S".into(),
        subjects: vec!["s.>".into()],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    };
    context.create_stream(config).await.expect("a stream");
    let bytes = Bytes::from(payload(16));
    let mut left = messages;
    while left > 0 {
        let some = left.min(1_000);
        for _ in 1..some {
            context.client().publish("s.a", bytes.clone()).await.expect("published");
        }
        context.publish("s.a", bytes.clone()).await.expect("published").await.expect("acknowledged");
        left -= some;
    }
    context
}

async fn delete(context: &Context) {
    context.delete_stream("S").await.expect("deleted");
}

async fn bucket(place: &Place, keys: u64) -> (Context, kv::Store) {
    let context = jetstream::new(connect(&place.url()).await);
    let config = kv::Config { bucket: "B".into(), storage: stream::StorageType::Memory, ..kv::Config::default() };
    let store = context.create_key_value(config).await.expect("a bucket");
    for number in 0..keys {
        let subject = format!("$KV.B.{}", key(number));
        context.client().publish(subject, Bytes::from(payload(16))).await.expect("published");
        if number % 1_000 == 999 {
            store.status().await.expect("a status");
        }
    }
    while store.status().await.expect("a status").values() < keys {}
    (context, store)
}

fn key(number: u64) -> String {
    format!("key.{number:06}")
}

async fn finish(context: &Context, round: Round) -> Round {
    context.delete_key_value("B").await.expect("deleted");
    round
}
