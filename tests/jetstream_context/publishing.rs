//! Publishing: acknowledgements, expectations, cancelled waits.

use crate::support::{run, setup};
use postroom::jetstream::{PublishOptions, StreamConfig};
use postroom::{Error, HeaderMap, RequestError};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[test]
fn a_publish_is_sent_when_called_and_acknowledged_to_threads_and_tasks() {
    let setup = setup();
    let stream = setup.stream("S", "s.>");
    let acks: Vec<_> = (0..3).map(|n| setup.js.publish(format!("s.{n}"), "x")).collect();
    assert_eq!(stream.info().wait().unwrap().state.messages, 3);
    let seqs: Vec<u64> = acks.into_iter().map(|ack| ack.wait().unwrap().sequence).collect();
    assert_eq!(seqs, [1, 2, 3]);
    let ack = run(setup.js.publish("s.4", "x")).unwrap();
    assert_eq!((ack.stream.as_str(), ack.sequence, ack.duplicate, ack.domain), ("S", 4, false, None));
    // Nobody waits: it is stored all the same.
    drop(setup.js.publish("s.5", "x"));
    assert_eq!(stream.info().wait().unwrap().state.messages, 5);
}

/// JS45 to JS49.
#[test]
fn expectations_are_held() {
    let setup = setup();
    let js = &setup.js;
    let stream = js.create_stream(StreamConfig::new("S").subjects(["s.>"]).allow_msg_ttl(true)).wait().unwrap();
    let with = |options: PublishOptions| js.publish_with("s.1", "x", options).wait();

    assert_eq!(with(PublishOptions::new().expected_last_sequence(0)).unwrap().sequence, 1);
    assert!(with(PublishOptions::new().expected_last_sequence(7)).unwrap_err().is_wrong_last_sequence());
    assert!(with(PublishOptions::new().expected_last_subject_sequence(0)).unwrap_err().is_wrong_last_sequence());
    let of = |seq| PublishOptions::new().expected_last_subject_sequence_of("s.*", seq);
    let error = with(of(0)).unwrap_err();
    assert!(error.is_wrong_last_sequence());
    assert_eq!((error.err_code(), error.to_string().as_str()), (Some(10071), "wrong last sequence: 1"));
    assert!(with(of(1)).is_ok());
    assert!(with(PublishOptions::new().expected_stream("T")).unwrap_err().is_wrong_stream());
    assert!(with(PublishOptions::new().expected_last_message_id("a")).unwrap_err().is_wrong_last_message_id());
    assert!(!with(PublishOptions::new().message_id("a")).unwrap().duplicate);
    assert!(with(PublishOptions::new().message_id("a")).unwrap().duplicate);
    assert!(with(PublishOptions::new().expected_last_message_id("a")).is_ok());

    let headers: HeaderMap = [("Color", "red")].try_into().unwrap();
    let ack = with(PublishOptions::new().headers(headers.clone()).ttl(Duration::from_millis(1_500))).unwrap();
    let stored = stream.get_message(ack.sequence).wait().unwrap();
    assert_eq!(stored.headers.get("Color"), Some("red"));
    setup.clock.advance(Duration::from_millis(1_600));
    assert!(stream.get_message(ack.sequence).wait().unwrap_err().is_not_found());

    // A fault in an option is told by the handle, and nothing is sent.
    let before = stream.info().wait().unwrap().state.last_seq;
    let fault = with(PublishOptions::new().message_id("a\r\nb")).unwrap_err();
    assert!(fault.to_string().contains("invalid headers"), "{fault}");
    assert_eq!(stream.info().wait().unwrap().state.last_seq, before);
}

#[test]
fn a_stream_that_does_not_acknowledge_is_a_timeout_and_no_stream_is_no_responders() {
    let setup = setup();
    let stream = setup.js.create_stream(StreamConfig::new("S").subjects(["s"]).no_ack(true)).wait().unwrap();
    assert!(setup.js.publish("t", "x").wait().unwrap_err().is_no_responders());
    assert!(run(setup.js.publish("t", "x")).unwrap_err().is_no_responders());

    let mut ack = pin!(setup.js.publish("s", "x"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(ack.as_mut().poll(&mut cx).is_pending());
    setup.clock.advance(Duration::from_secs(2));
    let Poll::Ready(Err(error)) = ack.as_mut().poll(&mut cx) else { panic!("the time is up") };
    assert!(error.is_timeout());
    assert_eq!(stream.info().wait().unwrap().state.messages, 1);

    // A thread that waits: the clock moves once it does.
    let timers = setup.clock.timers();
    let js = setup.js.clone();
    let thread = std::thread::spawn(move || js.publish("s", "x").wait());
    setup.clock.wait_for_timers(timers + 1);
    setup.clock.advance(Duration::from_secs(2));
    assert!(thread.join().unwrap().unwrap_err().is_timeout());
}

/// The crate's one error takes those of JetStream.
#[test]
fn errors_convert_into_the_error_over_all() {
    let setup = setup();
    let publish = || -> Result<u64, Error> { Ok(setup.js.publish("t", "x").wait()?.sequence) };
    let error = publish().unwrap_err();
    assert!(matches!(error, Error::JetStream(_)));
    let expected = RequestError::NoResponders { subject: "t".to_owned() };
    assert_eq!(error.to_string(), expected.to_string());
}
