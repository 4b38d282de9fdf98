//! Four ways to the same streams: the context of a bus with streams of its own, async-nats on our server and on the real one, and the
//! context across a bridge to the real one.

use super::places::{Ours, Place, Real, Setup};
use async_nats::jetstream as theirs;
use futures_util::TryStreamExt;
use postroom::jetstream::context::AckKind;
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
use postroom::jetstream::{self, ConsumerConfig, ContextOptions, JetStream, PublishOptions, Purge, StreamConfig};
use postroom::{Bridge, Bus, HeaderMap};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a stream keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Limits,
    Interest,
    WorkQueue,
}

/// What becomes of a message that was fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Acked,
    Refused,
    Ended,
    /// Nothing is said.
    Open,
}

/// A message that was fetched: its subject and payload, its sequence, and which delivery it was.
pub(crate) type Fetched = (String, String, u64, u64);

/// One way to streams. Every failure of a call is a panic, but for those that are part of a result.
pub(crate) trait System {
    fn start() -> Self;

    /// A stream on `name.>`, in lower case, with at most so many messages of a subject.
    fn create_stream(&self, name: &str, kept: Kept, per_subject: Option<u32>);

    /// The sequence and whether it was a duplicate; or the number of the refusal.
    fn publish(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> Result<(u64, bool), u64>;

    /// The subject and payload of a stored message.
    fn get(&self, stream: &str, seq: u64) -> Option<(String, String)>;

    /// Messages, and the first and last sequence.
    fn state(&self, stream: &str) -> (u64, u64, u64);

    fn purge(&self, stream: &str, filter: &str) -> u64;

    fn delete_message(&self, stream: &str, seq: u64);

    /// A durable consumer that is pulled from.
    fn create_consumer(&self, stream: &str, name: &str, filter: &str, max_deliver: Option<u32>);

    /// Fetches what is there, at most so many; the fates are those of the messages in turn, each confirmed.
    fn fetch(&self, stream: &str, consumer: &str, count: usize, fates: &[Fate]) -> Vec<Fetched>;

    /// The floor, and how many messages are pending: delivered, and still to be delivered.
    fn consumer(&self, stream: &str, name: &str) -> (u64, u64, u64);

    fn delete_consumer(&self, stream: &str, name: &str);

    /// `false` if there was none.
    fn delete_stream(&self, name: &str) -> bool;

    fn stream_names(&self) -> Vec<String>;
}

/// async-nats on a server.
pub(crate) struct AsyncNats<P> {
    runtime: Runtime,
    js: theirs::Context,
    _place: P,
}

impl<P: Place> AsyncNats<P> {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
    }

    async fn pull(&self, stream: &str, name: &str) -> theirs::consumer::PullConsumer {
        self.js.get_stream(stream).await.expect("a stream").get_consumer(name).await.expect("a consumer")
    }
}

impl<P: Place> System for AsyncNats<P> {
    fn start() -> Self {
        let place = P::start(Setup::default());
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let js =
            runtime.block_on(async { theirs::new(async_nats::connect(place.addr()).await.expect("a connection")) });
        AsyncNats { runtime, js, _place: place }
    }

    fn create_stream(&self, name: &str, kept: Kept, per_subject: Option<u32>) {
        let retention = match kept {
            Kept::Limits => theirs::stream::RetentionPolicy::Limits,
            Kept::Interest => theirs::stream::RetentionPolicy::Interest,
            Kept::WorkQueue => theirs::stream::RetentionPolicy::WorkQueue,
        };
        let config = theirs::stream::Config {
            name: name.to_owned(),
            subjects: vec![format!("{}.>", name.to_lowercase())],
            retention,
            max_messages_per_subject: per_subject.map_or(-1, i64::from),
            allow_rollup: true,
            storage: theirs::stream::StorageType::Memory,
            ..Default::default()
        };
        self.run(self.js.create_stream(config)).expect("a stream");
    }

