//! Messages without end: pulled ahead, pushed, in order.

use crate::support::{run, setup};
use futures_util::{StreamExt, TryStreamExt};
use postroom::jetstream::{AckPolicy, ConsumerConfig, MessagesError, MessagesOptions, Purge};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

const SEC: Duration = Duration::from_secs(1);

#[test]
fn pulled_messages_come_without_end_to_threads_and_tasks() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    let consumer = stream.create_consumer(ConsumerConfig::pull("c")).wait().unwrap();
    let mut flow = consumer.messages_with(MessagesOptions::new().batch(4)).unwrap();
    assert_eq!(consumer.info().wait().unwrap().num_waiting, 1);
    for n in 0..100 {
        setup.js.publish("s", n.to_string()).wait().unwrap();
        let message = if n % 2 == 0 { flow.recv() } else { run(flow.next()) };
        let message = message.unwrap().unwrap();
        assert_eq!(message.payload_str().unwrap(), n.to_string());
        message.ack().unwrap();
    }
    for _ in 0..20 {
        setup.js.publish("s", "x").wait().unwrap();
    }
    let more = run(flow.by_ref().take(20).try_collect::<Vec<_>>()).unwrap();
    assert_eq!(more.len(), 20);
    more.iter().for_each(|message| message.ack().unwrap());

    // Hours without a message: requests end, and are made anew.
    for _ in 0..20 {
        let waiting = std::thread::scope(|scope| {
            let timers = setup.clock.timers();
            let next = scope.spawn(|| flow.recv());
            setup.clock.wait_for_timers(timers + 1);
            for _ in 0..10 {
                setup.clock.advance(SEC * 7);
            }
            setup.js.publish("s", "late").wait().unwrap();
            next.join().unwrap()
        });
        let message = waiting.unwrap().unwrap();
        assert_eq!(message.payload(), b"late");
        message.ack().unwrap();
    }
    stream.delete_consumer("c").wait().unwrap();
    assert!(flow.recv().unwrap().unwrap_err().is_consumer_gone());
    assert!(flow.recv().is_none());
}

/// JC75: a server that falls silent is noticed, and asked again.
#[test]
fn a_missing_heartbeat_is_told_and_messages_are_asked_for_again() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    let consumer = stream.create_consumer(ConsumerConfig::pull("c")).wait().unwrap();
    // A responder that says nothing takes the place of the server.
    let client = setup.bus.connect();
    let silent = postroom::jetstream::with_domain(client.clone(), "silent");
    let asked = client.subscribe("$JS.silent.API.CONSUMER.MSG.NEXT.S.c").unwrap();
    let _info = client
        .subscribe_fn("$JS.silent.API.*.INFO.S.>", move |request| {
            let subject = request.subject().as_str().replace("silent.", "");
            let real = setup.bus.connect().request(subject, "").unwrap();
            request.respond(real.payload_bytes()).unwrap();
        })
        .unwrap();
    let _stream_info = client.subscribe_fn("$JS.silent.API.STREAM.INFO.S", |request| {
        let info = r#"{"config":{"name":"S"},"state":{}}"#;
        request.respond(info).unwrap();
    });
    let consumer = silent.get_stream("S").wait().unwrap().get_consumer(consumer.name()).wait().unwrap();
    let options = MessagesOptions::new().expires(SEC * 30);
    let mut flow = consumer.messages_with(options).unwrap();
    assert_eq!(asked.len(), 1);
    setup.clock.advance(SEC * 30);
    assert_eq!(flow.recv().unwrap().unwrap_err(), MessagesError::HeartbeatMissed);
    let mut next = flow.next();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut next).poll(&mut cx).is_pending());
    assert_eq!(asked.len(), 2);
    setup.clock.advance(SEC * 30);
    assert_eq!(run(next).unwrap().unwrap_err(), MessagesError::HeartbeatMissed);
}

