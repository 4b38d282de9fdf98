//! Calls on streams and their messages.

use crate::support::{run, setup};
use futures_util::TryStreamExt;
use postroom::jetstream::{Discard, Purge, Retention, Storage, StreamConfig};
use postroom::{HeaderMap, Message};
use std::time::Duration;

/// JS33: all that a builder sets comes back as it went.
#[test]
fn a_configuration_goes_there_and_comes_back() {
    let setup = setup();
    let config = StreamConfig::new("ORDERS")
        .description("orders <of> \"customers\" & others")
        .subjects(["orders.>", "returns.*"])
        .retention(Retention::Interest)
        .discard(Discard::New)
        .storage(Storage::Memory)
        .max_msgs(1_000)
        .max_bytes(1 << 20)
        .max_age(Duration::from_secs(3_600))
        .max_msgs_per_subject(5)
        .max_msg_size(4_096)
        .duplicate_window(Duration::from_secs(10))
        .allow_direct(true)
        .allow_msg_ttl(true)
        .metadata("team", "shop");
    let stream = setup.js.create_stream(config.clone()).wait().unwrap();
    let mut shown = stream.cached_info().config.clone();
    // The server's own keys.
    shown.metadata.retain(|key, _| !key.starts_with("_nats."));
    assert_eq!(shown, config);
    assert_eq!(stream.cached_info().state.first_time, None);
    assert_eq!(stream.info().wait().unwrap().config, run(stream.info()).unwrap().config);

    let changed = setup.js.update_stream(shown.max_msgs(2_000)).wait().unwrap();
    assert_eq!((changed.config.max_msgs, changed.config.max_msgs_per_subject), (2_000, 5));
}

/// JS18: the same again is no error, something else is.
#[test]
fn streams_are_created_found_and_deleted_by_threads_and_tasks() {
    let setup = setup();
    let js = &setup.js;
    let config = StreamConfig::new("A").subjects(["a"]);
    js.create_stream(config.clone()).wait().unwrap();
    run(js.create_stream(config.clone())).unwrap();
    assert!(run(js.create_stream(config.clone().max_msgs(1))).unwrap_err().is_already_exists());
    assert!(js.create_stream(StreamConfig::new("B").subjects(["*"])).wait().unwrap_err().is_subject_overlap());

    let found = js.get_or_create_stream(config.clone().max_msgs(1)).wait().unwrap();
    assert_eq!(found.cached_info().config.max_msgs, -1);
    assert_eq!(run(js.get_or_create_stream(StreamConfig::new("B"))).unwrap().name(), "B");
    assert_eq!(js.get_stream("B").wait().unwrap().cached_info().config.subjects, ["B"]);

    js.delete_stream("B").wait().unwrap();
    assert!(run(js.delete_stream("B")).unwrap_err().is_not_found());
    assert!(found.info().wait().is_ok());
    run(js.delete_stream("A")).unwrap();
    assert!(found.info().wait().unwrap_err().is_not_found());
    assert!(js.update_stream(config).wait().unwrap_err().is_not_found());
}

/// JS25: a page has at most 1,024 names or 256 streams.
#[test]
fn lists_come_page_by_page_to_threads_and_tasks() {
    let setup = setup();
    let names: Vec<String> = (0..1_030).map(|n| format!("S{n:04}")).collect();
    for name in &names {
        setup.js.create_stream(StreamConfig::new(name).storage(Storage::Memory)).wait().unwrap();
    }
    assert_eq!(setup.js.stream_names().into_iter().collect::<Result<Vec<_>, _>>().unwrap(), names);
    assert_eq!(run(setup.js.stream_names().try_collect::<Vec<_>>()).unwrap(), names);
    let listed: Vec<String> = setup.js.streams().into_iter().map(|info| info.unwrap().config.name).collect();
    assert_eq!(listed, names);
    assert_eq!(run(setup.js.streams().try_collect::<Vec<_>>()).unwrap().len(), names.len());
    let one: Vec<_> = setup.js.stream_names_by_subject("S0007").into_iter().map(Result::unwrap).collect();
    assert_eq!(one, ["S0007"]);
    assert_eq!(setup.js.account_info().wait().unwrap().streams, 1_030);
}

#[test]
fn stored_messages_are_read_deleted_and_purged() {
    let setup = setup();
    let config = StreamConfig::new("S").subjects(["s.*"]).allow_direct(true);
    let stream = setup.js.create_stream(config).wait().unwrap();
    let mut headers = HeaderMap::new();
    headers.append("Color", "red").unwrap();
    headers.append("Color", "green").unwrap();
    // A header of the message's own with a name that the server adds as well.
    headers.append("Nats-Subject", "elsewhere").unwrap();
    let message = Message::new("s.1", &b"\x00\xff"[..]).unwrap().with_headers(headers.clone());
    setup.bus.connect().publish_message(&message).unwrap();
    setup.clock.advance(Duration::from_secs(1));
    setup.js.publish("s.2", "").wait().unwrap();
    setup.js.publish("s.1", "c").wait().unwrap();

    let first = stream.get_message(1).wait().unwrap();
    assert_eq!((first.subject.as_str(), first.sequence, &first.payload[..]), ("s.1", 1, &b"\x00\xff"[..]));
    assert_eq!(first.headers, headers);
    assert_eq!(stream.direct_get(1).wait().unwrap(), first);
    let second = run(stream.direct_get(2)).unwrap();
    assert_eq!(second, run(stream.get_message(2)).unwrap());
    assert_eq!(second.time.since(first.time), Duration::from_secs(1));
    assert_eq!(stream.get_last_message("s.1").wait().unwrap().sequence, 3);
    assert_eq!(stream.direct_get_last("s.1").wait().unwrap().sequence, 3);
    assert_eq!(stream.get_next_message("s.1", 2).wait().unwrap().sequence, 3);
    let info = stream.info_with_subjects("s.*").wait().unwrap();
    assert_eq!(info.subjects, [("s.1".to_owned(), 2), ("s.2".to_owned(), 1)]);
    assert_eq!((info.state.messages, info.state.num_subjects, info.state.last_time.is_some()), (3, 2, true));

    assert!(stream.get_message(9).wait().unwrap_err().is_not_found());
    assert!(stream.direct_get(9).wait().unwrap_err().is_not_found());
    assert!(run(stream.direct_get_last("s.9")).unwrap_err().is_not_found());
    run(stream.delete_message(2)).unwrap();
    assert!(stream.delete_message(2).wait().unwrap_err().is_not_found());
    let purge = Purge { filter: "s.1".to_owned(), keep: 1, ..Purge::default() };
    assert_eq!(run(stream.purge_with(purge)).unwrap(), 1);
    assert_eq!(stream.purge().wait().unwrap(), 1);
    assert_eq!(stream.info().wait().unwrap().state.messages, 0);
}
