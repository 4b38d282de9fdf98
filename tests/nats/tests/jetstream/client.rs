//! async-nats on the real server and on ours: the same body.

use super::places::{Ours, Place, Real, Setup};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, ErrorCode, consumer, stream};
use futures_util::TryStreamExt;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a body on both servers.
fn on_both(body: impl AsyncFn(Context)) {
    fn run<P: Place>(body: &impl AsyncFn(Context)) {
        let place = P::start(Setup::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = async_nats::connect(place.addr()).await.expect("a connection");
            tokio::time::timeout(PATIENCE, body(jetstream::new(client))).await.expect("it ends in time");
        });
    }
    run::<Real>(&body);
    run::<Ours>(&body);
}

fn config(name: &str, subject: &str) -> stream::Config {
    stream::Config { name: name.to_owned(), subjects: vec![subject.to_owned()], ..stream::Config::default() }
}

/// JS17, JS18, JS22, JS26, JS43.
#[test]
fn a_stream_is_made_filled_read_and_deleted() {
    on_both(async |js| {
        let mut orders = js.create_stream(config("ORDERS", "orders.>")).await.unwrap();
        let ack = js.publish("orders.eu", "hello".into()).await.unwrap().await.unwrap();
        assert_eq!((ack.stream.as_str(), ack.sequence, ack.duplicate), ("ORDERS", 1, false));
        let message = orders.get_raw_message(1).await.unwrap();
        assert_eq!((message.subject.as_str(), &message.payload[..]), ("orders.eu", &b"hello"[..]));
        let info = orders.info().await.unwrap();
        assert_eq!((info.state.messages, info.state.first_sequence, info.state.last_sequence), (1, 1, 1));
        assert_eq!(info.config.subjects, ["orders.>"]);
        // The same once more is the same stream; another configuration is refused.
        js.create_stream(config("ORDERS", "orders.>")).await.unwrap();
        let refused = js.create_stream(config("ORDERS", "others")).await.unwrap_err();
        assert!(refused.to_string().contains("10058"), "{refused}");
        assert!(js.delete_stream("ORDERS").await.unwrap().success);
        let gone = js.publish("orders.eu", "hello".into()).await.unwrap().await.unwrap_err();
        assert_eq!(gone.kind(), jetstream::context::PublishErrorKind::StreamNotFound);
    });
}

/// JS45, JS48.
#[test]
fn duplicates_and_expectations() {
    on_both(async |js| {
        js.create_stream(config("S", "s.*")).await.unwrap();
        let publish = async |subject: &'static str, header: &str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header, value);
            js.publish_with_headers(subject, headers, "x".into()).await.unwrap().await
        };
        assert_eq!(publish("s.1", "Nats-Msg-Id", "one").await.unwrap().sequence, 1);
        let again = publish("s.1", "Nats-Msg-Id", "one").await.unwrap();
        assert_eq!((again.sequence, again.duplicate), (1, true));
        let wrong = publish("s.1", "Nats-Expected-Last-Sequence", "7").await.unwrap_err();
        assert_eq!(wrong.kind(), jetstream::context::PublishErrorKind::WrongLastSequence);
        assert_eq!(publish("s.2", "Nats-Expected-Last-Subject-Sequence", "0").await.unwrap().sequence, 2);
    });
}

/// JS25, JS27, JS29, JS80 to JS82.
#[test]
fn lists_purges_deletions_and_direct_reads() {
    on_both(async |js| {
        for number in 0..3 {
            let name = format!("S{number}");
            js.create_stream(stream::Config { allow_direct: true, ..config(&name, &format!("s{number}.>")) })
                .await
                .unwrap();
        }
        let mut names: Vec<String> = js.stream_names().try_collect().await.unwrap();
        // The client hands out each page from its end.
        names.sort();
        assert_eq!(names, ["S0", "S1", "S2"]);
        let infos: Vec<stream::Info> = js.streams().try_collect().await.unwrap();
        assert_eq!(infos.len(), 3);
        assert_eq!(js.stream_by_subject("s1.x").await.unwrap(), "S1");

        let stream = js.get_stream("S0").await.unwrap();
        for number in 0..10 {
            js.publish(format!("s0.{}", number % 2), format!("{number}").into()).await.unwrap().await.unwrap();
        }
        assert_eq!(&stream.direct_get(3).await.unwrap().payload[..], b"2");
        assert_eq!(&stream.direct_get_last_for_subject("s0.1").await.unwrap().payload[..], b"9");
        assert_eq!(&stream.direct_get_first_for_subject("s0.1").await.unwrap().payload[..], b"1");
        assert!(stream.direct_get(99).await.is_err());
        assert!(stream.delete_message(3).await.unwrap());
        assert!(stream.direct_get(3).await.is_err());
        assert_eq!(stream.purge().filter("s0.1").await.unwrap().purged, 5);
        assert_eq!(stream.purge().keep(1).await.unwrap().purged, 3);
        assert_eq!(stream.get_info().await.unwrap().state.messages, 1);
        let missing = js.get_stream("NONE").await.unwrap_err();
        let code = match missing.kind() {
            jetstream::context::GetStreamErrorKind::JetStream(error) => error.error_code(),
            other => panic!("{other}"),
        };
        assert_eq!(code, ErrorCode::STREAM_NOT_FOUND);
        let account = js.query_account().await.unwrap();
        assert_eq!(account.streams, 3);
    });
}

