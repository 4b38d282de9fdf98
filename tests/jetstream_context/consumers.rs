//! Consumers: calls on them, batches, acknowledgements.

use crate::support::{Setup, run, setup};
use futures_util::{StreamExt, TryStreamExt};
use postroom::jetstream::{AckPolicy, Consumer, ConsumerConfig, DeliverPolicy, JsMessage, MessagesError, Stream};
use std::time::Duration;

const SEC: Duration = Duration::from_secs(1);

/// A stream `S` of `s.>` with messages `0`, `1` …, and a consumer.
fn filled(setup: &Setup, messages: usize, config: ConsumerConfig) -> (Stream, Consumer) {
    let stream = setup.stream("S", "s.>");
    for n in 0..messages {
        setup.js.publish(format!("s.{n}"), n.to_string()).wait().unwrap();
    }
    let consumer = stream.create_consumer(config).wait().unwrap();
    (stream, consumer)
}

fn payloads(messages: &[JsMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.payload_str().unwrap()).collect()
}

/// JC8 to JC14.
#[test]
fn consumers_are_created_found_listed_and_deleted_by_threads_and_tasks() {
    let setup = setup();
    let config = ConsumerConfig::pull("c")
        .description("a <worker>")
        .filter_subject("s.*")
        .ack_wait(SEC)
        .max_deliver(3)
        .backoff([SEC, SEC * 2])
        .max_ack_pending(5)
        .metadata("team", "shop");
    let (stream, consumer) = filled(&setup, 3, config.clone());
    let mut shown = consumer.cached_info().config.clone();
    shown.metadata.retain(|key, _| !key.starts_with("_nats."));
    let expected = ConsumerConfig { name: "c".to_owned(), max_waiting: 512, ..config.clone() };
    assert_eq!(shown, expected);
    assert_eq!((consumer.name(), consumer.stream_name()), ("c", "S"));
    assert_eq!(consumer.cached_info().num_pending, 3);

    assert!(run(stream.create_consumer_strict(config.clone())).is_ok());
    let other = config.clone().max_deliver(4);
    assert!(run(stream.create_consumer_strict(other.clone())).unwrap_err().is_already_exists());
    assert_eq!(stream.update_consumer(other).wait().unwrap().cached_info().config.max_deliver, 4);
    assert!(stream.update_consumer(ConsumerConfig::pull("d")).wait().unwrap_err().is_not_found());
    let unnamed = run(stream.create_consumer(ConsumerConfig::ephemeral())).unwrap();
    assert_eq!(unnamed.name().len(), 8);

    let mut names = vec!["c".to_owned(), unnamed.name().to_owned()];
    names.sort();
    assert_eq!(stream.consumer_names().into_iter().map(Result::unwrap).collect::<Vec<_>>(), names);
    let infos = run(stream.consumers().try_collect::<Vec<_>>()).unwrap();
    assert_eq!(infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(run(stream.get_consumer("c")).unwrap().cached_info().config.max_deliver, 4);
    stream.delete_consumer("c").wait().unwrap();
    assert!(run(stream.delete_consumer("c")).unwrap_err().is_not_found());
    assert!(consumer.info().wait().unwrap_err().is_not_found());
    assert!(stream.get_consumer("a.b").wait().unwrap_err().api().is_none());
}

/// JC72, JC80, JC81, JC202.
#[test]
fn a_fetch_takes_what_is_there() {
    let setup = setup();
    let (_, consumer) = filled(&setup, 5, ConsumerConfig::pull("c"));
    let first: Vec<_> = consumer.fetch(2).messages().into_iter().map(Result::unwrap).collect();
    assert_eq!(payloads(&first), ["0", "1"]);
    assert_eq!(first[1].subject(), "s.1");
    let info = first[1].info().unwrap();
    assert_eq!((info.stream, info.consumer, info.delivered), ("S", "c", 1));
    assert_eq!((info.stream_sequence, info.consumer_sequence, info.pending), (2, 2, 3));

    let rest = run(consumer.fetch(10).messages().try_collect::<Vec<_>>()).unwrap();
    assert_eq!(payloads(&rest), ["2", "3", "4"]);
    assert_eq!(consumer.fetch(10).messages().into_iter().count(), 0);
    assert_eq!(run(consumer.fetch(10).messages().count()), 0);

    for message in first.iter().chain(&rest) {
        message.ack().unwrap();
    }
    assert_eq!(consumer.info().wait().unwrap().num_ack_pending, 0);
}

/// JC90 to JC96, JC110 to JC112.
#[test]
fn messages_are_acknowledged_in_every_way() {
    let setup = setup();
    let (_, consumer) = filled(&setup, 5, ConsumerConfig::pull("c").ack_wait(SEC * 10));
    let take = || consumer.fetch(9).messages().into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let all = take();
    all[0].ack().unwrap();
    all[1].nak().unwrap();
    all[2].nak_with_delay(SEC * 2).unwrap();
    all[3].term_with("no use").unwrap();
    run(all[4].double_ack()).unwrap();
    all[4].double_ack().wait().unwrap();
    assert_eq!(consumer.info().wait().unwrap().num_ack_pending, 2);

    let again = take();
    assert_eq!((payloads(&again), again[0].info().unwrap().delivered), (vec!["1"], 2));
    setup.clock.advance(SEC * 2);
    assert_eq!(payloads(&take()), ["2"]);
    // Nine seconds after its delivery the message gets ten more.
    setup.clock.advance(SEC * 7);
    again[0].progress().unwrap();
    setup.clock.advance(SEC * 4);
    assert_eq!(payloads(&take()), ["2"]);
    setup.clock.advance(SEC * 6);
    assert_eq!(payloads(&take()), ["1"]);
    again[0].term().unwrap();
}

/// JC73: a request that waits is ended by the server's clock, for threads and for tasks.
#[test]
fn a_batch_waits_for_messages_and_ends_when_its_time_is_up() {
    let setup = setup();
    let (stream, consumer) = filled(&setup, 1, ConsumerConfig::pull("c"));
    let mut batch = consumer.fetch(3).expires(SEC * 30).heartbeat(SEC * 5).messages();
    let first = batch.recv().unwrap().unwrap();
    assert_eq!(first.payload(), b"0");
    first.ack().unwrap();
    setup.clock.advance(SEC * 20);
    setup.js.publish("s.1", "1").wait().unwrap();
    assert_eq!(batch.recv().unwrap().unwrap().payload(), b"1");
    setup.clock.advance(SEC * 10);
    let end = batch.recv();
    assert!(end.is_none(), "{end:?}");
    assert!(batch.recv().is_none());

    let next = consumer.next();
    setup.js.publish("s.2", "2").wait().unwrap();
    assert_eq!(run(next).unwrap().unwrap().payload(), b"2");
    let next = consumer.next();
    setup.clock.advance(SEC * 2);
    assert!(next.wait().unwrap().is_none());

    // A thread that waits already.
    let timers = setup.clock.timers();
    let waiting = consumer.clone();
    let thread = std::thread::spawn(move || waiting.next().wait());
    setup.clock.wait_for_timers(timers + 1);
    setup.js.publish("s.3", "3").wait().unwrap();
    assert_eq!(thread.join().unwrap().unwrap().unwrap().payload(), b"3");
    assert_eq!(stream.info().wait().unwrap().state.messages, 4);
}

/// JC2, JC65, JC71, JC76, JC203.
#[test]
fn refused_and_ended_requests_are_errors() {
    let setup = setup();
    let (stream, consumer) = filled(&setup, 1, ConsumerConfig::pull("c").max_batch(5));
    let error = consumer.fetch(6).messages().recv().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "409 Exceeded MaxRequestBatch of 5");
    let error = consumer.fetch(1).heartbeat(SEC).messages().recv().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "400 Bad Request - heartbeat value too large");
    let error = consumer.fetch(1).max_bytes(1).messages().recv().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "409 Message Size Exceeds MaxBytes");
    assert_eq!(consumer.fetch(5).max_bytes(1_000).messages().into_iter().count(), 1);

    let mut batch = consumer.fetch(5).expires(SEC).messages();
    stream.delete_consumer("c").wait().unwrap();
    let error = batch.recv().unwrap().unwrap_err();
    assert!(error.is_consumer_gone(), "{error}");
    assert!(batch.recv().is_none());
    let error = run(consumer.fetch(1).messages().next()).unwrap().unwrap_err();
    assert_eq!(error, MessagesError::NoResponders);
    assert!(run(consumer.next()).unwrap_err().is_consumer_gone());
}

