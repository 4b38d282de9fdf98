//! Pauses, resets, pins; and consumers in order that are pulled from.

use crate::support::{run, setup};
use postroom::jetstream::context::{AckKind, MessagesOptions};
use postroom::jetstream::engine::consumer::PriorityPolicy;
use postroom::jetstream::{ConsumerConfig, StreamConfig, Timestamp};
use std::time::{Duration, UNIX_EPOCH};

const SECOND: Duration = Duration::from_secs(1);

/// JC160: nothing is delivered during a pause.
#[test]
fn a_consumer_is_paused_and_resumed() {
    let setup = setup();
    let stream = setup.stream("S", "s.*");
    let consumer = stream.create_consumer(ConsumerConfig::pull("c")).wait().unwrap();
    setup.js.publish("s.1", "").wait().unwrap();
    let since_epoch = setup.bus.clock().wall_time().duration_since(UNIX_EPOCH).unwrap();
    let until = Timestamp::from_nanos(0).after(since_epoch + SECOND * 60);
    let paused = consumer.pause(until).wait().unwrap();
    assert_eq!((paused.is_paused, paused.until, paused.remaining), (true, Some(until), Some(SECOND * 60)));
    assert_eq!(consumer.fetch(1).messages().into_iter().count(), 0);
    assert!(!run(consumer.resume()).unwrap().is_paused);
    assert_eq!(consumer.fetch(1).messages().into_iter().count(), 1);
    stream.delete_consumer("c").wait().unwrap();
    assert!(consumer.pause(until).wait().unwrap_err().is_not_found());
}

/// JC165: a reset goes back to a sequence, or behind the acknowledgements.
#[test]
fn a_consumer_is_reset() {
    let setup = setup();
    let stream = setup.stream("S", "s.*");
    let consumer = stream.create_consumer(ConsumerConfig::pull("c")).wait().unwrap();
    for _ in 0..3 {
        setup.js.publish("s.1", "").wait().unwrap();
    }
    let take = |count| -> Vec<_> { consumer.fetch(count).messages().into_iter().map(Result::unwrap).collect() };
    take(3)[0].double_ack_with(&AckKind::Ack).wait().unwrap();
    assert_eq!(consumer.reset(None).wait().unwrap().num_pending, 2);
    assert_eq!(take(3).len(), 2);
    assert_eq!(run(consumer.reset(Some(1))).unwrap().num_pending, 3);
    let last = ConsumerConfig::pull("last").deliver_policy(postroom::jetstream::DeliverPolicy::Last);
    let last = stream.create_consumer(last).wait().unwrap();
    assert!(last.reset(Some(1)).wait().unwrap_err().is_invalid_reset());
}

/// JC176 to JC180: the client that got the pin keeps it over several requests, and loses it when it is asked for.
#[test]
fn a_pin_is_carried_and_ended() {
    let setup = setup();
    let stream = setup.stream("S", "s.*");
    let config = ConsumerConfig::pull("c")
        .priority_groups(["jobs"])
        .priority_policy(PriorityPolicy::PinnedClient)
        .priority_timeout(SECOND * 60);
    let consumer = stream.create_consumer(config).wait().unwrap();
    let options = || MessagesOptions::new().group("jobs").batch(2);
    let mut first = consumer.messages_with(options()).unwrap();
    let mut second = consumer.messages_with(options()).unwrap();
    for _ in 0..6 {
        setup.js.publish("s.1", "").wait().unwrap();
    }
    for expected in 1..=6 {
        let message = first.recv().unwrap().unwrap();
        assert_eq!(message.info().unwrap().stream_sequence, expected);
        message.ack().unwrap();
    }
    assert!(consumer.unpin("other").wait().unwrap_err().is_invalid_group());
    run(consumer.unpin("jobs")).unwrap();
    setup.js.publish("s.1", "").wait().unwrap();
    assert_eq!(second.recv().unwrap().unwrap().info().unwrap().stream_sequence, 7);
}

/// JC200, JC201: pulled, in order, each once, also when the consumer is deleted under the reader; over with the stream.
#[test]
fn an_ordered_pull_consumer_heals() {
    let setup = setup();
    let stream = setup.stream("S", "s.*");
    for _ in 0..3 {
        setup.js.publish("s.1", "").wait().unwrap();
    }
    let mut lines = stream.ordered_pull(ConsumerConfig::ephemeral()).unwrap();
    let mut next = || lines.recv().unwrap().map(|message| message.info().unwrap().stream_sequence);
    assert_eq!((next(), next()), (Ok(1), Ok(2)));
    let name = stream.consumer_names().recv().unwrap().unwrap();
    stream.delete_consumer(&name).wait().unwrap();
    setup.js.publish("s.1", "").wait().unwrap();
    assert_eq!((next(), next()), (Ok(3), Ok(4)));
    let names: Vec<String> = stream.consumer_names().into_iter().map(Result::unwrap).collect();
    assert!(names.len() == 1 && names[0] != name, "{names:?}");
    setup.js.delete_stream("S").wait().unwrap();
    assert!(next().is_err());
    assert!(lines.recv().is_none());
}

/// JC10: what is there is taken as it is.
#[test]
fn consumers_and_streams_are_got_or_made() {
    let setup = setup();
    let js = &setup.js;
    let stream = js.create_or_update_stream(StreamConfig::new("S").subjects(["s.*"])).wait().unwrap();
    let stream_again = run(js.create_or_update_stream(StreamConfig::new("S").subjects(["s.*"]).max_msgs(5))).unwrap();
    assert_eq!((stream.cached_info().config.max_msgs, stream_again.cached_info().config.max_msgs), (-1, 5));
    assert_eq!(js.stream_by_subject("s.1").wait().unwrap(), "S");
    assert!(js.stream_by_subject("t").wait().unwrap_err().is_not_found());

    let made = stream.get_or_create_consumer(ConsumerConfig::pull("c").max_deliver(3)).wait().unwrap();
    let found = run(stream.get_or_create_consumer(ConsumerConfig::pull("c").max_deliver(4))).unwrap();
    assert_eq!((made.cached_info().config.max_deliver, found.cached_info().config.max_deliver), (3, 3));
}