    fn publish(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> Result<(u64, bool), u64> {
        let mut map = async_nats::HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        let (subject, payload) = (subject.to_owned(), payload.to_owned());
        // The client knows some refusals by kind alone; the numbers are in the answer.
        let ack = self.run(async {
            let inbox = self.js.publish_with_headers(subject, map, payload.into()).await.expect("it is sent");
            inbox.await
        });
        ack.map(|ack| (ack.sequence, ack.duplicate)).map_err(|error| match error.kind() {
            theirs::context::PublishErrorKind::WrongLastSequence => 10_071,
            theirs::context::PublishErrorKind::StreamNotFound => 0,
            theirs::context::PublishErrorKind::WrongLastMessageId => 10_070,
            other => panic!("{other}: {error}"),
        })
    }

    fn get(&self, stream: &str, seq: u64) -> Option<(String, String)> {
        let message =
            self.run(async { self.js.get_stream(stream).await.expect("a stream").get_raw_message(seq).await });
        let message = message.ok()?;
        Some((message.subject.to_string(), String::from_utf8_lossy(&message.payload).into_owned()))
    }

    fn state(&self, stream: &str) -> (u64, u64, u64) {
        let info = self.run(async { self.js.get_stream(stream).await.expect("a stream").get_info().await });
        let state = info.expect("its state").state;
        (state.messages, state.first_sequence, state.last_sequence)
    }

    fn purge(&self, stream: &str, filter: &str) -> u64 {
        let purged =
            self.run(async { self.js.get_stream(stream).await.expect("a stream").purge().filter(filter).await });
        purged.expect("it is purged").purged
    }

    fn delete_message(&self, stream: &str, seq: u64) {
        let gone = self.run(async { self.js.get_stream(stream).await.expect("a stream").delete_message(seq).await });
        assert!(gone.expect("it is deleted"));
    }

    fn create_consumer(&self, stream: &str, name: &str, filter: &str, max_deliver: Option<u32>) {
        let config = theirs::consumer::pull::Config {
            durable_name: Some(name.to_owned()),
            filter_subject: filter.to_owned(),
            max_deliver: max_deliver.map_or(-1, i64::from),
            ..Default::default()
        };
        let made =
            self.run(async { self.js.get_stream(stream).await.expect("a stream").create_consumer(config).await });
        made.expect("a consumer");
    }

    fn fetch(&self, stream: &str, consumer: &str, count: usize, fates: &[Fate]) -> Vec<Fetched> {
        self.run(async {
            let consumer = self.pull(stream, consumer).await;
            let batch = consumer.fetch().max_messages(count).messages().await.expect("a request");
            let messages: Vec<_> = batch.try_collect().await.expect("messages");
            for (message, fate) in messages.iter().zip(fates) {
                let kind = match fate {
                    Fate::Acked => theirs::AckKind::Ack,
                    Fate::Refused => theirs::AckKind::Nak(None),
                    Fate::Ended => theirs::AckKind::Term,
                    Fate::Open => continue,
                };
                message.double_ack_with(kind).await.expect("a confirmation");
            }
            let shown = |message: &theirs::Message| {
                let info = message.info().expect("a delivery");
                let payload = String::from_utf8_lossy(&message.payload).into_owned();
                (message.subject.to_string(), payload, info.stream_sequence, info.delivered as u64)
            };
            messages.iter().map(shown).collect()
        })
    }

    fn consumer(&self, stream: &str, name: &str) -> (u64, u64, u64) {
        let info = self.run(async { self.pull(stream, name).await.get_info().await.expect("its state") });
        (info.ack_floor.stream_sequence, info.num_ack_pending as u64, info.num_pending)
    }

    fn delete_consumer(&self, stream: &str, name: &str) {
        let gone = self.run(async { self.js.get_stream(stream).await.expect("a stream").delete_consumer(name).await });
        assert!(gone.expect("it is deleted").success);
    }

    fn delete_stream(&self, name: &str) -> bool {
        self.run(self.js.delete_stream(name)).is_ok()
    }

    fn stream_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.run(self.js.stream_names().try_collect()).expect("names");
        names.sort();
        names
    }
}

/// The context of a bus, with streams of its own or across a bridge.
pub(crate) struct InProcess<W> {
    js: JetStream,
    _way: W,
}

/// What leads to the streams.
pub(crate) trait Way: Sized {
    fn open(bus: &Bus) -> Self;
}

pub(crate) struct Own {
    _streams: JetStreamServer,
}

impl Way for Own {
    fn open(bus: &Bus) -> Self {
        Own { _streams: JetStreamServer::start(bus, JetStreamOptions::new()).expect("it starts") }
    }
}

pub(crate) struct Across {
    _bridge: Bridge,
    _real: Real,
}

impl Way for Across {
    fn open(bus: &Bus) -> Self {
        let real = Real::start(Setup::default());
        let builder = Bridge::builder(bus).server(format!("nats://{}", real.addr()));
        let bridge =
            builder.call("$JS.API.>").call("s.>").call("none.>").export("$JS.ACK.>").start().expect("it starts");
        assert!(bridge.connected(PATIENCE).wait());
        Across { _bridge: bridge, _real: real }
    }
}

impl<W: Way> System for InProcess<W> {
    fn start() -> Self {
        let bus = Bus::new();
        let way = W::open(&bus);
        InProcess { js: jetstream::with_options(bus.connect(), ContextOptions::new().timeout(PATIENCE)), _way: way }
    }