/// With all of `max_ack_pending` on its way the server says nothing; the context ends the batch.
#[test]
fn a_batch_that_the_server_does_not_end_ends_by_itself() {
    let setup = setup();
    let (_, consumer) = filled(&setup, 2, ConsumerConfig::pull("c").max_ack_pending(1));
    assert_eq!(consumer.fetch(1).messages().into_iter().count(), 1);
    let mut batch = consumer.fetch(1).messages();
    setup.clock.advance(SEC * 2);
    assert!(batch.recv().unwrap().unwrap_err().is_timeout());
    assert!(batch.recv().is_none());
}

/// JC77: what an abandoned batch did not take comes to the next one.
#[test]
fn a_batch_that_is_dropped_loses_nothing() {
    let setup = setup();
    let (_, consumer) = filled(&setup, 3, ConsumerConfig::pull("c").ack_wait(SEC));
    let mut batch = consumer.fetch(3).messages();
    batch.recv().unwrap().unwrap().ack().unwrap();
    drop(batch);
    setup.clock.advance(SEC);
    let rest: Vec<_> = consumer.fetch(3).messages().into_iter().map(Result::unwrap).collect();
    assert_eq!(payloads(&rest), ["1", "2"]);
}

#[test]
fn starts_and_policies_are_passed_on() {
    let setup = setup();
    let (stream, _) = filled(&setup, 4, ConsumerConfig::pull("c"));
    let of = |config: ConsumerConfig| {
        let consumer = stream.create_consumer(config).wait().unwrap();
        let first = consumer.fetch(1).messages().recv().unwrap().unwrap();
        first.info().unwrap().stream_sequence
    };
    assert_eq!(of(ConsumerConfig::ephemeral().start_sequence(3)), 3);
    assert_eq!(of(ConsumerConfig::ephemeral().deliver_policy(DeliverPolicy::Last)), 4);
    assert_eq!(of(ConsumerConfig::ephemeral().filter_subjects(["s.1", "s.2"])), 2);
    assert_eq!(of(ConsumerConfig::ephemeral().ack_policy(AckPolicy::None)), 1);
}