/// JC120 to JC126.
#[test]
fn pushed_messages_come_with_flow_control_answered() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    let config =
        ConsumerConfig::push("c", "deliver.c").ack_policy(AckPolicy::None).idle_heartbeat(SEC * 5).flow_control(true);
    let consumer = stream.create_consumer(config).wait().unwrap();
    let large = vec![b'x'; 100_000];
    for _ in 0..200 {
        setup.js.publish("s", &large[..]).wait().unwrap();
    }
    let mut flow = consumer.messages().unwrap();
    for n in 1..=200 {
        let message = if n % 2 == 0 { flow.recv() } else { run(flow.next()) };
        assert_eq!(message.unwrap().unwrap().info().unwrap().stream_sequence, n);
    }
    assert_eq!(consumer.fetch(1).messages().recv().unwrap().unwrap_err().to_string(), "409 Consumer is push based");
    stream.delete_consumer("c").wait().unwrap();
    setup.clock.advance(SEC * 10);
    assert_eq!(flow.recv().unwrap().unwrap_err(), MessagesError::HeartbeatMissed);
}

/// JC200: a consumer that is gone, or that lost deliveries, is made anew behind the last message.
#[test]
fn ordered_messages_have_no_gap() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    for n in 1..=5_u64 {
        setup.js.publish("s", n.to_string()).wait().unwrap();
    }
    let mut ordered = stream.ordered(ConsumerConfig::ephemeral()).unwrap();
    let seq = |message: Option<Result<postroom::jetstream::JsMessage, MessagesError>>| {
        message.unwrap().unwrap().info().unwrap().stream_sequence
    };
    assert_eq!(seq(ordered.recv()), 1);
    assert_eq!(seq(run(ordered.next())), 2);
    let first = stream.consumer_names().recv().unwrap().unwrap();

    // Gone without a word; what was delivered already still comes.
    stream.delete_consumer(&first).wait().unwrap();
    assert_eq!([seq(ordered.recv()), seq(ordered.recv()), seq(ordered.recv())], [3, 4, 5]);
    setup.js.publish("s", "6").wait().unwrap();
    setup.clock.advance(SEC * 10);
    assert_eq!(seq(ordered.recv()), 6);
    let second = stream.consumer_names().recv().unwrap().unwrap();
    assert_ne!(first, second);

    // A message that never was: the consumer goes on behind it.
    stream.purge_with(Purge::default()).wait().unwrap();
    setup.js.publish("s", "7").wait().unwrap();
    assert_eq!(seq(run(ordered.next())), 7);
    assert_eq!(stream.consumer_names().recv().unwrap().unwrap(), second);

    setup.js.delete_stream("S").wait().unwrap();
    setup.clock.advance(SEC * 10);
    let error = ordered.recv().unwrap().unwrap_err();
    assert!(matches!(&error, MessagesError::Create(error) if error.is_stream_not_found()), "{error}");
    assert!(ordered.recv().is_none());
}

/// JC200: a delivery that is lost on the way is a gap.
#[test]
fn a_lost_delivery_is_made_good() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    let mut ordered = stream.ordered(ConsumerConfig::ephemeral()).unwrap();
    for n in 1..=3 {
        setup.js.publish("s", n.to_string()).wait().unwrap();
    }
    let first = ordered.recv().unwrap().unwrap();
    assert_eq!(first.info().unwrap().stream_sequence, 1);
    // A delivery of the consumer that claims to be a later one: those between are missing.
    let info = stream.consumers().recv().unwrap().unwrap();
    let reply = format!("$JS.ACK.S.{}.1.9.9.1000.0", info.name);
    let stray = postroom::Message::new("s", "stray").unwrap().with_reply(reply).unwrap();
    setup.bus.connect().publish_message_to(info.config.deliver_subject.as_str(), &stray).unwrap();
    let rest: Vec<u64> =
        ordered.iter().take(2).map(|message| message.unwrap().info().unwrap().stream_sequence).collect();
    assert_eq!(rest, [2, 3]);
    setup.js.publish("s", "4").wait().unwrap();
    assert_eq!(run(ordered.next()).unwrap().unwrap().payload(), b"4");
}

/// A delivery without a sequence, as a bridge delivers it, can't be put in order.
#[test]
fn ordered_messages_need_their_sequences() {
    let setup = setup();
    let stream = setup.stream("S", "s");
    let mut ordered = stream.ordered(ConsumerConfig::ephemeral()).unwrap();
    let info = stream.consumers().recv().unwrap().unwrap();
    let stray = postroom::Message::new("s", "stray").unwrap().with_reply("_INBOX.1").unwrap();
    setup.bus.connect().publish_message_to(info.config.deliver_subject.as_str(), &stray).unwrap();
    assert_eq!(ordered.recv().unwrap().unwrap_err(), MessagesError::NoSequence);
    assert!(ordered.recv().is_none());
}
