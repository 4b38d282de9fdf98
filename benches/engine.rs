//! `cargo bench -p postroom-benches --features jetstream --bench engine`: the stream engine alone, without a bus, at 1,000 and at 1,000,000
//! messages that each have a subject of their own.
//!
//! What a step costs must not grow with the size of the stream.

use criterion::{BatchSize, Criterion};
use postroom::Subject;
use postroom::jetstream::engine::config::{AccountLimits, Created, Directory, ServerLimits, StreamConfig};
use postroom::jetstream::engine::consumer::{Ack, AckSubject, ConsumerConfig, ConsumerRequest, PullRequest};
use postroom::jetstream::engine::{ConsumerId, Effect, Publish, Room, Stream, Timestamp};
use postroom::jetstream::{AckPolicy, Storage};
use std::hint::black_box;
use std::time::Duration;

/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000_000_000;

/// Messages of a batch that is measured at once, where a step changes the stream.
const STEPS: u64 = 1_000;

const PAYLOAD: &[u8] = &[b'x'; 128];

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(START + nanos)
}

/// Stream `S` of `s.>` in memory with what `set` changes, and so many messages, stored a microsecond apart.
fn stream(messages: u64, set: impl FnOnce(&mut StreamConfig)) -> Stream {
    let mut config = StreamConfig::new("S").subjects(["s.>"]).storage(Storage::Memory);
    set(&mut config);
    let (server, account) = (ServerLimits::default(), AccountLimits::default());
    let created = (Directory { streams: &[], server: &server, account: &account }).create(config, false);
    let Ok(Created::New(config)) = created else { panic!("the stream is not created") };
    let mut stream = Stream::new(*config, &server, at(0), 1);
    for number in 0..messages {
        append(&mut stream, number);
    }
    stream
}

fn append(stream: &mut Stream, number: u64) {
    let subject = Subject::new(format!("s.{}.{number}", number % 100)).expect("a subject");
    let publish = Publish { subject: &subject, reply: None, head: b"", payload: PAYLOAD };
    stream.handle_publish(at(number * 1_000), &publish, Room::UNLIMITED);
}

/// A pull consumer with explicit acknowledgements that has been given so many messages.
fn consumer(stream: &mut Stream, now: Timestamp, messages: u64) -> ConsumerId {
    let config = ConsumerConfig::pull("C").ack_policy(AckPolicy::Explicit);
    let request = ConsumerRequest { config, ..ConsumerRequest::default() };
    stream.create_consumer(now, request, &AccountLimits::default()).expect("a consumer");
    let id = stream.consumer_id("C").expect("it is there");
    let inbox = Subject::new("inbox").expect("a subject");
    let batch = i64::try_from(messages).expect("it is small");
    stream.handle_pull(now, id, &inbox, Ok(&PullRequest { batch, ..PullRequest::default() }));
    id
}

/// Takes all effects; returns how many were deliveries.
fn drain(stream: &mut Stream) -> u64 {
    let mut delivered = 0;
    while let Some(effect) = stream.poll_effect() {
        delivered += u64::from(matches!(effect, Effect::Deliver(_)));
    }
    delivered
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (size, messages) in [("1k", 1_000), ("1m", 1_000_000)] {
        let mut group = criterion.benchmark_group(size);
        let now = at(messages * 1_000);

        let mut kept = stream(messages, |config| config.max_msgs = i64::try_from(messages).expect("it is small"));
        let mut number = messages;
        group.bench_function("append", |bencher| {
            bencher.iter(|| {
                append(&mut kept, number);
                number += 1;
            });
        });

        let read = stream(messages, |_| {});
        let mut seq = 0;
        group.bench_function("get_by_sequence", |bencher| {
            bencher.iter(|| {
                seq = (seq + 7_919) % messages;
                black_box(read.messages().get(seq + 1).expect("it is there").payload());
            });
        });
        group.bench_function("last_by_subject", |bencher| {
            let subjects: Vec<_> = (0..1_000).map(|number| format!("s.{}.{number}", number % 100)).collect();
            let mut number = 0;
            bencher.iter(|| {
                number = (number + 1) % subjects.len();
                black_box(read.messages().last_by_subject(&subjects[number]).expect("it is there").payload());
            });
        });
        group.bench_function("pending_of_a_wildcard", |bencher| {
            bencher.iter(|| assert_eq!(read.messages().num_pending(&["s.3.>"], 1), messages / 100));
        });
        drop(read);

        group.bench_function("deliver_1000", |bencher| {
            bencher.iter_batched_ref(
                || stream(messages, |_| {}),
                |stream| {
                    consumer(stream, now, STEPS);
                    assert_eq!(drain(stream), STEPS);
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function("ack_1000", |bencher| {
            bencher.iter_batched_ref(
                || {
                    let mut stream = stream(messages, |_| {});
                    let id = consumer(&mut stream, now, STEPS);
                    drain(&mut stream);
                    (stream, id)
                },
                |(stream, id)| {
                    for seq in 1..=STEPS {
                        let subject = AckSubject {
                            stream: "S",
                            consumer: "C",
                            deliveries: 1,
                            stream_seq: seq,
                            consumer_seq: seq,
                        };
                        stream.handle_ack(now, *id, &subject, Ack::Ack, None);
                    }
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function("expire_1000", |bencher| {
            let age = Duration::from_secs(3_600);
            bencher.iter_batched_ref(
                || stream(messages, |config| config.max_age = i64::try_from(age.as_nanos()).expect("it is small")),
                |stream| {
                    // The first thousand were stored within a millisecond.
                    let due = at((STEPS - 1) * 1_000 + u64::try_from(age.as_nanos()).expect("it is small"));
                    while stream.poll_timeout().is_some_and(|next| next <= due) {
                        stream.handle_timeout(due);
                    }
                    assert_eq!(stream.state().messages, messages - STEPS);
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
    criterion.final_summary();
}