/// JC60, JC90, JC110: a worker that pulls; what it refuses comes again, what it acknowledges is gone from a work queue.
#[test]
fn a_worker_pulls_and_acknowledges() {
    on_both(async |js| {
        let config = stream::Config { retention: stream::RetentionPolicy::WorkQueue, ..config("JOBS", "jobs.*") };
        let mut stream = js.create_stream(config).await.unwrap();
        for number in 0..5 {
            js.publish(format!("jobs.{number}"), format!("{number}").into()).await.unwrap().await.unwrap();
        }
        let pull = consumer::pull::Config { durable_name: Some("worker".to_owned()), ..Default::default() };
        let mut worker = stream.create_consumer(pull).await.unwrap();
        let first: Vec<_> = worker.fetch().max_messages(2).messages().await.unwrap().try_collect().await.unwrap();
        assert_eq!(first.iter().map(|message| &message.payload[..]).collect::<Vec<_>>(), [b"0", b"1"]);
        first[0].double_ack().await.unwrap();
        first[1].double_ack_with(jetstream::AckKind::Nak(None)).await.unwrap();
        let mut seen = Vec::new();
        let mut messages = worker.messages().await.unwrap();
        while seen.len() < 4 {
            let message = messages.try_next().await.unwrap().unwrap();
            let info = message.info().unwrap();
            seen.push((info.stream_sequence, info.delivered));
            message.double_ack().await.unwrap();
        }
        assert_eq!(seen, [(2, 2), (3, 1), (4, 1), (5, 1)]);
        let info = worker.info().await.unwrap();
        assert_eq!((info.num_ack_pending, info.num_pending, info.ack_floor.stream_sequence), (0, 0, 5));
        assert_eq!(stream.info().await.unwrap().state.messages, 0);
    });
}

/// JC120, JC200: push, and an ordered consumer.
#[test]
fn messages_are_pushed() {
    on_both(async |js| {
        let stream = js.create_stream(config("S", "s.*")).await.unwrap();
        for number in 0..3 {
            js.publish(format!("s.{number}"), format!("{number}").into()).await.unwrap().await.unwrap();
        }
        let push = consumer::push::Config { deliver_subject: "pushed".to_owned(), ..Default::default() };
        let pushed = stream.create_consumer(push).await.unwrap();
        let mut messages = pushed.messages().await.unwrap();
        for number in 0..3 {
            let message = messages.try_next().await.unwrap().unwrap();
            assert_eq!(message.info().unwrap().stream_sequence, number + 1);
            message.ack().await.unwrap();
        }
        let ordered = consumer::push::OrderedConfig { deliver_subject: "ordered".to_owned(), ..Default::default() };
        let ordered = stream.create_consumer(ordered).await.unwrap();
        let mut messages = ordered.messages().await.unwrap();
        js.publish("s.3", "3".into()).await.unwrap().await.unwrap();
        for number in 0..4 {
            let message = messages.try_next().await.unwrap().unwrap();
            assert_eq!(message.info().unwrap().stream_sequence, number + 1);
        }
    });
}

/// JK: key-value, as the client builds it on streams.
#[test]
fn keys_and_values() {
    on_both(async |js| {
        let config = jetstream::kv::Config { bucket: "b".to_owned(), history: 3, ..Default::default() };
        let store = js.create_key_value(config).await.unwrap();
        assert_eq!(store.put("theme", "dark".into()).await.unwrap(), 1);
        assert_eq!(store.get("theme").await.unwrap().as_deref(), Some(&b"dark"[..]));
        assert_eq!(store.update("theme", "light".into(), 1).await.unwrap(), 2);
        let wrong = store.update("theme", "none".into(), 1).await.unwrap_err();
        assert_eq!(wrong.kind(), jetstream::kv::UpdateErrorKind::WrongLastRevision);
        assert!(store.create("theme", "x".into()).await.is_err());
        store.put("other", "x".into()).await.unwrap();
        let mut keys: Vec<String> = store.keys().await.unwrap().try_collect().await.unwrap();
        keys.sort();
        assert_eq!(keys, ["other", "theme"]);
        let mut watch = store.watch_all().await.unwrap();
        store.delete("other").await.unwrap();
        let change = watch.try_next().await.unwrap().unwrap();
        assert_eq!((change.key.as_str(), change.operation), ("other", jetstream::kv::Operation::Delete));
        let history: Vec<_> = store.history("theme").await.unwrap().try_collect().await.unwrap();
        assert_eq!(history.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(store.get("other").await.unwrap(), None);
        js.delete_key_value("b").await.unwrap();
    });
}
