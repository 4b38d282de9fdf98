//! async-nats on the real server and on ours: the same body.

use super::places::{Ours, Place, Real};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, ErrorCode, stream};
use futures_util::TryStreamExt;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a body on both servers.
fn on_both(body: impl AsyncFn(Context)) {
    fn run<P: Place>(body: &impl AsyncFn(Context)) {
        let place = P::start("");
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