    fn create_stream(&self, name: &str, kept: Kept, per_subject: Option<u32>) {
        let retention = match kept {
            Kept::Limits => jetstream::Retention::Limits,
            Kept::Interest => jetstream::Retention::Interest,
            Kept::WorkQueue => jetstream::Retention::WorkQueue,
        };
        let config = StreamConfig::new(name).subjects([format!("{}.>", name.to_lowercase())]).retention(retention);
        let config = config.allow_rollup_hdrs(true).storage(jetstream::Storage::Memory);
        let config = match per_subject {
            Some(max) => config.max_msgs_per_subject(max.into()),
            None => config,
        };
        self.js.create_stream(config).wait().expect("a stream");
    }

    fn publish(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> Result<(u64, bool), u64> {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value).expect("a header"));
        let ack = self.js.publish_with(subject, payload, PublishOptions::new().headers(map)).wait();
        ack.map(|ack| (ack.sequence, ack.duplicate)).map_err(|error| match error.err_code() {
            Some(code) => code.into(),
            None if error.is_no_responders() => 0,
            None => panic!("{error}"),
        })
    }

    fn get(&self, stream: &str, seq: u64) -> Option<(String, String)> {
        let stream = self.js.get_stream(stream).wait().expect("a stream");
        let message = stream.get_message(seq).wait().ok()?;
        Some((message.subject.to_string(), String::from_utf8_lossy(&message.payload).into_owned()))
    }

    fn state(&self, stream: &str) -> (u64, u64, u64) {
        let state = self.js.get_stream(stream).wait().expect("a stream").cached_info().state;
        (state.messages, state.first_seq, state.last_seq)
    }

    fn purge(&self, stream: &str, filter: &str) -> u64 {
        let stream = self.js.get_stream(stream).wait().expect("a stream");
        stream.purge_with(Purge { filter: filter.to_owned(), ..Purge::default() }).wait().expect("it is purged")
    }

    fn delete_message(&self, stream: &str, seq: u64) {
        self.js.get_stream(stream).wait().expect("a stream").delete_message(seq).wait().expect("it is deleted");
    }

    fn create_consumer(&self, stream: &str, name: &str, filter: &str, max_deliver: Option<u32>) {
        let stream = self.js.get_stream(stream).wait().expect("a stream");
        let config = ConsumerConfig::pull(name).filter_subject(filter);
        let config = match max_deliver {
            Some(max) => config.max_deliver(max.into()),
            None => config,
        };
        stream.create_consumer(config).wait().expect("a consumer");
    }

    fn fetch(&self, stream: &str, consumer: &str, count: usize, fates: &[Fate]) -> Vec<Fetched> {
        let stream = self.js.get_stream(stream).wait().expect("a stream");
        let consumer = stream.get_consumer(consumer).wait().expect("a consumer");
        let messages: Vec<_> =
            consumer.fetch(count).messages().into_iter().map(|message| message.expect("a message")).collect();
        for (message, fate) in messages.iter().zip(fates) {
            let kind = match fate {
                Fate::Acked => AckKind::Ack,
                Fate::Refused => AckKind::Nak(None),
                Fate::Ended => AckKind::Term(None),
                Fate::Open => continue,
            };
            message.double_ack_with(&kind).wait().expect("a confirmation");
        }
        let shown = |message: &jetstream::JsMessage| {
            let info = message.info().expect("a delivery");
            let payload = message.payload_str().expect("a text").to_owned();
            (message.subject().to_string(), payload, info.stream_sequence, info.delivered)
        };
        messages.iter().map(shown).collect()
    }

    fn consumer(&self, stream: &str, name: &str) -> (u64, u64, u64) {
        let stream = self.js.get_stream(stream).wait().expect("a stream");
        let consumer = stream.get_consumer(name).wait().expect("a consumer");
        let info = consumer.cached_info();
        (info.ack_floor.stream, info.num_ack_pending, info.num_pending)
    }

    fn delete_consumer(&self, stream: &str, name: &str) {
        self.js.get_stream(stream).wait().expect("a stream").delete_consumer(name).wait().expect("it is deleted");
    }

    fn delete_stream(&self, name: &str) -> bool {
        self.js.delete_stream(name).wait().is_ok()
    }

    fn stream_names(&self) -> Vec<String> {
        self.js.stream_names().iter().map(|name| name.expect("a name")).collect()
    }
}

pub(crate) type OnABus = InProcess<Own>;
pub(crate) type AcrossABridge = InProcess<Across>;
pub(crate) type OnOurs = AsyncNats<Ours>;
pub(crate) type OnReal = AsyncNats<Real>;
